/** The small texts that stand in JSON strings and on the command line: a selector, a path, an expression. */
import { type IToken, isRecognitionException } from "chevrotain";
import type { Diagnostics } from "../diagnostics/diagnostic.ts";
import type { Expr, Path, Selector } from "./ast.ts";
import type { Context } from "./build-ast.ts";
import type { Fragment } from "./fragment.ts";
import { type SpecGrammar, theGrammar } from "./grammar.ts";
import { reportUnexpected } from "./parse-errors.ts";
import { scan } from "./scan.ts";

/** A selector by itself: `layer3.*.@residual.main`. Undefined after a mistake, which is reported. */
export function parseSelector(fragment: Fragment, diagnostics: Diagnostics): Selector | undefined {
  return parseFragment(fragment, diagnostics, (grammar) => grammar.selector());
}

/** A path as `from` and `shared` take it: `body.layer3`, `paths.0`. */
export function parsePath(fragment: Fragment, diagnostics: Diagnostics): Path | undefined {
  return parseFragment(fragment, diagnostics, (grammar) => grammar.path());
}

/** An expression by itself: `4 * width`. */
export function parseExpression(fragment: Fragment, diagnostics: Diagnostics): Expr | undefined {
  return parseFragment(fragment, diagnostics, (grammar) => grammar.expr());
}

function parseFragment<T>(fragment: Fragment, diagnostics: Diagnostics, rule: (grammar: SpecGrammar) => T): T | undefined {
  const before = diagnostics.all.length;
  const context: Context = { fragment, diagnostics, end: "the end" };
  const { tokens, tooDeep } = scan(fragment, diagnostics);
  if (tooDeep) return undefined;
  const grammar = theGrammar();
  grammar.begin(context, tokens);
  try {
    const result = rule(grammar);
    const error = grammar.errors[0];
    if (error)
      reportUnexpected(context, tokens, error.message, error.token, (error as { previousToken?: IToken }).previousToken ?? error.token);
    const rest = error ? undefined : grammar.rest();
    if (rest) reportUnexpected(context, tokens, "the end", rest, rest);
    return diagnostics.all.length > before ? undefined : result;
  } catch (error) {
    // a mistake that has been reported; anything else is ours
    if (isRecognitionException(error as Error) || diagnostics.all.length === before) throw error;
    return undefined;
  }
}
