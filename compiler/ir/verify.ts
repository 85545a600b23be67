/**
 * Legality of a Graph, as data (Programs: verify-program.ts). Runs after every pass in tests and under --verify-ir.
 * A fault is a bug of `sec`, so it names IR, not the user's text.
 */
import type { Attrs, Graph, Node, Value, Weight } from "./graph.ts";
import { sameShape, sameType, shapeText, type TensorType } from "./type.ts";

export interface Fault {
  /** Node path, tensor path, kernel name, or "graph", "program". */
  readonly at: string;
  readonly what: string;
}

export const faultText = (fault: Fault): string => `${fault.at}: ${fault.what}`;

/** What the IR is told about ops (`compiler/ops/rules.ts`). */
export interface OpRules {
  isOp(op: string): boolean;
  /** The node's type by its op's rule, or why there is none. */
  infer(node: Node): TensorType | string;
  /** Own tensors the op asks for. */
  weights(node: Node): Readonly<Record<string, { readonly shape: readonly number[]; readonly dtype?: "f32" | "i64" }>>;
  /** Values of attributes that need not be written. */
  defaults(op: string): Attrs;
}

const typeText = (t: TensorType): string => `${t.dtype}${shapeText(t.shape)}`;

/** Every way in which `graph` is not a legal Graph. */
export function verifyGraph(graph: Graph, rules: OpRules): Fault[] {
  const faults: Fault[] = [];
  const fault = (at: string, what: string): void => {
    faults.push({ at, what });
  };
  const defined = new Set<Value>();
  const ids = new Map<number, string>();
  const define = (value: Value, at: string): void => {
    if (defined.has(value)) fault(at, `value %${value.id} is defined twice`);
    else if (ids.has(value.id)) fault(at, `id ${value.id} belongs to ${ids.get(value.id)} already`);
    defined.add(value);
    ids.set(value.id, at);
  };

  for (const v of graph.inputs) define(v, v.name);
  verifyWeights(graph, fault, define);

  const paths = new Set<string>();
  for (const node of graph.nodes) {
    if (paths.has(node.path)) fault(node.path, "two nodes have this path");
    paths.add(node.path);
    for (const [i, v] of node.inputs.entries())
      if (!defined.has(v)) fault(node.path, `input ${i} (%${v.id}, ${v.name}) is not defined before it`);
    verifyNode(node, defined, rules, fault);
    define(node.output, node.path);
    if (node.origin?.span === undefined) fault(node.path, "no origin");
  }

  if (graph.outputs.length === 0) fault("graph", "no output");
  const names = new Set<string>();
  for (const o of graph.outputs) {
    if (names.has(o.name)) fault("graph", `two outputs called ${o.name}`);
    names.add(o.name);
    if (!defined.has(o.value)) fault("graph", `output ${o.name} (%${o.value.id}) is not defined`);
  }
  return faults;
}

function verifyWeights(graph: Graph, fault: (at: string, what: string) => void, define: (v: Value, at: string) => void): void {
  const known = new Set<Weight>();
  const paths = new Set<string>();
  for (const w of graph.weights) {
    define(w.value, w.path);
    if (paths.has(w.path)) fault(w.path, "two tensors have this path");
    paths.add(w.path);
    if (!w.value.type.shape.every((d) => typeof d === "number" && Number.isInteger(d) && d >= 0))
      fault(w.path, `a tensor's shape must be numbers, this is ${shapeText(w.value.type.shape)}`);
    if (w.init.kind === "derived") {
      if (w.trainable) fault(w.path, "a derived tensor cannot be trained");
      for (const source of w.init.from)
        if (!known.has(source)) fault(w.path, `derived from ${source.path}, which is not a tensor before it`);
    }
    if (w.preserve && !(Math.log2(w.preserve.factor) % 1 === 0)) fault(w.path, `preserve factor ${w.preserve.factor} is no power of two`);
    known.add(w);
  }
}

function verifyNode(node: Node, defined: ReadonlySet<Value>, rules: OpRules, fault: (at: string, what: string) => void): void {
  if (!rules.isOp(node.op)) {
    fault(node.path, `no op ${node.op}`);
    return;
  }
  if (!node.output.type.shape.every((d, i) => (typeof d === "number" ? Number.isInteger(d) && d > 0 : i === 0)))
    fault(node.path, `the shape ${shapeText(node.output.type.shape)} is not legal`);
  const type = rules.infer(node);
  if (typeof type === "string") {
    fault(node.path, `${node.op} does not accept its inputs: ${type}`);
    return;
  }
  if (!sameType(type, node.output.type)) fault(node.path, `the type is ${typeText(node.output.type)}, ${node.op} gives ${typeText(type)}`);
  const wanted = rules.weights(node);
  for (const [name, spec] of Object.entries(wanted)) {
    const value = node.weights[name];
    if (!value) fault(node.path, `the tensor ${name} is missing`);
    else if (!defined.has(value)) fault(node.path, `the tensor ${name} (%${value.id}) is not one of the graph's`);
    else if (!sameShape(value.type.shape, spec.shape) || value.type.dtype !== (spec.dtype ?? "f32"))
      fault(node.path, `the tensor ${name} is ${typeText(value.type)}, ${node.op} wants ${spec.dtype ?? "f32"}${shapeText(spec.shape)}`);
  }
  for (const name of Object.keys(node.weights)) if (!(name in wanted)) fault(node.path, `${node.op} has no tensor ${name}`);
}
