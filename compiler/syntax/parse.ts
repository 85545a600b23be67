/** The doors of the parser: a file of either spelling, and the small texts that stand in JSON strings and on the command line. */
import { type IToken, isRecognitionException } from "chevrotain";
import type { Diagnostics } from "../diagnostics/diagnostic.ts";
import { messages } from "../diagnostics/messages.gen.ts";
import { LIMITS } from "../limits.ts";
import { type SourceFile, span } from "../source.ts";
import type { Expr, Path, Selector, SpecFile } from "./ast.ts";
import { type Context, tokenSpan } from "./build-ast.ts";
import { type Fragment, wholeFile } from "./fragment.ts";
import { type SpecGrammar, theGrammar } from "./grammar.ts";
import { parseJson } from "./json-spec.ts";
import { reportUnexpected } from "./parse-errors.ts";
import { scan } from "./scan.ts";

/**
 * Reads a file of either spelling: JSON when its name ends in `.json` or its first character that is no blank is `{`, else text.
 * Reports SE001-SE010. With errors it may still return what could be read; without errors it always returns a tree.
 */
export function parseSpec(file: SourceFile, diagnostics: Diagnostics): SpecFile | undefined {
  if (utf8Exceeds(file.text, LIMITS.fileBytes)) {
    diagnostics.report(messages.SE010.file({ limit: LIMITS.fileBytes }), span(file, 0, 0));
    return undefined;
  }
  return isJson(file) ? parseJson(file, diagnostics) : parseText(file, diagnostics);
}

export function isJson(file: SourceFile): boolean {
  return file.name.endsWith(".json") || /^\s*\{/.test(file.text);
}

/** Whether a text has more than `limit` bytes in UTF-8. */
function utf8Exceeds(text: string, limit: number): boolean {
  if (text.length > limit) return true;
  if (text.length * 3 <= limit) return false;
  let bytes = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return bytes > limit;
}

/** Reads the text form. */
export function parseText(file: SourceFile, diagnostics: Diagnostics): SpecFile | undefined {
  const context: Context = { fragment: wholeFile(file), diagnostics };
  const { tokens, comments, tooDeep } = scan(context.fragment, diagnostics);
  if (tooDeep) return undefined;
  const grammar = theGrammar();
  grammar.begin(context, tokens);
  const tree = grammar.file();
  return {
    ...tree,
    comments: comments.map((token) => ({ text: token.image.slice(1).trim(), span: tokenSpan(context, token) })),
    span: span(file, 0, file.text.length),
  };
}

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
  const context: Context = { fragment, diagnostics };
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
