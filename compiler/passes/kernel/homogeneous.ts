/**
 * Kernels that commute with a factor >= 0 per image and channel (relu, leaky relu, max and average pooling, gap, nearest upsampling, copies):
 * f(s u) = s f(u). Exact for relu and max in floating point too, because rounding is monotone.
 */
import type { Expr, LoopKernel } from "../../ir/kernel.ts";
import { bufferValue, sizeOf } from "./join.ts";

type Degree = "scaled" | "free" | "other";

/** Below any sum of products of f32: maxpool's start value, which never wins. */
const NEVER_WINS = -3.4e38;

/** How `e` behaves when loads of `buffers` (and acc, when it is such a load reduced) are multiplied by a factor >= 0. */
function degreeOf(e: Expr, buffers: ReadonlySet<number>, acc: Degree, reducesMax: boolean): Degree {
  const memo = new Map<Expr, Degree>();
  const zero = (n: Expr): boolean => n.kind === "const" && n.value === 0;
  const neutral = (n: Expr): boolean => zero(n) || (reducesMax && n.kind === "const" && n.value <= NEVER_WINS);
  const both = (a: Expr, b: Expr): Degree => {
    const [da, db] = [go(a), go(b)];
    if (da === "free" && db === "free") return "free";
    return (da === "scaled" || neutral(a)) && (db === "scaled" || neutral(b)) ? "scaled" : "other";
  };
  const rule = (n: Expr): Degree => {
    switch (n.kind) {
      case "const":
      case "index":
        return "free";
      case "acc":
        return acc;
      case "load":
        if (n.at.some((c) => go(c) !== "free")) return "other";
        return buffers.has(n.buffer) ? "scaled" : "free";
      case "unary": {
        const d = go(n.x);
        return d === "scaled" && n.fn !== "neg" && n.fn !== "abs" ? "other" : d;
      }
      case "binary": {
        const [a, b] = [go(n.a), go(n.b)];
        if (a === "free" && b === "free") return "free";
        if (n.fn === "add" || n.fn === "sub" || n.fn === "max" || n.fn === "min") return both(n.a, n.b);
        if (n.fn === "mul") return (a === "scaled" && b === "free") || (a === "free" && b === "scaled") ? "scaled" : "other";
        if (n.fn === "div") return a === "scaled" && b === "free" ? "scaled" : "other";
        return "other";
      }
      case "select": {
        // x < 0 does not change when x is multiplied by a positive factor; at factor 0 both arms are 0
        const { cond } = n;
        const sign = cond.kind === "binary" && (cond.fn === "lt" || cond.fn === "le") && both(cond.a, cond.b) === "scaled";
        return go(cond) === "free" || sign ? both(n.yes, n.no) : "other";
      }
    }
  };
  const go = (n: Expr): Degree => {
    const known = memo.get(n);
    if (known) return known;
    const made = rule(n);
    memo.set(n, made);
    return made;
  };
  return go(e);
}

const isAxis = (e: Expr | undefined, name: string): boolean => e?.kind === "index" && e.name === name;

/** Whether every load of `buffers` and the store are of the element's own image and channel. */
function keepsChannel(k: LoopKernel, buffers: ReadonlySet<number>): boolean {
  const shape = sizeOf(bufferValue(k, k.output));
  const own = (at: readonly Expr[]): boolean =>
    (isAxis(at[0], "n") || (shape[0] === 1 && at[0]?.kind === "const")) &&
    (isAxis(at[1], "c") || (shape[1] === 1 && at[1]?.kind === "const"));
  if (!own(k.store)) return false;
  let kept = true;
  const visit = (e: Expr): void => {
    if (e.kind === "load" && buffers.has(e.buffer) && !own(e.at)) kept = false;
    if (e.kind === "unary") visit(e.x);
    if (e.kind === "binary") [e.a, e.b].forEach(visit);
    if (e.kind === "select") [e.cond, e.yes, e.no].forEach(visit);
  };
  [k.body, ...(k.epilogue ? [k.epilogue] : [])].forEach(visit);
  return kept;
}

/** Whether k(s u) = s k(u) for loads of u through `buffers` and any factors s[n, c] >= 0. */
export function commutesWithScale(k: LoopKernel, buffers: ReadonlySet<number>): boolean {
  if (sizeOf(bufferValue(k, k.output)).length < 2 || !keepsChannel(k, buffers)) return false;
  const body = degreeOf(k.body, buffers, "other", k.reduce?.fn === "max");
  if (!k.reduce || !k.epilogue) return body === "scaled";
  return body === "scaled" && degreeOf(k.epilogue, buffers, "scaled", false) === "scaled";
}
