/** Kernel expressions on four channels at a time: f32 are the lanes of a v128, booleans are masks. */
import { invariant } from "../../compiler/invariant.ts";
import { typeOf } from "../../compiler/ir/expr.ts";
import type { BinaryFn, Expr, UnaryFn } from "../../compiler/ir/kernel.ts";
import type { FunctionWriter, Local } from "./function-writer.ts";
import type { PlainOp } from "./opcodes.ts";
import { emitExp, emitLog, emitPow, emitTanh } from "./vector-math.ts";

export interface VectorScope {
  /** Puts four channels of a buffer on the stack. */
  readonly load: (buffer: number, at: readonly Expr[]) => void;
  /** Puts the reduced value on the stack. */
  readonly acc: () => void;
  /** Puts an axis on the stack as four f32. */
  readonly index?: (name: string) => void;
}

const BINARY: Readonly<Partial<Record<BinaryFn, PlainOp>>> = {
  add: "f32x4.add",
  sub: "f32x4.sub",
  mul: "f32x4.mul",
  div: "f32x4.div",
  // one instruction each, where f32x4.min and max are six; they differ in the sign of zero and in not a number
  min: "f32x4.pmin",
  max: "f32x4.pmax",
  lt: "f32x4.lt",
  le: "f32x4.le",
  eq: "f32x4.eq",
  and: "v128.and",
};

const UNARY: Readonly<Partial<Record<UnaryFn, PlainOp>>> = {
  neg: "f32x4.neg",
  abs: "f32x4.abs",
  sqrt: "f32x4.sqrt",
  floor: "f32x4.floor",
  not: "v128.not",
};

const HEAVY: ReadonlySet<string> = new Set(["exp", "log", "tanh", "pow"]);

/** Whether all of `e` computes on lanes: no integers save in coordinates. */
export function isVector(e: Expr): boolean {
  switch (e.kind) {
    case "const":
      return e.type !== "i32";
    case "index":
      return false;
    case "load":
    case "acc":
      return true;
    case "unary":
      return e.fn !== "int" && (e.fn !== "float" || e.x.kind === "index") && (e.fn === "float" || isVector(e.x));
    case "binary":
      return e.fn !== "idiv" && e.fn !== "imod" && typeOf(e.a) !== "i32" && isVector(e.a) && isVector(e.b);
    case "select":
      return isVector(e.cond) && isVector(e.yes) && isVector(e.no);
  }
}

/** Arithmetic operations of `e`, more or less: what decides whether it is worth a loop of its own. */
export function weightOf(e: Expr): number {
  switch (e.kind) {
    case "const":
    case "index":
    case "load":
    case "acc":
      return 0;
    case "unary":
      return (HEAVY.has(e.fn) ? 20 : 1) + weightOf(e.x);
    case "binary":
      return (HEAVY.has(e.fn) ? 50 : 1) + weightOf(e.a) + weightOf(e.b);
    case "select":
      return 1 + weightOf(e.cond) + weightOf(e.yes) + weightOf(e.no);
  }
}

const isLeaf = (e: Expr): boolean => e.kind === "const" || e.kind === "acc" || e.kind === "index";

/** Puts the value of `e` on the stack. What occurs several times is computed once; both arms of a select are computed. */
export function emitVector(f: FunctionWriter, e: Expr, scope: VectorScope): void {
  const uses = new Map<string, number>();
  const keys = new Map<Expr, string>();
  const count = (part: Expr): void => {
    if (isLeaf(part)) return;
    const key = JSON.stringify(part);
    keys.set(part, key);
    const seen = uses.get(key) ?? 0;
    uses.set(key, seen + 1);
    if (seen > 0) return;
    for (const child of childrenOf(part)) count(child);
  };
  count(e);
  const kept = new Map<string, Local>();
  const emit = (part: Expr): void => {
    const key = keys.get(part) ?? (isLeaf(part) ? "" : JSON.stringify(part));
    const known = kept.get(key);
    if (known) {
      f.get(known);
      return;
    }
    emitPart(f, part, scope, emit);
    if (key !== "" && (uses.get(key) ?? 0) > 1) {
      const local = f.local("v128");
      kept.set(key, local);
      f.tee(local);
    }
  };
  emit(e);
  f.release(...kept.values());
}

function childrenOf(e: Expr): readonly Expr[] {
  switch (e.kind) {
    case "unary":
      return [e.x];
    case "binary":
      return [e.a, e.b];
    case "select":
      return [e.cond, e.yes, e.no];
    default:
      return [];
  }
}

function emitPart(f: FunctionWriter, e: Expr, scope: VectorScope, emit: (e: Expr) => void): void {
  switch (e.kind) {
    case "const":
      if (e.type === "bool") f.i32x4(e.value ? -1 : 0);
      else f.pooled(e.value);
      return;
    case "acc":
      scope.acc();
      return;
    case "load":
      scope.load(e.buffer, e.at);
      return;
    case "unary": {
      if (e.fn === "float") {
        invariant(e.x.kind === "index" && scope.index, "an integer on vector lanes");
        scope.index(e.x.name);
        return;
      }
      if (e.fn === "rsqrt") {
        f.pooled(1);
        emit(e.x);
        f.op("f32x4.sqrt").op("f32x4.div");
        return;
      }
      emit(e.x);
      if (e.fn === "exp") emitExp(f);
      else if (e.fn === "log") emitLog(f);
      else if (e.fn === "tanh") emitTanh(f);
      else f.op(operation(UNARY[e.fn], e.fn));
      return;
    }
    case "binary":
      // pmin and pmax keep what is not a number in their first operand
      if ((e.fn === "min" || e.fn === "max") && e.a.kind === "const") {
        emit(e.b);
        emit(e.a);
      } else {
        emit(e.a);
        emit(e.b);
      }
      if (e.fn === "pow") emitPow(f);
      else f.op(operation(BINARY[e.fn], e.fn));
      return;
    case "select":
      emit(e.yes);
      emit(e.no);
      emit(e.cond);
      f.op("v128.bitselect");
      return;
    case "index":
      invariant(false, `axis ${e.name} on vector lanes`);
  }
}

function operation(op: PlainOp | undefined, fn: string): PlainOp {
  invariant(op, `${fn} on vector lanes`);
  return op;
}
