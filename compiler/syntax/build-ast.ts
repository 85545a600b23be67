/** Makes AST nodes of tokens and finished parts: names, numbers, strings, and the precedence of operators. */
import { type IToken, tokenMatcher } from "chevrotain";
import type { Diagnostics } from "../diagnostics/diagnostic.ts";
import { messages } from "../diagnostics/messages.gen.ts";
import { LIMITS } from "../limits.ts";
import { type Span, union } from "../source.ts";
import type { BinaryOperator, Expr, Name, PathPart, StringLiteral } from "./ast.ts";
import { type Fragment, fragmentSpan } from "./fragment.ts";
import { decodeString, tokenEnd } from "./scan.ts";
import { NumberToken, Name as WordToken } from "./tokens.ts";
import { BINDING, isKeyword, NOT_BINDING } from "./words.ts";

export interface Context {
  readonly fragment: Fragment;
  readonly diagnostics: Diagnostics;
  /** What the end of the text is called in a message. */
  readonly end: "the end of the file" | "the end";
}

export function tokenSpan(context: Context, token: IToken): Span {
  return fragmentSpan(context.fragment, token.startOffset, tokenEnd(token));
}

export function isNameToken(token: IToken): boolean {
  return tokenMatcher(token, WordToken);
}

export function buildName(context: Context, token: IToken): Name {
  const quoted = !isNameToken(token);
  return { text: quoted ? decodeString(token.image) : token.image, quoted, span: tokenSpan(context, token) };
}

/** SE103 for a keyword as the name of a definition or parameter. */
export function reportKeyword(diagnostics: Diagnostics, name: Name, kind: "block" | "net" | "parameter"): void {
  if (isKeyword(name.text)) diagnostics.report(messages.SE103.keyword({ name: name.text, kind }), name.span);
}

export function buildString(context: Context, token: IToken): StringLiteral {
  return { kind: "string", value: decodeString(token.image), span: tokenSpan(context, token) };
}

export function buildNumber(context: Context, token: IToken): Expr {
  const value = Number(token.image);
  const span = tokenSpan(context, token);
  if (!Number.isFinite(value)) context.diagnostics.report(messages.SE003.huge({ text: token.image }), span);
  return { kind: "number", value, span };
}

/**
 * The parts a token of a path stands for: two for `0.1`, which the scanner reads as one number where a path begins.
 * Digits too many to be a layer's number, and exponents, are refused.
 */
export function buildParts(context: Context, token: IToken): PathPart[] {
  const span = tokenSpan(context, token);
  const { image } = token;
  if (isNameToken(token)) return [{ kind: "name", text: image, span }];
  if (!tokenMatcher(token, NumberToken)) return [{ kind: "string", text: decodeString(image), span }];
  if (/[eE]/.test(image) || /\d{16}/.test(image)) context.diagnostics.report(messages.SE003.fraction({ text: image }), span);
  const [whole = "", fraction] = image.split(".");
  const number = (digits: string, from: number): PathPart => ({
    kind: "number",
    value: Number.parseInt(digits, 10),
    span: fragmentSpan(context.fragment, token.startOffset + from, token.startOffset + from + digits.length),
  });
  return fraction === undefined ? [number(whole, 0)] : [number(whole, 0), number(fraction, whole.length + 1)];
}

// ---- operators -------------------------------------------------------------------------------------------------------

/** What stands between two operands, or in front of one, in the order of the text. */
export type Piece = { readonly kind: "operand"; readonly expr: Expr } | { readonly kind: "prefix" | "binary"; readonly token: IToken };

const COMPARE = 4;

interface Cursor {
  readonly context: Context;
  readonly pieces: readonly Piece[];
  next: number;
}

/** Gives a flat run of operands and operators its tree (language.md section 3: `or` binds loosest, then `and`, `not`, comparisons, sums, products). */
export function buildOperators(context: Context, pieces: readonly Piece[]): Expr {
  const operators = pieces.filter((p) => p.kind !== "operand");
  const surplus = operators[LIMITS.nesting];
  const operand = pieces.find((p) => p.kind === "operand");
  if (surplus && operand) {
    context.diagnostics.report(messages.SE010.chain({ limit: LIMITS.nesting }), tokenSpan(context, surplus.token));
    // a tree of all of it would be too deep for everything that walks it
    return operand.expr;
  }
  return climb({ context, pieces, next: 0 }, 1);
}

function climb(cursor: Cursor, lowest: number): Expr {
  let left = prefixed(cursor, lowest);
  for (;;) {
    const piece = cursor.pieces[cursor.next];
    if (piece?.kind !== "binary") return left;
    const operator = binaryOperator(cursor.context, piece.token);
    const level = BINDING[operator];
    if (level < lowest) return left;
    cursor.next++;
    if (level === COMPARE && left.kind === "binary" && BINDING[left.operator] === COMPARE && !isParenthesised(cursor, left))
      cursor.context.diagnostics.report(messages.SE003.chain(), tokenSpan(cursor.context, piece.token));
    const right = climb(cursor, level + 1);
    left = { kind: "binary", operator, left, right, span: union(left.span, right.span) };
  }
}

/** Whether the tree came in as one operand, that is from parentheses. */
function isParenthesised(cursor: Cursor, expr: Expr): boolean {
  return cursor.pieces.some((p) => p.kind === "operand" && p.expr === expr);
}

function prefixed(cursor: Cursor, lowest: number): Expr {
  const { context, pieces } = cursor;
  const piece = pieces[cursor.next++];
  if (piece?.kind === "operand") return piece.expr;
  const token = piece?.token as IToken;
  const at = tokenSpan(context, token);
  if (token.image === "not") {
    const before = pieces[cursor.next - 2];
    if (lowest > NOT_BINDING && before && before.kind !== "operand")
      context.diagnostics.report(messages.SE003.not({ operator: before.token.image }), at);
    const operand = climb(cursor, NOT_BINDING);
    return { kind: "unary", operator: "not", operand, span: union(at, operand.span) };
  }
  const operand = prefixed(cursor, BINDING["*"] + 1);
  return { kind: "unary", operator: "-", operand, span: union(at, operand.span) };
}

function binaryOperator(context: Context, token: IToken): BinaryOperator {
  if (token.image !== "=") return token.image as BinaryOperator;
  const at = tokenSpan(context, token);
  context.diagnostics.report(messages.SE005.equals(), at, { fixes: [{ title: "compare", span: at, replacement: "==" }] });
  return "==";
}
