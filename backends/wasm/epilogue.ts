/** What happens to finished sums in registers: bias, gate, residual, activation; on four channels at a time. */
import * as x from "../../compiler/ir/expr.ts";
import type { Value } from "../../compiler/ir/graph.ts";
import type { ContractKernel, DepthwiseKernel, Expr, Program } from "../../compiler/ir/kernel.ts";
import { type MapLayout, mapIn, sizesOf } from "./layout.ts";
import { isVector } from "./vector-expr.ts";

/** A buffer that the epilogue reads. */
export type FusedRead =
  /** One factor or addend per channel, or per image and channel (`image` bytes apart). */
  | { readonly form: "channel"; readonly image: number }
  /** The element at the output's own place. */
  | { readonly form: "pixel"; readonly layout: MapLayout }
  /** The only channel at the output's own place. */
  | { readonly form: "plane"; readonly layout: MapLayout };

export interface Fusion {
  /** Buffer of the bias that sums start from. */
  readonly bias?: number;
  /** Over `acc`, which has the bias in it. */
  readonly value: Expr;
  readonly squeezed?: Expr;
  readonly reads: ReadonlyMap<number, FusedRead>;
}

/** Undefined when some part does not compute on lanes or reads other places than the output's own. */
export function fusionOf(program: Program, kernel: ContractKernel | DepthwiseKernel): Fusion | undefined {
  const { epilogue, squeeze } = kernel;
  const parts = squeeze ? [epilogue, squeeze.of] : [epilogue];
  const bias = biasOf(program, kernel, parts);
  const settled = parts.map((e) => (bias === undefined ? e : withoutBias(e, bias)));
  if (!settled.every((e) => isVector(e) && !readsIndices(e))) return undefined;
  const reads = new Map<number, FusedRead>();
  let known = true;
  const note = (e: Expr): void => {
    if (e.kind !== "load") return;
    const read = readOf(program, kernel, e);
    const before = reads.get(e.buffer);
    if (!read || (before && before.form !== read.form)) known = false;
    else reads.set(e.buffer, read);
  };
  for (const e of settled) x.walk(e, note);
  if (!known) return undefined;
  const [value, squeezed] = settled as [Expr, Expr | undefined];
  return { ...(bias === undefined ? {} : { bias }), value, ...(squeezed ? { squeezed } : {}), reads };
}

/** Whether coordinates are used as numbers. */
function readsIndices(e: Expr): boolean {
  let found = false;
  x.walk(e, (part) => {
    if (part.kind === "unary" && part.fn === "float") found = true;
  });
  return found;
}

const isWeight = (program: Program, value: Value): boolean => !program.storage.has(value);

/** The weight [c] that is added to every occurrence of the sum before anything else happens to it. */
function biasOf(program: Program, kernel: ContractKernel | DepthwiseKernel, parts: readonly Expr[]): number | undefined {
  let sums = 0;
  const added = new Map<number, number>();
  for (const part of parts) {
    x.walk(part, (e) => {
      if (e.kind === "acc") sums++;
      const buffer = biasIn(e);
      if (buffer !== undefined) added.set(buffer, (added.get(buffer) ?? 0) + 1);
    });
  }
  for (const [buffer, times] of added) {
    const value = (kernel.buffers[buffer] as { readonly value: Value }).value;
    const sizes = sizesOf(value);
    if (times === sums && isWeight(program, value) && sizes.length === 1 && sizes[0] === kernel.window.out[0]) return buffer;
  }
  return undefined;
}

/** Buffer of `acc + weight[c]`, in either order. */
function biasIn(e: Expr): number | undefined {
  if (e.kind !== "binary" || e.fn !== "add") return undefined;
  const loaded = e.a.kind === "acc" ? e.b : e.b.kind === "acc" ? e.a : undefined;
  if (loaded?.kind !== "load" || loaded.at.length !== 1) return undefined;
  const [c] = loaded.at;
  return c?.kind === "index" ? (c.name === "c" ? loaded.buffer : undefined) : c?.kind === "const" ? loaded.buffer : undefined;
}

const withoutBias = (e: Expr, bias: number): Expr => x.rewrite(e, (part) => (biasIn(part) === bias ? x.ACC : undefined));

function readOf(
  program: Program,
  kernel: ContractKernel | DepthwiseKernel,
  { buffer, at }: Extract<Expr, { kind: "load" }>,
): FusedRead | undefined {
  const { batch, out } = kernel.window;
  const value = (kernel.buffers[buffer] as { readonly value: Value }).value;
  const sizes = sizesOf(value);
  const is = (i: number, name: string, size: number): boolean => {
    const e = at[i];
    return e?.kind === "index" ? e.name === name : e?.kind === "const" && e.value === 0 && size === 1 && sizes[i] === 1;
  };
  const zero = (i: number): boolean => at[i]?.kind === "const" && (at[i] as { readonly value: number }).value === 0;
  if (isWeight(program, value)) return sizes.length === 1 && is(0, "c", out[0]) ? { form: "channel", image: 0 } : undefined;
  const layout = mapIn(program, value);
  if (!layout) return undefined;
  const image = is(0, "n", batch);
  if (sizes.length === 2 && image && is(1, "c", out[0])) return { form: "channel", image: layout.image };
  if (sizes.length !== 4 || !image) return undefined;
  const here = is(2, "y", out[1]) && is(3, "x", out[2]);
  if (is(1, "c", out[0])) {
    if (here && sizes[2] === out[1] && sizes[3] === out[2]) return { form: "pixel", layout };
    // [n, c, 1, 1] without a halo
    return zero(2) && zero(3) && layout.halo === 0 ? { form: "channel", image: layout.image } : undefined;
  }
  return zero(1) && sizes[1] === 1 && here ? { form: "plane", layout } : undefined;
}
