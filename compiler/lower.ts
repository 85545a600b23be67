/** Graph -> Program: binds the batch size, asks every op for its kernels, keeps provenance. Optimising is the affair of the kernel passes. */
import type { Diagnostics } from "./diagnostics/diagnostic.ts";
import { invariant } from "./invariant.ts";
import type { Graph, Node, Value, Weight } from "./ir/graph.ts";
import type { Kernel, Program } from "./ir/kernel.ts";
import { lowerGate, readGate } from "./lower-gate.ts";
import { type Binder, binder, lowerNode } from "./lower-node.ts";
import { expandToLoop } from "./ops/expand-kernel.ts";
import { type Gate, recognizeGates } from "./passes/graph/recognize-gates.ts";
import { tidy } from "./passes/kernel/buffers.ts";
import { withKernels } from "./passes/kernel/flow.ts";
import type { Capabilities, OptimizeLevel, Remark } from "./passes/pass.ts";

export interface LowerOptions {
  /** What the open batch size becomes, >= 1. */
  readonly batch: number;
  readonly capabilities: Capabilities;
  /** At 0 every kernel is a loop and gates are not recognised: the oracle of tests and of bug reports. */
  readonly level: OptimizeLevel;
  readonly diagnostics: Diagnostics;
  readonly remark?: ((remark: Remark) => void) | undefined;
}

/** Nodes whose value something reads, when an excite kernel takes the place of the nodes that only made its gate. */
function neededNodes(graph: Graph, gates: ReadonlyMap<Value, Gate>): Set<Node> {
  const maker = new Map<Value, Node>(graph.nodes.map((n) => [n.output, n]));
  const needed = new Set<Node>();
  const todo: Value[] = graph.outputs.map((o) => o.value);
  for (let v = todo.pop(); v; v = todo.pop()) {
    const gate = gates.get(v);
    const node = maker.get(v);
    if (!node || needed.has(node)) continue;
    needed.add(node);
    if (gate) todo.push(gate.squeezed);
    else todo.push(...node.inputs);
  }
  return needed;
}

/** Kinds beyond `loop` that the backend does not schedule itself become loops. */
function expandUnknown(kernels: readonly Kernel[], kinds: ReadonlySet<string>, temp: Binder["temp"]): Kernel[] {
  return kernels.flatMap((k): readonly Kernel[] =>
    k.kind === "loop" || kinds.has(k.kind) ? [k] : expandToLoop(k, (shape) => temp(k.name, shape)).map((l) => tidy(l)),
  );
}

/**
 * Kernels in graph order, one or more a node; values in NCHW without padding; no places yet (`plan-memory` gives them).
 * Every shape in the result is numbers only. Throws only on a graph that `infer` would have refused.
 */
export function lowerGraph(graph: Graph, options: LowerOptions): Program {
  invariant(Number.isInteger(options.batch) && options.batch >= 1, `batch ${options.batch}`);
  const values = binder(graph, options.batch);
  const { bind } = values;
  const kinds: ReadonlySet<string> = new Set(options.level === 0 ? [] : options.capabilities.kinds);
  const found = kinds.has("excite") ? recognizeGates(graph) : { gates: [], remarks: [] };
  for (const remark of found.remarks) options.remark?.(remark);
  const gates = new Map<Value, Gate>(found.gates.map((g) => [g.value, g]));
  const needed = neededNodes(graph, gates);
  const factors = new Map<Value, Value>();
  const sums = new Map<Value, Value>();
  const kernels: Kernel[] = [];
  for (const node of graph.nodes) {
    if (!needed.has(node)) continue;
    const gate = gates.get(node.output);
    if (gate) {
      const lowered = lowerGate(gate, values, sums);
      factors.set(bind(node.output), lowered.factors);
      kernels.push(...lowered.kernels);
      continue;
    }
    for (const k of lowerNode(node, values)) kernels.push(factors.size > 0 ? readGate(k, factors) : k);
  }
  const known = new Map<Value, Weight>(graph.weights.map((w) => [w.value, w]));
  const program: Program = {
    name: graph.name,
    inputs: graph.inputs.map((v) => ({ name: v.name, value: bind(v) })),
    outputs: graph.outputs.map((o) => ({ name: o.name, value: bind(o.value) })),
    kernels: [],
    weights: [],
    storage: new Map(),
    memory: { arenas: [], places: new Map(), lowerBound: 0, mixed: new Set() },
  };
  return withKernels(program, expandUnknown(kernels, kinds, values.temp), known);
}
