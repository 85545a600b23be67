/** What can be said of an expression before instructions are chosen for it. */
import { typeOf, walk } from "../../compiler/ir/expr.ts";
import type { Expr } from "../../compiler/ir/kernel.ts";
import { inQuads, type Layout } from "./addressing.ts";

export type Load = Extract<Expr, { kind: "load" }>;

export function dependsOn(e: Expr, axis: string): boolean {
  let found = false;
  walk(e, (part) => {
    if (part.kind === "index" && part.name === axis) found = true;
  });
  return found;
}

/** k of c + k for the axis c; undefined for anything else. */
export function offsetFrom(e: Expr, axis: string): number | undefined {
  if (e.kind === "index") return e.name === axis ? 0 : undefined;
  if (e.kind !== "binary" || (e.fn !== "add" && e.fn !== "sub")) return undefined;
  const [base, by] = e.a.kind === "const" && e.fn === "add" ? [e.b, e.a] : [e.a, e.b];
  if (base.kind !== "index" || base.name !== axis || by.kind !== "const") return undefined;
  return e.fn === "add" ? by.value : -by.value;
}

/** How a load looks from the wide axis: one element for all lanes, four consecutive ones, or four anywhere. */
export function loadForm(e: Load, layout: Layout, axis: string): "uniform" | "quad" | "gather" {
  const dependent = e.at.map((c, i) => (layout.sizes[i] === 1 ? false : dependsOn(c, axis)));
  if (!dependent.includes(true)) return "uniform";
  const onlyUnit = dependent.every((d, i) => d === (i === layout.unit));
  return onlyUnit && inQuads(layout) && startsQuads(e.at[layout.unit] as Expr, axis) ? "quad" : "gather";
}

/** Whether `e` is the axis plus a multiple of 4, not below 0. */
function startsQuads(e: Expr, axis: string): boolean {
  const sum: Linear = { axes: new Map(), rest: [], constant: 0 };
  linearise(e, 1, sum);
  const others = [...sum.axes].filter(([name]) => name !== axis).map(([, k]) => k);
  const factors = [sum.constant, ...others, ...sum.rest.map((r) => r.factor)];
  return sum.axes.get(axis) === 1 && sum.rest.every((r) => !dependsOn(r.e, axis)) && factors.every((k) => k >= 0 && k % 4 === 0);
}

/** Whether a condition is decided by integers alone, the same for all lanes. */
export function isUniform(e: Expr): boolean {
  switch (e.kind) {
    case "const":
    case "index":
      return true;
    case "binary":
      return e.fn === "and" ? isUniform(e.a) && isUniform(e.b) : typeOf(e.a) === "i32";
    case "unary":
      return e.fn === "not" && isUniform(e.x);
    default:
      return false;
  }
}

/** A coordinate as the sum of factors times axes, of other parts, and a constant. */
export interface Linear {
  readonly axes: Map<string, number>;
  readonly rest: { readonly factor: number; readonly e: Expr }[];
  constant: number;
}

export function linearise(e: Expr, factor: number, into: Linear): void {
  if (e.kind === "const") into.constant += e.value * factor;
  else if (e.kind === "index") into.axes.set(e.name, (into.axes.get(e.name) ?? 0) + factor);
  else if (e.kind === "binary" && (e.fn === "add" || e.fn === "sub")) {
    linearise(e.a, factor, into);
    linearise(e.b, e.fn === "add" ? factor : -factor, into);
  } else if (e.kind === "binary" && e.fn === "mul" && e.b.kind === "const") linearise(e.a, factor * e.b.value, into);
  else if (e.kind === "binary" && e.fn === "mul" && e.a.kind === "const") linearise(e.b, factor * e.a.value, into);
  else into.rest.push({ factor, e });
}
