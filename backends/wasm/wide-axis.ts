/** Which axis of a loop is walked four elements at a time. */
import { walk } from "../../compiler/ir/expr.ts";
import type { Expr, LoopKernel } from "../../compiler/ir/kernel.ts";
import { inQuads, type Layout } from "./addressing.ts";
import { dependsOn, loadForm, offsetFrom } from "./expr-forms.ts";

/** Units worth splitting among threads: outer axes are joined until there are as many. */
export const ENOUGH_UNITS = 24;

export const expressions = (k: LoopKernel): Expr[] => [k.body, ...(k.epilogue ? [k.epilogue] : [])];

/** Whether `axis` is read other than in coordinates of loads, where its lanes would differ. */
function readsByValue(e: Expr, axis: string): boolean {
  switch (e.kind) {
    case "index":
      return e.name === axis;
    case "unary":
      return e.fn === "int" || readsByValue(e.x, axis);
    case "binary":
      return readsByValue(e.a, axis) || readsByValue(e.b, axis);
    case "select":
      return readsByValue(e.cond, axis) || readsByValue(e.yes, axis) || readsByValue(e.no, axis);
    default:
      return false;
  }
}

/** Longer vectors are not written out: code grows with them. */
const MOST_WRITTEN_OUT = 512;

export interface WideAxis {
  readonly axis: string;
  readonly size: number;
  readonly whole: boolean;
  /** Its vectors are written out one after the other, each with its own distances. */
  readonly writtenOut?: true;
}

/** The axis to walk four at a time, if all allows it; only when it is written out may it start anywhere in a vector and end anywhere. */
export function wideAxis(kernel: LoopKernel, output: Layout, writtenOut: boolean): WideAxis | undefined {
  const store = kernel.store[output.unit];
  if (!store || !inQuads(output)) return undefined;
  const axis = kernel.space.find((a) => dependsOn(store, a.name));
  if (!axis || axis.size === 1) return undefined;
  const offset = offsetFrom(store, axis.name);
  if (offset === undefined || (offset % 4 !== 0 && !writtenOut)) return undefined;
  if (kernel.store.some((e, i) => i !== output.unit && dependsOn(e, axis.name))) return undefined;
  // a part of a joined value must not clear lanes that a neighbour writes
  const whole = offset === 0 && output.sizes[output.unit] === axis.size;
  if (!whole && axis.size % 4 !== 0 && !writtenOut) return undefined;
  if (expressions(kernel).some((e) => readsByValue(e, axis.name))) return undefined;
  return { axis: axis.name, size: axis.size, whole };
}

/** Moves of channels (shuffles, slices, parts of a concat) whose reads or stores do not fall on whole vectors. */
export function movedAxis(kernel: LoopKernel, output: Layout, layout: (buffer: number) => Layout | undefined): WideAxis | undefined {
  const wide = wideAxis(kernel, output, true);
  if (!wide || kernel.reduce || wide.size > MOST_WRITTEN_OUT) return undefined;
  const pixels = kernel.space.reduce((n, a) => (a.name === wide.axis ? n : n * a.size), 1);
  if (pixels < ENOUGH_UNITS) return undefined;
  let gathers = wideAxis(kernel, output, false) === undefined;
  walk(kernel.body, (e) => {
    const from = e.kind === "load" ? layout(e.buffer) : undefined;
    if (e.kind === "load" && from && loadForm(e, from, wide.axis) === "gather") gathers = true;
  });
  return gathers ? { ...wide, writtenOut: true } : undefined;
}
