/** From a typed graph to the files of one target: graph passes, then for kernel targets lowering and kernel passes, then the backend. */
import { type Diagnostic, Diagnostics } from "../compiler/diagnostics/diagnostic.ts";
import { messages } from "../compiler/diagnostics/messages.gen.ts";
import type { Graph, Value } from "../compiler/ir/graph.ts";
import type { Program } from "../compiler/ir/kernel.ts";
import { lowerGraph } from "../compiler/lower.ts";
import { kernelPasses } from "../compiler/passes/kernel-pipeline.ts";
import type { OptimizeLevel, Remark } from "../compiler/passes/pass.ts";
import { type OptimizeOptions, optimizeGraph, type PassReport, type RunOptions, runKernelPasses } from "../compiler/passes/pipeline.ts";
import type { NetTree } from "../compiler/semantics/tree.ts";
import type { WeightReader } from "../compiler/weights/source.ts";
import type { Backend, Emitted, GraphBackend, KernelBackend, WeightsStore } from "./backend.ts";
import { pathNames } from "./path-names.ts";

export interface EmitTargetRequest {
  readonly backend: Backend;
  readonly graph: Graph;
  /** As `parseBackendOptions` returned them. */
  readonly options: unknown;
  readonly weights: WeightReader;
  /** What the open batch size becomes. */
  readonly batch: number;
  readonly level: OptimizeLevel;
  readonly diagnostics: Diagnostics;
  /** The spec as the user named it; only its last part reaches emitted text. */
  readonly source: string;
  readonly remark?: ((remark: Remark) => void) | undefined;
  readonly onPass?: ((report: PassReport<Graph> | PassReport<Program>) => void) | undefined;
  /** Check the IR between passes. */
  readonly verify?: boolean | undefined;
  /** What the graph was made from, where the caller has it and did not change the graph; as in `EmitContext`. */
  readonly tree?: NetTree | undefined;
  /** As in `EmitContext`. */
  readonly store?: WeightsStore | undefined;
  /** Milliseconds by the caller's clock, for `timings`. */
  readonly now?: (() => number) | undefined;
}

export interface EmittedTarget extends Emitted {
  /** After the graph passes. */
  readonly graph: Graph;
  /** What a kernel backend printed. */
  readonly program?: Program;
  /** Milliseconds by `now`; 0 without it. */
  readonly timings: { readonly optimize: number; readonly lower: number; readonly emit: number };
}

/** The files of one target. Problems that are the user's are in `diagnostics`; the caller looks there before it writes anything. */
export function emitTarget(request: EmitTargetRequest): EmittedTarget {
  const { backend, diagnostics, level, onPass, verify, source, weights } = request;
  const now = request.now ?? (() => 0);
  const remark = request.remark ?? (() => {});
  // the options were checked against this backend's own schema: the types of open backends cannot say so
  const options = request.options as never;
  const emitContext = { options, diagnostics, weights, source, store: request.store, tree: request.tree };
  const training = backend.level === "graph" && backend.training(options);

  const start = now();
  const run = { verify, now: request.now, onPass: onPass as RunOptions<Graph>["onPass"] };
  const asWritten = backend.level === "graph" && backend.asWritten === true;
  const given = backend.level === "graph" && !backend.fileNames ? pathNames(request.graph) : request.graph;
  const graph = asWritten ? given : optimizedOnce(given, { level, diagnostics, remark, training, ...run });
  const optimized = now();
  if (backend.level === "graph") {
    if (!hasAllOps(backend, graph, diagnostics)) return { artifacts: [], metrics: {}, graph, timings: { optimize: 0, lower: 0, emit: 0 } };
    const emitted = backend.emit(backend.openBatch ? graph : bindBatch(graph, request.batch), emitContext);
    return { ...emitted, graph, timings: { optimize: optimized - start, lower: 0, emit: now() - optimized } };
  }
  const program = lowerFor(backend, graph, request);
  const lowered = now();
  const emitted = backend.emit(program, emitContext);
  return { ...emitted, graph, program, timings: { optimize: optimized - start, lower: lowered - optimized, emit: now() - lowered } };
}

/** What the graph passes made of a graph and said about it. */
interface Optimized {
  readonly graph: Graph;
  readonly remarks: readonly Remark[];
  readonly problems: readonly Diagnostic[];
}

/** By graph, then by level and training: several targets of one command start from the same. */
const optimized = new WeakMap<Graph, Map<string, Optimized>>();

/** The same as `optimizeGraph`, remembered where nobody looks on. */
function optimizedOnce(given: Graph, options: OptimizeOptions): Graph {
  const { level, training, diagnostics, remark, onPass, verify } = options;
  if (onPass || verify) return optimizeGraph(given, options);
  const known = optimized.get(given) ?? new Map<string, Optimized>();
  optimized.set(given, known);
  const key = `${level} ${training}`;
  const made = known.get(key) ?? optimizedAnew(given, options);
  known.set(key, made);
  for (const r of made.remarks) remark(r);
  for (const problem of made.problems) diagnostics.add(problem);
  return made.graph;
}

function optimizedAnew(given: Graph, options: OptimizeOptions): Optimized {
  const remarks: Remark[] = [];
  const diagnostics = new Diagnostics();
  const graph = optimizeGraph(given, { ...options, diagnostics, remark: (r) => remarks.push(r) });
  return { graph, remarks, problems: diagnostics.all };
}

/** SE501 at every layer that a graph backend cannot write. */
function hasAllOps(backend: GraphBackend, graph: Graph, diagnostics: Diagnostics): boolean {
  if (!backend.ops) return true;
  const known = new Set(backend.ops);
  const missing = graph.nodes.filter((n) => !known.has(n.op));
  for (const node of missing) {
    diagnostics.report(
      messages.SE501.layer({ target: backend.name, layer: node.op, path: node.path, targets: "cpu, tfjs, wasm, webgpu" }),
      // inside a block, the place is the call in the user's own file
      node.origin.via.at(-1) ?? node.origin.span,
    );
  }
  return missing.length === 0;
}

/** What lowering needs of a request. */
type LowerRequest = Pick<EmitTargetRequest, "batch" | "level" | "diagnostics" | "remark" | "onPass" | "verify" | "now">;

/** The Program of a kernel target, without emitting it: all passes, as `emitTarget` runs them, then the backend's own choices. */
export function programFor(backend: KernelBackend, graph: Graph, request: LowerRequest): Program {
  const { level, diagnostics, verify, now } = request;
  const remark = request.remark ?? (() => {});
  const onPass = request.onPass as RunOptions<Graph>["onPass"];
  return scheduled(
    backend,
    lowerFor(backend, optimizeGraph(graph, { level, diagnostics, remark, training: false, verify, now, onPass }), request),
  );
}

/** What a kernel backend will do with a program, as far as it says. */
export const scheduled = (backend: Backend, program: Program): Program =>
  backend.level === "kernel" && backend.schedule ? backend.schedule(program) : program;

/** Lowering and the kernel passes, shaped by what the backend can print. */
function lowerFor(backend: KernelBackend, graph: Graph, request: LowerRequest): Program {
  const { batch, level, diagnostics, verify, now } = request;
  const remark = request.remark ?? (() => {});
  const { capabilities } = backend;
  const program = lowerGraph(graph, { batch, capabilities, level, diagnostics, remark });
  const onPass = request.onPass as RunOptions<Program>["onPass"];
  return runKernelPasses(program, kernelPasses, { level, diagnostics, remark, training: false, capabilities }, { verify, now, onPass });
}

/** The graph with the open batch size as a number; the same graph when nothing is open. */
export function bindBatch(graph: Graph, batch: number): Graph {
  const bound = new Map<Value, Value>();
  const bind = (value: Value): Value => {
    if (value.type.shape.every((d) => typeof d === "number")) return value;
    const known = bound.get(value);
    if (known) return known;
    const made = { ...value, type: { ...value.type, shape: value.type.shape.map((d) => (typeof d === "number" ? d : batch)) } };
    bound.set(value, made);
    return made;
  };
  const nodes = graph.nodes.map((n) => ({ ...n, inputs: n.inputs.map(bind), output: bind(n.output) }));
  const inputs = graph.inputs.map(bind);
  const outputs = graph.outputs.map((o) => ({ ...o, value: bind(o.value) }));
  return bound.size === 0 ? graph : { ...graph, inputs, outputs, nodes };
}
