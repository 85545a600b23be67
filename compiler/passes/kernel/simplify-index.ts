/** Removes index arithmetic and bounds tests that the sizes of the axes already decide: c / 8 with c < 8, y >= 0, reads that never leave the map. */
import * as x from "../../ir/expr.ts";
import type { Expr, Kernel } from "../../ir/kernel.ts";
import { defineKernelPass } from "../pass.ts";
import { expressionsOf } from "./buffers.ts";

type Range = readonly [low: number, high: number];
type Ranges = ReadonlyMap<string, Range>;

/** Whole numbers an i32 or bool expression takes; undefined when it depends on data. */
function rangeOf(e: Expr, axes: Ranges, memo: Map<Expr, Range | undefined>): Range | undefined {
  if (memo.has(e)) return memo.get(e);
  const made = computeRange(e, axes, memo);
  memo.set(e, made);
  return made;
}

function computeRange(e: Expr, axes: Ranges, memo: Map<Expr, Range | undefined>): Range | undefined {
  if (e.kind === "const") return e.type === "f32" ? undefined : [e.value, e.value];
  if (e.kind === "index") return axes.get(e.name);
  if (e.kind === "select") {
    const [yes, no] = [rangeOf(e.yes, axes, memo), rangeOf(e.no, axes, memo)];
    return yes && no ? [Math.min(yes[0], no[0]), Math.max(yes[1], no[1])] : undefined;
  }
  if (e.kind !== "binary") return undefined;
  const a = rangeOf(e.a, axes, memo);
  const b = rangeOf(e.b, axes, memo);
  if (!a || !b) return undefined;
  const truth = (always: boolean, never: boolean): Range => [always ? 1 : 0, never ? 0 : 1];
  switch (e.fn) {
    case "add":
      return [a[0] + b[0], a[1] + b[1]];
    case "sub":
      return [a[0] - b[1], a[1] - b[0]];
    case "mul": {
      const ends = [a[0] * b[0], a[0] * b[1], a[1] * b[0], a[1] * b[1]];
      return [Math.min(...ends), Math.max(...ends)];
    }
    case "min":
      return [Math.min(a[0], b[0]), Math.min(a[1], b[1])];
    case "max":
      return [Math.max(a[0], b[0]), Math.max(a[1], b[1])];
    case "idiv":
      return b[0] === b[1] && b[0] > 0 ? [Math.floor(a[0] / b[0]), Math.floor(a[1] / b[0])] : undefined;
    case "imod":
      if (b[0] !== b[1] || b[0] <= 0) return undefined;
      return a[0] >= 0 && a[1] < b[0] ? a : [0, b[0] - 1];
    case "lt":
      return truth(a[1] < b[0], a[0] >= b[1]);
    case "le":
      return truth(a[1] <= b[0], a[0] > b[1]);
    case "eq":
      return truth(a[0] === a[1] && b[0] === b[1] && a[0] === b[0], a[1] < b[0] || b[1] < a[0]);
    case "and":
      return [Math.min(a[0], b[0]), Math.min(a[1], b[1])];
    default:
      return undefined;
  }
}

/** e = m * factor + rest with 0 <= rest < factor: the quotient m and the remainder, when the sizes show it. */
function split(
  e: Expr,
  factor: number,
  range: (e: Expr) => Range | undefined,
): { readonly quotient: Expr; readonly rest: Expr } | undefined {
  const whole = (t: Expr): Expr | undefined => {
    if (t.kind !== "binary" || t.fn !== "mul" || t.b.kind !== "const") return undefined;
    return t.b.value % factor === 0 ? x.mul(t.a, t.b.value / factor) : undefined;
  };
  const alone = whole(e);
  if (alone) return { quotient: alone, rest: x.int(0) };
  if (e.kind !== "binary" || e.fn !== "add") return undefined;
  const quotient = whole(e.a);
  const rest = range(e.b);
  return quotient && rest && rest[0] >= 0 && rest[1] < factor ? { quotient, rest: e.b } : undefined;
}

/** The same expression with everything the ranges of the axes decide decided. Lone axes keep their names: [n, c, y, x] stays plain at size 1. */
export function simplify(e: Expr, axes: Ranges): Expr {
  const ranges = new Map<Expr, Range | undefined>();
  const range = (n: Expr): Range | undefined => rangeOf(n, axes, ranges);
  const memo = new Map<Expr, Expr>();
  const reduce = (n: Expr): Expr => {
    if (n.kind === "unary") return x.unary(n.fn, go(n.x));
    if (n.kind === "load") return x.load(n.buffer, n.at.map(go));
    if (n.kind === "select") {
      const cond = go(n.cond);
      return x.select(cond, go(n.yes), go(n.no));
    }
    if (n.kind !== "binary") return n;
    const [a, b] = [go(n.a), go(n.b)];
    const made = x.binary(n.fn, a, b);
    if (made.kind !== "binary") return made;
    const r = range(made);
    const type = x.typeOf(made);
    if (r && r[0] === r[1] && type !== "f32") return x.constant(r[0], type);
    if ((made.fn === "idiv" || made.fn === "imod") && made.b.kind === "const") {
      const divisor = made.b.value;
      const inside = range(made.a);
      if (made.fn === "imod" && inside && inside[0] >= 0 && inside[1] < divisor) return made.a;
      const parts = split(made.a, divisor, range);
      if (parts) return made.fn === "idiv" ? parts.quotient : go(x.imod(parts.rest, divisor));
    }
    return made;
  };
  const go = (n: Expr): Expr => {
    const known = memo.get(n);
    if (known) return known;
    const made = reduce(n);
    memo.set(n, made);
    return made;
  };
  return go(e);
}

const axisRanges = (k: Kernel): Map<string, Range> | undefined => {
  if (k.kind === "excite") return undefined;
  if (k.kind === "loop") return new Map([...k.space, ...(k.reduce?.over ?? [])].map((a) => [a.name, [0, a.size - 1]]));
  const [c, h, w] = k.window.out;
  return new Map([
    ["n", [0, k.window.batch - 1]],
    ["c", [0, c - 1]],
    ["y", [0, h - 1]],
    ["x", [0, w - 1]],
  ]);
};

function simplified(k: Kernel): Kernel {
  const axes = axisRanges(k);
  if (!axes) return k;
  const before = expressionsOf(k);
  const after = before.map((e) => simplify(e, axes));
  if (before.every((e, i) => JSON.stringify(e) === JSON.stringify(after[i]))) return k;
  const next = after[Symbol.iterator]();
  const take = (): Expr => next.next().value as Expr;
  if (k.kind === "loop") {
    const body = take();
    const epilogue = k.epilogue ? { epilogue: take() } : {};
    return { ...k, body, ...epilogue, store: k.store.map(take) };
  }
  if (k.kind === "excite") return k;
  const epilogue = take();
  return { ...k, epilogue, ...(k.squeeze ? { squeeze: { ...k.squeeze, of: take() } } : {}) };
}

export const simplifyIndex = defineKernelPass({
  name: "simplify-index",
  summary: "drop index arithmetic and bounds tests that sizes decide",
  minLevel: 1,
  run(program) {
    const kernels = program.kernels.map(simplified);
    return kernels.every((k, i) => k === program.kernels[i]) ? program : { ...program, kernels };
  },
});
