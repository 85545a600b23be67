/**
 * Kernel expressions as JavaScript.
 *
 * JavaScript computes in f64; kernels mean f32. Every f32 operation is therefore rounded by `f32` (Math.fround), except where the store into
 * a Float32Array rounds anyway. So an operation gives the same bits alone or fused into another kernel, and `init preserve`, which moves
 * powers of two around, stays exact. Sums of reductions are kept in f64.
 */
import { invariant } from "../../compiler/invariant.ts";
import { typeOf } from "../../compiler/ir/expr.ts";
import type { Expr } from "../../compiler/ir/kernel.ts";
import { numberLiteral } from "../module/text.ts";

export interface ExprNames {
  /** A load as text: `input[c * 49 + p]`. */
  readonly load: (buffer: number, at: readonly Expr[]) => string;
  readonly index: (name: string) => string;
  /** The reduced value; `rounded` when it is an f32 already. */
  readonly acc: { readonly text: string; readonly rounded: boolean };
  /** For comments: `f32` is left out. */
  readonly plain?: boolean;
}

/** Binding strength of JavaScript operators, as far as expressions use them. */
const TERNARY = 1;
const AND = 2;
const EQUAL = 3;
const LESS = 4;
const OR_BITS = 2.5;
const SUM = 6;
const PRODUCT = 7;
const PREFIX = 8;
const ATOM = 9;

interface Text {
  readonly text: string;
  readonly strength: number;
}

const at = (t: Text, strength: number): string => (t.strength < strength ? `(${t.text})` : t.text);
const call = (fn: string, ...args: string[]): Text => ({ text: `${fn}(${args.join(", ")})`, strength: ATOM });

/** `rounds`: the place the value goes to rounds to f32 (a store), or takes all digits (a sum in f64). */
export function printExpr(e: Expr, names: ExprNames, rounds = true): string {
  return print(e, names, rounds).text;
}

function print(e: Expr, names: ExprNames, rounds: boolean): Text {
  switch (e.kind) {
    case "const":
      return constantText(e.type, e.value);
    case "index":
      return { text: names.index(e.name), strength: ATOM };
    case "load":
      return { text: names.load(e.buffer, e.at), strength: ATOM };
    case "acc":
      return rounded({ text: names.acc.text, strength: names.acc.text.includes(" ") ? SUM : ATOM }, rounds || names.acc.rounded, names);
    case "select": {
      const cond = print(e.cond, names, true);
      return {
        text: `${at(cond, AND)} ? ${at(print(e.yes, names, rounds), AND)} : ${at(print(e.no, names, rounds), TERNARY)}`,
        strength: TERNARY,
      };
    }
    case "unary":
      return printUnary(e, names, rounds);
    case "binary":
      return printBinary(e, names, rounds);
  }
}

function constantText(type: "f32" | "i32" | "bool", value: number): Text {
  if (type === "bool") return { text: value ? "true" : "false", strength: ATOM };
  // a constant of a kernel is an f32: "f32(1 / 6)" and 0.16666666666666666 differ
  const number = type === "f32" ? Math.fround(value) : value;
  if (Number.isInteger(number) || !Number.isFinite(number)) return { text: numberLiteral(number), strength: number < 0 ? PREFIX : ATOM };
  const exact = numberLiteral(value);
  return Math.fround(value) === value ? { text: exact, strength: value < 0 ? PREFIX : ATOM } : call("f32", exact);
}

/** Rounds unless the destination does. */
const rounded = (t: Text, rounds: boolean, names: ExprNames): Text => (rounds || names.plain ? t : call("f32", t.text));

function printUnary(e: Extract<Expr, { kind: "unary" }>, names: ExprNames, rounds: boolean): Text {
  const inner = (exact: boolean): Text => print(e.x, names, exact);
  switch (e.fn) {
    case "neg":
      return { text: `-${at(inner(rounds), ATOM)}`, strength: PREFIX };
    case "abs":
      return call("Math.abs", inner(rounds).text);
    case "floor":
      return call("Math.floor", inner(false).text);
    case "exp":
    case "log":
    case "sqrt":
    case "tanh":
      return rounded(call(`Math.${e.fn}`, inner(false).text), rounds, names);
    case "rsqrt":
      return rounded({ text: `1 / ${call("Math.sqrt", inner(false).text).text}`, strength: PRODUCT }, rounds, names);
    case "float":
      return inner(true);
    case "int":
      return call("Math.trunc", inner(false).text);
    case "not":
      return { text: `!${at(inner(true), PREFIX)}`, strength: PREFIX };
  }
}

function printBinary(e: Extract<Expr, { kind: "binary" }>, names: ExprNames, rounds: boolean): Text {
  const float = typeOf(e.a) === "f32";
  const a = (exact: boolean): Text => print(e.a, names, exact);
  const b = (exact: boolean): Text => print(e.b, names, exact);
  const infix = (operator: string, strength: number, associative: boolean): Text => {
    const left = at(a(!float), strength);
    const right = at(b(!float), associative && !float ? strength : strength + 0.5);
    return { text: `${left} ${operator} ${right}`, strength };
  };
  const arithmetic = (t: Text): Text => (float ? rounded(t, rounds, names) : t);
  switch (e.fn) {
    case "add":
      if (!float && e.b.kind === "const" && e.b.value < 0) return { text: `${at(a(true), SUM)} - ${-e.b.value}`, strength: SUM };
      return arithmetic(infix("+", SUM, true));
    case "sub":
      return arithmetic(infix("-", SUM, false));
    case "mul":
      return arithmetic(infix("*", PRODUCT, true));
    case "div":
      return arithmetic(infix("/", PRODUCT, false));
    case "pow":
      return arithmetic(call("Math.pow", a(false).text, b(false).text));
    case "min":
    case "max":
      return call(`Math.${e.fn}`, a(rounds).text, b(rounds).text);
    case "idiv":
      invariant(!float, "idiv of floats");
      return { text: `(${at(a(true), PRODUCT)} / ${at(b(true), PRODUCT + 0.5)}) | 0`, strength: OR_BITS };
    case "imod":
      return infix("%", PRODUCT, false);
    case "lt":
      return infix("<", LESS, false);
    case "le":
      return infix("<=", LESS, false);
    case "eq":
      return infix("===", EQUAL, false);
    case "and":
      return { text: `${at(a(true), AND)} && ${at(b(true), AND)}`, strength: AND };
  }
}
