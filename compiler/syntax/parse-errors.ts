/** Parser exceptions -> SE003 in the reader's words. The grammar gives every place a phrase for what it expects; token sets are never shown. */
import { EOF, type IToken, tokenMatcher } from "chevrotain";
import type { Message } from "../diagnostics/diagnostic.ts";
import { messages } from "../diagnostics/messages.gen.ts";
import type { Span } from "../source.ts";
import { type Context, tokenSpan } from "./build-ast.ts";
import { fragmentSpan } from "./fragment.ts";
import { tokenEnd } from "./scan.ts";
import { DoubleSlash, DoubleStar, Equals, LCurly, OpenString, RCurly } from "./tokens.ts";

/** Phrases for "expected ..." that more than one place knows. */
export const STATEMENT = "a layer or a statement";
export const LAYER = "a layer";
export const DEFINITION = "`use`, `block` or `net`";

const EDITS = new Set(["insert", "replace", "remove", "set"]);

/** A token as the reader sees it, long ones cut. */
export function describe(token: IToken): string {
  const text = token.image.length > 32 ? `${token.image.slice(0, 29)}...` : token.image;
  return text.startsWith('"') || text.includes("`") ? text : `\`${text}\``;
}

/** Whether something is missing at the end of a line: what was found instead stands on a later one, or nowhere. */
function isCutShort(context: Context, token: IToken, previous: IToken): boolean {
  if (token.tokenType === EOF) return true;
  if (previous.tokenType === EOF || previous.startOffset >= token.startOffset) return false;
  return context.fragment.text.slice(tokenEnd(previous), token.startOffset).includes("\n");
}

/** What stands in the place of `token`, for "found ...". */
export function found(context: Context, token: IToken, previous: IToken): string {
  if (token.tokenType === EOF) return context.end;
  return isCutShort(context, token, previous) ? "the end of the line" : describe(token);
}

/** Where a missing thing should stand: at the token found instead, or right behind the last one at the end of a line. */
export function spanAt(context: Context, token: IToken, previous: IToken): Span {
  if (!isCutShort(context, token, previous)) return tokenSpan(context, token);
  const end = previous.tokenType === EOF ? 0 : tokenEnd(previous);
  return fragmentSpan(context.fragment, end, end);
}

/** `tokens` are those of the whole text; `expected` completes "expected ...". */
export function reportUnexpected(context: Context, tokens: readonly IToken[], expected: string, token: IToken, previous: IToken): void {
  // an open string has been reported, and has swallowed what should come behind it
  if (token.tokenType === OpenString || previous.tokenType === OpenString) return;
  const isCut = token.tokenType === EOF || isDefinitionStart(tokens, token);
  const open = expected === "`}`" && isCut ? unclosed(context, tokens, token) : undefined;
  if (open) context.diagnostics.report(messages.SE003.unclosed(), tokenSpan(context, open));
  else context.diagnostics.report(unexpected(tokens, expected, token, found(context, token, previous)), spanAt(context, token, previous));
}

function unexpected(tokens: readonly IToken[], expected: string, token: IToken, instead: string): Message {
  if (tokenMatcher(token, DoubleSlash)) return messages.SE003.comment();
  if (tokenMatcher(token, DoubleStar)) return messages.SE003.power();
  if (tokens.length === 0) return messages.SE003.empty({ expected });
  if (tokenMatcher(token, RCurly) && expected === DEFINITION) return messages.SE003.surplus();
  if (token.tokenType === Equals && expected === STATEMENT) return messages.SE003.assign();
  if (EDITS.has(token.image) && (expected === STATEMENT || expected === LAYER)) return messages.SE003.edit({ word: token.image });
  if (token.image === "as" && (expected === STATEMENT || expected === LAYER)) return namedBehind(tokens, token);
  return messages.SE003.expected({ expected, found: instead });
}

/** `se(reduction=4) as se1`, which only `insert` has. */
function namedBehind(tokens: readonly IToken[], as: IToken): Message {
  const index = as.payload as number;
  let from = index - 1;
  const isCall = tokens[from]?.image === ")";
  for (let depth = 0; isCall && from > 0; from--) {
    depth += tokens[from]?.image === ")" ? 1 : tokens[from]?.image === "(" ? -1 : 0;
    if (depth === 0) break;
  }
  const layer = isCall ? `${tokens[from - 1]?.image ?? "conv"}(...)` : (tokens[from]?.image ?? "conv");
  return messages.SE003.behind({ name: tokens[index + 1]?.image ?? "NAME", layer });
}

/** `net NAME` or `block NAME` at the start of a line: where the next definition begins, whatever is still open. */
export function isDefinitionStart(tokens: readonly IToken[], token: IToken): boolean {
  const index = token.payload as number | undefined;
  if (index === undefined || (token.image !== "net" && token.image !== "block")) return false;
  const next = tokens[index + 1];
  const after = tokens[index + 2];
  const isNamed = next !== undefined && /^[A-Za-z_]/.test(next.image);
  return isNamed && (after?.image === "{" || after?.image === "(" || after?.image === "from");
}

/**
 * The `{` that lacks its `}`: one that a `}` closes which stands further left than the line of the `{`, else the innermost still open
 * at `until`. Indentation is only a hint, so it decides about the place of a message and nothing else.
 */
function unclosed(context: Context, tokens: readonly IToken[], until: IToken): IToken | undefined {
  const open: IToken[] = [];
  const end = until.tokenType === EOF ? tokens.length : (until.payload as number);
  const indent = (token: IToken): number => {
    const lineStart = context.fragment.text.lastIndexOf("\n", token.startOffset - 1) + 1;
    return /^[ \t]*/.exec(context.fragment.text.slice(lineStart, token.startOffset))?.[0].length ?? 0;
  };
  const isFirst = (token: IToken): boolean =>
    /(^|\n)[ \t]*$/.test(context.fragment.text.slice(Math.max(0, token.startOffset - 200), token.startOffset));
  let suspect: IToken | undefined;
  for (const token of tokens.slice(0, end)) {
    if (isDefinitionStart(tokens, token)) {
      open.length = 0;
      suspect = undefined;
    }
    if (tokenMatcher(token, LCurly)) open.push(token);
    if (!tokenMatcher(token, RCurly)) continue;
    const partner = open.pop();
    if (!suspect && partner && isFirst(token) && indent(token) < indent(partner)) suspect = partner;
  }
  return open.length === 0 ? undefined : (suspect ?? open.at(-1));
}
