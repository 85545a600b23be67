/** A pass is one file in the visible list of `pipeline.ts`: it takes IR and returns IR (the same object when nothing changed). */
import type { Diagnostics } from "../diagnostics/diagnostic.ts";
import type { Graph } from "../ir/graph.ts";
import type { Program } from "../ir/kernel.ts";
import type { Span } from "../source.ts";

/** "not fused because layer2.0.conv3 has two consumers": why something did not happen; printed by --remarks. */
export interface Remark {
  readonly pass: string;
  readonly path: string;
  readonly text: string;
  readonly span?: Span;
}

export type OptimizeLevel = 0 | 1 | 2;

/** What a kernel backend can print; the kernel passes shape the Program for it. */
export interface Capabilities {
  /** Layout of rank-4 values. */
  readonly order: "nchw" | "nhwc";
  /** NHWC channels are padded to a multiple of this. */
  readonly channelMultiple: 1 | 4 | 8;
  /** Whether values may carry a zero halo. */
  readonly halo: boolean;
  /** Kinds beyond "loop" it schedules itself; others are expanded to loops for it. */
  readonly kinds: readonly ("contract" | "depthwise" | "excite")[];
  /** "colored": a dispatch must not read and write one arena (WebGPU); "single": one arena. */
  readonly arenas: "single" | "colored";
  /** Alignment of arena offsets in bytes. */
  readonly alignment: number;
  /** Pixels of a map whose channel sums one tile of `Squeeze` holds; absent: the whole map for "single" arenas, else 32. */
  readonly squeezePixels?: number;
  /** Whether it has Winograd's F(2x2, 3x3) for the convolutions that `choose-algorithm` picks it for. */
  readonly winograd?: boolean;
  /** Most buffers one kernel may bind. */
  readonly maxBuffers: number;
}

export interface PassContext {
  readonly level: OptimizeLevel;
  readonly diagnostics: Diagnostics;
  readonly remark: (remark: Remark) => void;
  /** Graph backends that train keep batch norms. */
  readonly training: boolean;
}

export interface KernelPassContext extends PassContext {
  readonly capabilities: Capabilities;
}

export interface GraphPass {
  readonly name: string;
  readonly summary: string;
  readonly minLevel: OptimizeLevel;
  readonly run: (graph: Graph, context: PassContext) => Graph;
}

export interface KernelPass {
  readonly name: string;
  readonly summary: string;
  readonly minLevel: OptimizeLevel;
  readonly run: (program: Program, context: KernelPassContext) => Program;
}

export const defineGraphPass = (pass: GraphPass): GraphPass => pass;
export const defineKernelPass = (pass: KernelPass): KernelPass => pass;
