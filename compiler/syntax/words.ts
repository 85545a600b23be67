/** The reserved words of the language (language.md section 2). They cannot name a block, net or parameter, but are fine as labels and parts. */
import type { BinaryOperator } from "./ast.ts";

export const MERGE_WORDS = ["residual", "add", "mul", "concat"] as const;

export const KEYWORDS = [
  ...["use", "block", "net", "from", "input", "output", "check", "if", "else"],
  ...["insert", "replace", "remove", "set", "with", "as", "before", "after", "at", "except", "expect", "init"],
  ...["and", "or", "not", "true", "false", "in", "here"],
  ...MERGE_WORDS,
] as const;

const keywords: ReadonlySet<string> = new Set(KEYWORDS);

export function isKeyword(text: string): boolean {
  return keywords.has(text);
}

/** `[A-Za-z_][A-Za-z0-9_]*`: what may be written without quotes. Keywords count. */
export function isIdentifier(text: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(text);
}

/** How tightly each binary operator binds (language.md section 3); `not` stands at 3, between `and` and the comparisons. */
export const BINDING: Readonly<Record<BinaryOperator, number>> = {
  or: 1,
  and: 2,
  "==": 4,
  "!=": 4,
  "<": 4,
  "<=": 4,
  ">": 4,
  ">=": 4,
  "+": 5,
  "-": 5,
  "*": 6,
  "/": 6,
  "//": 6,
  "%": 6,
};
export const NOT_BINDING = 3;
