/**
 * The two kinds of backend (architecture.md section 6), exported as "sec-compiler/backend".
 * A backend returns files and never writes them; so dry runs, checks, tests and the playground come for free.
 */
import type * as z from "zod";
import type { Diagnostics } from "../compiler/diagnostics/diagnostic.ts";
import type { Graph, Node } from "../compiler/ir/graph.ts";
import type { Program } from "../compiler/ir/kernel.ts";
import type { Capabilities } from "../compiler/passes/pass.ts";
import type { NetTree } from "../compiler/semantics/tree.ts";
import type { PieceStore } from "../compiler/weights/piece-store.ts";
import type { WeightReader } from "../compiler/weights/source.ts";

export const API_VERSION = 1;

/**
 * Every emitted text file says this within its first 512 bytes (weights files have their magic instead): it is how the command line
 * knows that it may overwrite a file.
 */
export const WRITTEN_BY = "Written by sec";

export interface Artifact {
  /** Relative to OUT/<net>/<target>/, with `/`. */
  readonly path: string;
  readonly contents: string | Uint8Array;
  readonly mediaType: string;
}

/** Numbers for `compile --json`. */
export interface Metrics {
  readonly dispatches?: number;
  readonly arenaBytes?: number;
}

export interface Emitted {
  readonly artifacts: readonly Artifact[];
  readonly metrics: Metrics;
}

/** Takes the weights file of a module. */
export type WeightsStore = PieceStore;

export interface EmitContext<O> {
  readonly options: O;
  readonly diagnostics: Diagnostics;
  readonly weights: WeightReader;
  /** Where the weights file is made, for `packWeights`; default: in memory. */
  readonly store?: WeightsStore | undefined;
  /** The spec the net was read from, as the user wrote it; printed in the header comment of emitted files. */
  readonly source: string;
  /**
   * The net's blocks and groups, for targets whose output has modules. Absent when the graph is not exactly what the tree gives
   * (further outputs for `--taps`, graphs made by tests): `graph.nodes` are the tree's layers and merges in order.
   */
  readonly tree?: NetTree | undefined;
}

export type Tensors = Readonly<Record<string, Float32Array>>;

/** Time of one kernel in one run. */
export interface LayerTime {
  /** The kernel's name: layer path, and what was fused into it. */
  readonly layer: string;
  readonly ms: number;
}

export interface RunnerOptions {
  /** Threads that share each layer, for targets that let the caller choose; default 1. */
  readonly threads?: number;
}

/** Runs emitted files on this machine; used by `run`, `verify`, `bench` and the conformance tests. */
export interface Runner {
  /** "swiftshader (software adapter), register kernels", "@tensorflow/tfjs 4.22.0, cpu". */
  readonly runtime: string;
  /** Maps or weights are stored in f16, so that no f32 bound can hold. */
  readonly half?: boolean;
  /** Threads of this process's WebAssembly or JavaScript that compute; absent where native code or a device does. */
  readonly threads?: number;
  /** A device that is a program on this CPU: its times say nothing about a real one. */
  readonly software?: boolean;
  run(inputs: Tensors): Promise<Tensors>;
  /** Runs once and gives the time of every kernel, in their order; absent where a target cannot tell. */
  profile?(inputs: Tensors): Promise<readonly LayerTime[]>;
  close(): Promise<void>;
}

/** Why this machine cannot run the target: "@tensorflow/tfjs is not installed". */
export interface Unavailable {
  readonly unavailable: string;
}

interface BackendBase<O extends z.ZodObject> {
  /** What --target names. */
  readonly name: string;
  readonly apiVersion: typeof API_VERSION;
  readonly summary: string;
  /** zod object with defaults: --set NAME.key=value, config, `sec targets NAME`. */
  readonly options: O;
  /**
   * Largest allowed error of a whole net's output, relative to the output's largest value (kernels.md section 1). `sec verify` takes this or
   * the bound derived for the net, whichever is smaller. Default: the derived bound alone.
   */
  readonly wholeNetLimit?: number;
  /** Loaded lazily from `run.ts`, the only file of a backend that may touch node:* or an optional package. `net` is the net's name. */
  readonly runner?: (files: readonly Artifact[], net: string, options?: RunnerOptions) => Promise<Runner | Unavailable>;
  /** Asks the target's own compiler about the emitted files (`--validate`): what it refuses, nothing when all is well. From `run.ts` too. */
  readonly judge?: (files: readonly Artifact[], net: string) => Promise<readonly string[] | Unavailable>;
}

export interface KernelBackend<O extends z.ZodObject = z.ZodObject> extends BackendBase<O> {
  readonly level: "kernel";
  readonly capabilities: Capabilities;
  emit(program: Program, context: EmitContext<z.output<O>>): Emitted;
  /** The same program with what the backend itself decided in each kernel's `schedule`; for people who look, `emit` does without. */
  schedule?(program: Program): Program;
}

/** How one op is written for a graph target. `args` are the names of its inputs in the emitted text. */
export type Cell<Out> = (node: Node, args: readonly string[]) => Out;

export interface GraphBackend<O extends z.ZodObject = z.ZodObject> extends BackendBase<O> {
  /** Tensors keep the names of weight files; without it they are called after the layer that reads them. */
  readonly fileNames?: boolean;
  readonly level: "graph";
  /** Names of the ops it can write; absent when it has all. Others are SE501 before `emit` is called. */
  readonly ops?: readonly string[] | undefined;
  /** Takes the graph as the spec says it, without passes: for output that people read and train. */
  readonly asWritten?: boolean;
  /** Takes the graph with its batch size open ("N"), whatever `--batch` says. */
  readonly openBatch?: boolean;
  /** Keeps batch norms and weights unfolded when its options ask for training. */
  training(options: z.output<O>): boolean;
  emit(graph: Graph, context: EmitContext<z.output<O>>): Emitted;
}

export type Backend = KernelBackend | GraphBackend;

/** Types the backend from its options; returns it unchanged. */
export function defineBackend<O extends z.ZodObject>(backend: KernelBackend<O>): KernelBackend<O>;
export function defineBackend<O extends z.ZodObject>(backend: GraphBackend<O>): GraphBackend<O>;
export function defineBackend(backend: Backend): Backend {
  return backend;
}
