/**
 * What a kernel of the wasm target is: a function of a module, the addresses it is called with, the weights it wants packed.
 *
 * The function's parameters are (begin, end, address 0, address 1, ...), all i32. It computes units begin ... end - 1 of its output and
 * nothing else: threads split a kernel by units, and any split gives the same bits. Functions of equal code are kept once, so equal layers
 * share one: whatever differs between them (places in memory) must come through the addresses.
 */
import type { Weight } from "../../compiler/ir/graph.ts";
import type { Schedule } from "../../compiler/ir/kernel.ts";
import type { FunctionBody } from "./encoder.ts";

/** How a weight lies in the `.weights` file. */
export interface PackedTensor {
  readonly weight: Weight;
  /** Equal keys of one weight share their bytes. */
  readonly key: string;
  /** f32 elements. */
  readonly elements: number;
  /** `into` is zeroed, unless `whole`. Several weights (a contraction and its bias) can share one packing: `others` are read in this order. */
  readonly others?: readonly Weight[];
  readonly fill: (from: Float32Array, into: Float32Array, ...others: readonly Float32Array[]) => void;
  /** `fill` writes every element, and `into` holds anything before. */
  readonly whole?: boolean;
  /** When the kernel reads something larger, made at load: the file stays as small as the weights are. */
  readonly expansion?: Expansion;
}

export interface Expansion {
  /** f32 elements that the kernel reads. */
  readonly elements: number;
  /** The packed tensor is brought to scratch memory in this many equal parts, one after another. */
  readonly parts: number;
  /** (first part, last part + 1, address of the first part, address of the result). */
  readonly body: FunctionBody;
}

/** One i32 parameter; `offset` is in bytes, default 0. */
export type Address =
  /** First byte of a value of the kernel (its halo included): index into the kernel's `buffers`. */
  | { readonly kind: "value"; readonly buffer: number; readonly offset?: number }
  /** First byte of `packed[index]`. */
  | { readonly kind: "packed"; readonly index: number; readonly offset?: number }
  /** Memory of the thread that runs the function, `scratchBytes` of it; its contents do not outlive the call. */
  | { readonly kind: "scratch"; readonly offset?: number }
  /** Memory that all threads and all steps of this kernel see, `sharedBytes` of it. */
  | { readonly kind: "shared"; readonly offset?: number };

/**
 * One step of a kernel. A kernel is one step or several; all threads finish a step before any begins the next one.
 * The halo and the padding lanes of an output are zeroed by the module, at the first kernel that writes the value, unless `zeroes` says that
 * this step does it.
 */
export interface KernelCode {
  /** File name and comment of the function: "contract-6x8-3x3-s2". */
  readonly name: string;
  readonly body: FunctionBody;
  /** The work is units 0 ... units - 1. */
  readonly units: number;
  readonly addresses: readonly Address[];
  readonly packed: readonly PackedTensor[];
  readonly scratchBytes?: number;
  readonly sharedBytes?: number;
  /** Padding lanes (channels .. stored channels) of every pixel of the output are written by the function itself. */
  readonly writesPadding?: boolean;
  readonly algorithm: Schedule;
}
