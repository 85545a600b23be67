/** Graph models: a frozen GraphDef walked in the order in which values are made. */
import { type Constant, type OnnxModel, Unreadable } from "./onnx-file.ts";
import { Refusal } from "./reading.ts";
import { isLastAt, shapeOf } from "./tfjs-graph-attributes.ts";
import { graphNames } from "./tfjs-graph-names.ts";
import { isKnownNode, readGraphNode } from "./tfjs-graph-nodes.ts";
import { dataInputs, type GraphReading, type GraphValue, keyOf, nodeOf } from "./tfjs-graph-reading.ts";
import type { GraphModel, GraphNode, Signature } from "./tfjs-json.ts";
import { nodeList, type Origin, put, putRefused } from "./tfjs-nodes.ts";

export function graphModel({ graph, signature }: GraphModel, weights: ReadonlyMap<string, Constant>): OnnxModel {
  const nodes = new Map<string, GraphNode>();
  for (const node of graph.node) {
    if (nodes.has(node.name)) throw new Unreadable(`it has two nodes \`${node.name}\``);
    nodes.set(node.name, node);
  }
  const readers = readersOf(graph.node);
  const outputs = outputsOf(graph.node, readers, signature);
  const found = sorted(nodes, outputs);
  // a layer may take over a constant that only the node behind it reads
  const order = [...found.filter((n) => n.op === "Const"), ...found.filter((n) => n.op !== "Const")];
  const names = graphNames(order);
  const cx: GraphReading = {
    list: nodeList(),
    values: new Map(),
    readers,
    outputs: new Set(outputs),
    taken: new Set(),
    lengths: new Map(),
    pathOf: names.ofTensor,
  };
  const inputs: OnnxModel["inputs"][number][] = [];
  const isLast = graph.node.every((node) => reasonless(() => isLastAt(node)) ?? true);
  for (const node of order) {
    const origin: Origin = { source: { name: node.name, kind: node.op }, path: names.ofNode(node) };
    if (node.op === "Placeholder") {
      const shape = shapeOf(node);
      inputs.push({ name: node.name, shape });
      cx.values.set(node.name, { value: node.name, rank: shape?.length });
    } else if (node.op === "Const") {
      const constant = weights.get(node.name);
      if (!constant) throw new Unreadable(`the tensor \`${node.name}\` is in none of its shards`);
      cx.list.constants.set(node.name, constant);
      cx.values.set(node.name, { value: node.name, rank: constant.shape.length, constant });
    } else readOne(cx, node, origin);
  }
  const made = outputs.map((name) => {
    const found = cx.values.get(name) ?? missing(name);
    // an input may be an output too, and values of ours have names of ours
    if (found.value !== name)
      cx.list.nodes.push({ name, op: "Identity", domain: "", inputs: [found.value], outputs: [name], attrs: new Map() });
    return name;
  });
  const { nodes: list, constants } = cx.list;
  return { opset: 17, name: "", inputs, outputs: made, nodes: list, constants, channelsLast: isLast, madeUp: names.madeUp };
}

function readOne(cx: GraphReading, node: GraphNode, origin: Origin): void {
  const inputs = dataInputs(node).map((i) => cx.values.get(i) ?? broken(cx, origin, i));
  const passed = cx.taken.has(node.name) ? inputs.find((i) => !i.constant) : undefined;
  if (passed) {
    cx.values.set(node.name, passed);
    return;
  }
  const values = inputs.map((i) => i.value);
  const fail = (why: string): void => {
    cx.values.set(node.name, { value: putRefused(cx.list, origin, values, why), rank: undefined, isBroken: true });
  };
  if (!isKnownNode(node.op)) fail("");
  else if (inputs.some((i) => i.isBroken)) {
    cx.values.set(node.name, { value: put(cx.list, origin, "Identity", values), rank: undefined, isBroken: true });
  } else {
    const start = cx.list.nodes.length;
    try {
      cx.values.set(node.name, readGraphNode(cx, node, origin, inputs));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      cx.list.nodes.length = start;
      fail(error.message);
    }
  }
}

/** A further output of a node that has none: of one without an equivalent, or of nothing. */
function broken(cx: GraphReading, origin: Origin, input: string): GraphValue {
  const made = cx.values.get(nodeOf(input));
  if (made?.isBroken) return made;
  return { value: putRefused(cx.list, origin, [], `it reads \`${input}\``), rank: undefined, isBroken: true };
}

const reasonless = <T>(work: () => T): T | undefined => {
  try {
    return work();
  } catch (error) {
    if (error instanceof Refusal) return undefined;
    throw error;
  }
};

function missing(name: string): never {
  throw new Unreadable(`its nodes read \`${name}\`, which is none of them`);
}

/** What a node waits for; a loop ends where its next round begins, and is refused node by node. */
const waitsFor = (node: GraphNode): readonly string[] => (node.op === "NextIteration" ? [] : dataInputs(node).map(nodeOf));

function readersOf(nodes: readonly GraphNode[]): Map<string, GraphNode[]> {
  const readers = new Map<string, GraphNode[]>();
  for (const node of nodes) {
    for (const input of new Set(dataInputs(node).map(nodeOf))) {
      const list = readers.get(input);
      if (list) list.push(node);
      else readers.set(input, [node]);
    }
  }
  return readers;
}

/** What the signature names, else what nothing reads. */
function outputsOf(nodes: readonly GraphNode[], readers: ReadonlyMap<string, unknown>, signature: Signature | undefined): string[] {
  const named = Object.values(signature?.outputs ?? {}).map((o) => keyOf(o.name));
  const found =
    named.length > 0
      ? named
      : nodes.filter((n) => !readers.has(n.name) && !["Const", "Placeholder", "NoOp"].includes(n.op)).map((n) => n.name);
  return [...new Set(found)];
}

/** The nodes that the outputs need, each after what it reads. */
function sorted(nodes: ReadonlyMap<string, GraphNode>, outputs: readonly string[]): GraphNode[] {
  const order: GraphNode[] = [];
  const state = new Map<string, "open" | "done">();
  for (const output of outputs) {
    const stack = [nodeOf(output)];
    while (stack.length > 0) {
      const name = stack.at(-1) as string;
      const node = nodes.get(name) ?? missing(name);
      const open = state.get(name) === "done" ? [] : waitsFor(node).filter((i) => state.get(i) !== "done");
      if (open.length === 0) {
        if (state.get(name) !== "done") order.push(node);
        state.set(name, "done");
        stack.pop();
        continue;
      }
      if (state.get(name) === "open") throw new Unreadable("its nodes read each other in a circle");
      state.set(name, "open");
      for (const i of open.reverse()) stack.push(i);
    }
  }
  return order;
}
