/** Constructors of kernel expressions. They fold constants and the usual identities, so that lowerings stay short and text stays readable. */
import type { BinaryFn, Expr, ScalarType, UnaryFn } from "./kernel.ts";

export type Operand = Expr | number;

export const constant = (value: number, type: ScalarType = "f32"): Expr => ({ kind: "const", type, value });
export const int = (value: number): Expr => constant(value, "i32");
export const index = (name: string): Expr => ({ kind: "index", name });
export const load = (buffer: number, at: readonly Operand[]): Expr => ({
  kind: "load",
  buffer,
  at: at.map((e) => (typeof e === "number" ? int(e) : e)),
});
export const ACC: Expr = { kind: "acc" };

export function typeOf(e: Expr): ScalarType {
  switch (e.kind) {
    case "const":
      return e.type;
    case "index":
      return "i32";
    case "load":
    case "acc":
      return "f32";
    case "select":
      return typeOf(e.yes);
    case "unary":
      return e.fn === "int" ? "i32" : e.fn === "float" ? "f32" : e.fn === "not" ? "bool" : typeOf(e.x);
    case "binary":
      return e.fn === "lt" || e.fn === "le" || e.fn === "eq" || e.fn === "and" ? "bool" : typeOf(e.a);
  }
}

const lift = (e: Operand, like: ScalarType): Expr => (typeof e === "number" ? constant(e, like) : e);
const constantOf = (e: Expr): number | undefined => (e.kind === "const" ? e.value : undefined);

function pair(a: Operand, b: Operand): [Expr, Expr] {
  if (typeof a === "number" && typeof b === "number") return [constant(a), constant(b)];
  if (typeof a === "number") return [lift(a, typeOf(b as Expr)), b as Expr];
  return [a, lift(b, typeOf(a))];
}

/** What a binary function computes, in f64; comparisons give 1 or 0. */
export function evaluateBinary(fn: BinaryFn, a: number, b: number): number {
  switch (fn) {
    case "add":
      return a + b;
    case "sub":
      return a - b;
    case "mul":
      return a * b;
    case "div":
      return a / b;
    case "min":
      return Math.min(a, b);
    case "max":
      return Math.max(a, b);
    case "pow":
      return a ** b;
    case "idiv":
      return Math.floor(a / b);
    case "imod":
      return a - b * Math.floor(a / b);
    case "lt":
      return a < b ? 1 : 0;
    case "le":
      return a <= b ? 1 : 0;
    case "eq":
      return a === b ? 1 : 0;
    case "and":
      return a && b ? 1 : 0;
  }
}

/** Applies the identities that hold exactly in floating point too (x+0 is left alone for f32 only where -0 could matter: it does not here). */
export function binary(fn: BinaryFn, left: Operand, right: Operand): Expr {
  const [a, b] = pair(left, right);
  const x = constantOf(a);
  const y = constantOf(b);
  const type: ScalarType = fn === "lt" || fn === "le" || fn === "eq" || fn === "and" ? "bool" : typeOf(a);
  // f32 arithmetic is left to the target: folding it in f64 would round differently
  if (x !== undefined && y !== undefined && (typeOf(a) !== "f32" || type === "bool")) return constant(evaluateBinary(fn, x, y), type);
  if (fn === "add" && x === 0) return b;
  if ((fn === "add" || fn === "sub") && y === 0) return a;
  if (fn === "mul" && x === 1) return b;
  if ((fn === "mul" || fn === "div" || fn === "idiv") && y === 1) return a;
  if (typeOf(a) === "i32") {
    if (fn === "mul" && (x === 0 || y === 0)) return int(0);
    if (fn === "imod" && y === 1) return int(0);
    if (fn === "idiv" && x === 0) return int(0);
    // (e + c1) + c2 -> e + (c1 + c2)
    if (fn === "add" && y !== undefined && a.kind === "binary" && a.fn === "add" && a.b.kind === "const")
      return binary("add", a.a, a.b.value + y);
  }
  if (fn === "and" && x !== undefined) return x ? b : a;
  if (fn === "and" && y !== undefined) return y ? a : b;
  return { kind: "binary", fn, a, b };
}

export function unary(fn: UnaryFn, operand: Operand): Expr {
  const x = typeof operand === "number" ? constant(operand) : operand;
  if (fn === "float" && x.kind === "const") return constant(x.value, "f32");
  return { kind: "unary", fn, x };
}

export const add = (a: Operand, b: Operand): Expr => binary("add", a, b);
export const sub = (a: Operand, b: Operand): Expr => binary("sub", a, b);
export const mul = (a: Operand, b: Operand): Expr => binary("mul", a, b);
export const div = (a: Operand, b: Operand): Expr => binary("div", a, b);
export const min = (a: Operand, b: Operand): Expr => binary("min", a, b);
export const max = (a: Operand, b: Operand): Expr => binary("max", a, b);
export const pow = (a: Operand, b: Operand): Expr => binary("pow", a, b);
export const idiv = (a: Operand, b: Operand): Expr => binary("idiv", a, b);
export const imod = (a: Operand, b: Operand): Expr => binary("imod", a, b);
export const lt = (a: Operand, b: Operand): Expr => binary("lt", a, b);
export const le = (a: Operand, b: Operand): Expr => binary("le", a, b);
export const eq = (a: Operand, b: Operand): Expr => binary("eq", a, b);
export const and = (a: Operand, b: Operand): Expr => binary("and", a, b);
export const neg = (x: Operand): Expr => unary("neg", x);
export const abs = (x: Operand): Expr => unary("abs", x);
export const exp = (x: Operand): Expr => unary("exp", x);
export const log = (x: Operand): Expr => unary("log", x);
export const sqrt = (x: Operand): Expr => unary("sqrt", x);
export const rsqrt = (x: Operand): Expr => unary("rsqrt", x);
export const tanh = (x: Operand): Expr => unary("tanh", x);
export const toFloat = (x: Operand): Expr => unary("float", x);

export function select(cond: Expr, yes: Operand, no: Operand): Expr {
  if (cond.kind === "const") return lift(cond.value ? yes : no, "f32");
  const [a, b] = pair(yes, no);
  return { kind: "select", cond, yes: a, no: b };
}

/** Rebuilds an expression bottom-up; `visit` returns a replacement or undefined to keep the rebuilt node. Folds again while rebuilding. */
export function rewrite(e: Expr, visit: (e: Expr) => Expr | undefined): Expr {
  const inner = ((): Expr => {
    switch (e.kind) {
      case "const":
      case "index":
      case "acc":
        return e;
      case "load":
        return load(
          e.buffer,
          e.at.map((c) => rewrite(c, visit)),
        );
      case "unary":
        return unary(e.fn, rewrite(e.x, visit));
      case "binary":
        return binary(e.fn, rewrite(e.a, visit), rewrite(e.b, visit));
      case "select":
        return select(rewrite(e.cond, visit), rewrite(e.yes, visit), rewrite(e.no, visit));
    }
  })();
  return visit(inner) ?? inner;
}

/** Calls `visit` on every sub-expression, parents first. */
export function walk(e: Expr, visit: (e: Expr) => void): void {
  visit(e);
  switch (e.kind) {
    case "load":
      for (const c of e.at) walk(c, visit);
      break;
    case "unary":
      walk(e.x, visit);
      break;
    case "binary":
      walk(e.a, visit);
      walk(e.b, visit);
      break;
    case "select":
      walk(e.cond, visit);
      walk(e.yes, visit);
      walk(e.no, visit);
      break;
    default:
  }
}
