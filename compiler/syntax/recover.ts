/** Where reading goes on after a mistake: with the next statement, edit or definition. Token indices, no parsing. */
import type { IToken } from "chevrotain";
import { isNameToken } from "./build-ast.ts";
import { isDefinitionStart } from "./parse-errors.ts";

const CLOSER: Readonly<Record<string, string>> = { "{": "}", "(": ")", "[": "]" };

/** Words that begin a statement or an edit when they are followed by something that fits. */
const STARTERS = new Set([
  "input",
  "output",
  "check",
  "if",
  "from",
  "insert",
  "replace",
  "remove",
  "set",
  "residual",
  "add",
  "mul",
  "concat",
]);

export type TextLine = (token: IToken) => number;

/**
 * Index of the token to go on with. `start` is the first token of the broken part, `error` the one that did not fit.
 * Stops before a `}` that closes the surrounding body, before a definition, behind a `;`, at the first token of a later line,
 * and right behind brackets that were left open.
 */
export function resumeAt(tokens: readonly IToken[], start: number, error: number, lineOf: TextLine): number {
  const open: string[] = [];
  for (let i = start; i < error; i++) follow(open, tokens[i]?.image ?? "");
  const wasOpen = open.length > 0;
  for (let i = error; i < tokens.length; i++) {
    const token = tokens[i] as IToken;
    if (isDefinitionStart(tokens, token) && isFirstOfLine(tokens, i, lineOf)) return i;
    const inBraces = open.includes("{");
    if (!inBraces && token.image === "}") return i;
    if (i > start && !inBraces && isFirstOfLine(tokens, i, lineOf)) {
      const isLabel = tokens[i + 1]?.image === ":";
      if (open.length === 0 ? startsSomething(token) : isLabel || STARTERS.has(token.image)) return i;
    }
    if (open.length === 0 && token.image === ";") return i + 1;
    const depth = open.length;
    follow(open, token.image);
    const next = tokens[i + 1];
    if (wasOpen && depth > 0 && open.length === 0 && next && startsSomething(next)) return i + 1;
  }
  return tokens.length;
}

function follow(open: string[], image: string): void {
  if (CLOSER[image] !== undefined) open.push(image);
  else if (open.length > 0 && CLOSER[open.at(-1) ?? ""] === image) open.pop();
  else if (image === "}") {
    // a closing brace closes every parenthesis that was forgotten inside it
    const brace = open.lastIndexOf("{");
    if (brace >= 0) open.length = brace;
  }
}

const startsSomething = (token: IToken): boolean => isNameToken(token) || token.image.startsWith('"') || token.image === "{";

function isFirstOfLine(tokens: readonly IToken[], index: number, lineOf: TextLine): boolean {
  const previous = tokens[index - 1];
  return previous === undefined || lineOf(previous) < lineOf(tokens[index] as IToken);
}

/** Index of the next definition at or behind `error`, for mistakes outside of all bodies. */
export function nextDefinition(tokens: readonly IToken[], start: number, error: number, lineOf: TextLine): number {
  for (let i = Math.max(error, start + 1); i < tokens.length; i++) {
    const token = tokens[i] as IToken;
    if (isDefinitionStart(tokens, token)) return i;
    if (token.image === "use" && isFirstOfLine(tokens, i, lineOf) && tokens[i + 1]?.image.startsWith('"')) return i;
  }
  return tokens.length;
}
