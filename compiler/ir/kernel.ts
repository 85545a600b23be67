/**
 * Kernels: what the kernel backends (cpu, webgpu, later wasm) print. One kernel is one dispatch.
 *
 * Loads and stores use LOGICAL coordinates ([n, c, y, x] or [n, c], or a weight's own axes), never addresses: `Storage` says how a value's
 * bytes lie, and only `choose-layout` and a backend's address printer read it. So a layout can change after lowering.
 */
import type { Node, Value, Weight } from "./graph.ts";

export type UnaryFn = "neg" | "abs" | "exp" | "log" | "sqrt" | "rsqrt" | "tanh" | "floor" | "float" | "int" | "not";
/** `idiv` and `imod` are on i32 and floor for non-negative operands; comparisons give bool. */
export type BinaryFn = "add" | "sub" | "mul" | "div" | "min" | "max" | "pow" | "idiv" | "imod" | "lt" | "le" | "eq" | "and";

export type ScalarType = "f32" | "i32" | "bool";

export type Expr =
  | { readonly kind: "const"; readonly type: ScalarType; readonly value: number }
  /** An axis of the kernel, i32. */
  | { readonly kind: "index"; readonly name: string }
  /** `buffer` indexes the kernel's `buffers`; `at` has one i32 expression per axis of the value. */
  | { readonly kind: "load"; readonly buffer: number; readonly at: readonly Expr[] }
  | { readonly kind: "unary"; readonly fn: UnaryFn; readonly x: Expr }
  | { readonly kind: "binary"; readonly fn: BinaryFn; readonly a: Expr; readonly b: Expr }
  /** Lazy: the arm not taken may load out of bounds, so a printer must not evaluate it or must clamp its coordinates. */
  | { readonly kind: "select"; readonly cond: Expr; readonly yes: Expr; readonly no: Expr }
  /** The reduced value, in epilogues and in `squeeze.of`. */
  | { readonly kind: "acc" };

export interface Axis {
  readonly name: string;
  readonly size: number;
}

export interface BufferUse {
  readonly value: Value;
  readonly access: "read" | "write";
}

interface KernelBase {
  /** "layer1.0.conv3+gate+add+relu": layer path and what was fused into it. */
  readonly name: string;
  readonly buffers: readonly BufferUse[];
  /** Provenance: names and spans survive fusion. */
  readonly from: readonly Node[];
}

/** out[store] = epilogue(reduce(body)), for every point of `space`. Any kernel backend can print it. */
export interface LoopKernel extends KernelBase {
  readonly kind: "loop";
  /** Axes of the output walk, outermost first; names n, c, y, x where they mean that. */
  readonly space: readonly Axis[];
  readonly reduce?: { readonly over: readonly Axis[]; readonly fn: "add" | "max"; readonly init: number };
  readonly body: Expr;
  /** Over `acc` and the space axes; only with `reduce`. */
  readonly epilogue?: Expr;
  /** Buffer index of the output and its coordinates. */
  readonly output: number;
  readonly store: readonly Expr[];
}

/** Geometry of conv, linear (all spatial sizes 1), depthwise. Sizes without batch; pad is [top, left, bottom, right]. */
export interface Window {
  readonly batch: number;
  readonly groups: number;
  readonly in: readonly [c: number, h: number, w: number];
  readonly out: readonly [c: number, h: number, w: number];
  readonly kernel: readonly [h: number, w: number];
  readonly stride: readonly [h: number, w: number];
  readonly dilation: readonly [h: number, w: number];
  readonly pad: readonly [top: number, left: number, bottom: number, right: number];
}

/** Per-tile channel sums for a gate further on: the value `of` (over acc and n, c, y, x) summed over the map into `buffer`, [batch, tiles, c]. */
export interface Squeeze {
  readonly buffer: number;
  readonly of: Expr;
  readonly tiles: number;
}

/**
 * out[n, c, y, x] = epilogue(acc), acc = sum over (ci, kh, kw) of gate[n, ci] * in[n, ci, ...] * weight[c, ci, kh, kw].
 * The bias is part of the epilogue. Rank-2 inputs and outputs have coordinates [n, c].
 */
export interface ContractKernel extends KernelBase {
  readonly kind: "contract";
  readonly window: Window;
  readonly input: number;
  /** [out, in/groups, kh, kw], or [out, in] for linear: the graph's own layout; a backend packs it as it likes. */
  readonly weight: number;
  readonly output: number;
  /** Where the output is a part of a joined value: the channel of that value which channel 0 is. */
  readonly firstChannel?: number;
  /** Buffer [batch, in channels]: one factor per image and input channel. */
  readonly gate?: number;
  /** Over acc, indices n, c, y, x; loads bias [c], residual, gate [n, c]. `{kind:"acc"}` when nothing is fused. */
  readonly epilogue: Expr;
  readonly squeeze?: Squeeze;
  /** What `choose-algorithm` decided and why; printed by --emit kernels and inspect. */
  readonly schedule?: Schedule;
}

/** groups = in channels; weight [out, 1, kh, kw]; out may be a multiple of in. */
export interface DepthwiseKernel extends Omit<ContractKernel, "kind" | "gate"> {
  readonly kind: "depthwise";
}

export interface Schedule {
  readonly algorithm: string;
  readonly tile?: string;
  readonly why: string;
}

/** One matrix of an excitation: out[o] = act(sum_i weight[o, i] * in[i] + bias[o]); `chanconv` is a 1-D convolution along the channels. */
export interface ExciteLayer {
  readonly kind: "dense" | "chanconv";
  /** Buffer index: [out, in] or [out, in, 1, 1]; chanconv [1, 1, k]. */
  readonly weight: number;
  readonly bias?: number;
  readonly in: number;
  readonly out: number;
  /** Over `acc`. */
  readonly act: Expr;
  readonly circular?: boolean;
}

/** sums -> mean -> layers -> gate[n, c]: the whole excitation in one kernel (kernels.md section 4). */
export interface ExciteKernel extends KernelBase {
  readonly kind: "excite";
  /** Buffer [batch, tiles, channels] of partial sums. */
  readonly sums: number;
  readonly tiles: number;
  /** Sums are divided by this. */
  readonly pixels: number;
  readonly batch: number;
  readonly channels: number;
  readonly layers: readonly ExciteLayer[];
  /** Buffer [batch, out channels of the last layer]. */
  readonly output: number;
}

export type Kernel = LoopKernel | ContractKernel | DepthwiseKernel | ExciteKernel;

/**
 * How a rank-4 value lies: nchw, or nhwc with `channels` padded (the padding lanes always hold 0) and a zero halo of `halo` pixels on each side.
 * Other ranks are row-major with the last axis padded to `channels`: [n][channels], sums [n][tile][channels].
 */
export interface Storage {
  readonly order: "nchw" | "nhwc";
  readonly channels: number;
  readonly halo: number;
}

export interface Place {
  readonly arena: number;
  /** Bytes from the start of the arena, 256-byte aligned. */
  readonly offset: number;
  readonly bytes: number;
  /** First and last kernel (index into `Program.kernels`) that touch the value. */
  readonly live: readonly [first: number, last: number];
}

export interface Memory {
  /** Bytes of each arena. */
  readonly arenas: readonly number[];
  readonly places: ReadonlyMap<Value, Place>;
  /** Largest number of bytes alive at one time: no plan can need less. */
  readonly lowerBound: number;
  /**
   * Kernels (indices) that read and write one coloured arena, at disjoint ranges. WebGPU allows that only where every binding of the arena
   * is for writing, so their inputs there are bound like outputs; `sharedInputs` names them.
   */
  readonly mixed: ReadonlySet<number>;
}

/** A graph lowered for one target at one batch size. Every value's shape is numbers only. */
export interface Program {
  readonly name: string;
  readonly inputs: readonly { readonly name: string; readonly value: Value }[];
  readonly outputs: readonly { readonly name: string; readonly value: Value }[];
  readonly kernels: readonly Kernel[];
  /** Constants the kernels read, in order of first use. */
  readonly weights: readonly Weight[];
  /** Of every value that is not a weight. */
  readonly storage: ReadonlyMap<Value, Storage>;
  readonly memory: Memory;
}

/** Inputs of kernel `at` that lie in an arena it writes. */
export function sharedInputs({ kernels, memory }: Program, at: number): ReadonlySet<Value> {
  if (!memory.mixed.has(at)) return new Set();
  const uses = kernels[at]?.buffers ?? [];
  const arena = ({ value }: BufferUse): number | undefined => memory.places.get(value)?.arena;
  const written = new Set(uses.filter((u) => u.access === "write").map(arena));
  return new Set(uses.filter((u) => u.access === "read" && arena(u) !== undefined && written.has(arena(u))).map((u) => u.value));
}
