/**
 * Finds squeeze-and-excitation in a graph, whoever wrote it (kernels.md section 4.3): mul(u, g), where g is one factor >= 0 per image and
 * channel, made of global means by one or two dense layers. Lowering turns each find into one `excite` kernel.
 */
import type { Graph, Node, Value } from "../../ir/graph.ts";
import type { Remark } from "../pass.ts";
import { type Interval, rangeAfter } from "./value-range.ts";

/** One matrix (conv 1x1, linear) or channel convolution, and the elementwise layers after it, first to last. */
export interface GateLayer {
  readonly node: Node;
  readonly acts: readonly Node[];
}

export interface Gate {
  /** The factors as the graph has them, [N, C, 1, 1]. */
  readonly value: Value;
  /** What is averaged, [N, C', H, W]; often but not always the value that is scaled. */
  readonly squeezed: Value;
  readonly pool: Node;
  readonly layers: readonly GateLayer[];
  /** Every node the excite kernel stands for: pool, reshapes, layers, activations. */
  readonly nodes: readonly Node[];
}

const isVector = (v: Value): boolean =>
  v.type.shape.length === 2 || (v.type.shape.length === 4 && v.type.shape[2] === 1 && v.type.shape[3] === 1);

const all = (list: unknown, wanted: number): boolean => (Array.isArray(list) ? list.every((v) => v === wanted) : list === wanted);

/** The mean over the whole map, in any of its spellings. */
function isGlobalMean(node: Node): boolean {
  const [input] = node.inputs;
  const [, , h, w] = input?.type.shape ?? [];
  const { attrs } = node;
  if (!isVector(node.output) || input?.type.shape.length !== 4) return false;
  if (node.op === "gap") return attrs.over === "hw";
  if (node.op === "avgpool_to") return true;
  const [kh, kw] = Array.isArray(attrs.kernel) ? (attrs.kernel as number[]) : [attrs.kernel, attrs.kernel];
  return node.op === "avgpool" && all(attrs.pad, 0) && kh === h && kw === w;
}

function isDense(node: Node): boolean {
  if (node.op === "linear" || node.op === "chanconv") return isVector(node.inputs[0] as Value);
  if (node.op !== "conv" || !isVector(node.inputs[0] as Value)) return false;
  const { attrs } = node;
  const unpadded = typeof attrs.pad === "string" || all(attrs.pad, 0);
  return all(attrs.kernel, 1) && attrs.groups === 1 && unpadded && isVector(node.output);
}

const MOVES: ReadonlySet<string> = new Set(["flatten", "reshape", "identity", "dropout"]);

/** The gate that ends in `value`, or why there is none. */
function gateOf(value: Value, maker: ReadonlyMap<Value, Node>): Gate | string {
  const nodes: Node[] = [];
  const layers: GateLayer[] = [];
  let acts: Node[] = [];
  let at = value;
  for (;;) {
    const node = maker.get(at);
    if (!node) return "the factors do not come from a global mean";
    nodes.unshift(node);
    const [input] = node.inputs;
    if (!input || node.inputs.length !== 1) return `\`${node.op}\` joins several values before the gate`;
    if (isGlobalMean(node)) {
      if (acts.length > 0 || layers.length === 0) return "there is no dense layer between the mean and the gate";
      return { value, squeezed: input, pool: node, layers, nodes };
    }
    if (!isVector(input) || !isVector(at)) return `\`${node.op}\` is not part of an excitation`;
    if (isDense(node)) {
      if (layers.length === 2) return "there are more than two dense layers";
      layers.unshift({ node, acts });
      acts = [];
    } else if (!MOVES.has(node.op)) {
      if (rangeAfter(node, { low: 0, high: 0 }) === undefined) return `\`${node.op}\` is not part of an excitation`;
      acts.unshift(node);
    }
    at = input;
  }
}

function rangeOf(acts: readonly Node[]): Interval {
  let range: Interval = { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY };
  for (const act of acts) range = rangeAfter(act, range) ?? { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY };
  return range;
}

const channelsOf = (v: Value): unknown => v.type.shape[1];
const isMap = (v: Value): boolean => v.type.shape.length === 4;

/** Whether `mul(..., g)` uses g as one factor per channel of a map. */
const scales = (node: Node, g: Value): boolean =>
  node.op === "mul" && isMap(node.output) && isMap(g) && isVector(g) && channelsOf(g) === channelsOf(node.output);

export interface FoundGates {
  readonly gates: readonly Gate[];
  readonly remarks: readonly Remark[];
}

/** Gates in graph order, and a remark for each product that looks like one and is none. Linear in the number of nodes. */
export function recognizeGates(graph: Graph): FoundGates {
  const maker = new Map<Value, Node>(graph.nodes.map((n) => [n.output, n]));
  const readers = new Map<Value, Node[]>();
  for (const node of graph.nodes)
    for (const v of new Set(node.inputs)) {
      const list = readers.get(v);
      if (list) list.push(node);
      else readers.set(v, [node]);
    }
  const outputs = new Set(graph.outputs.map((o) => o.value));
  const gates: Gate[] = [];
  const remarks: Remark[] = [];
  const seen = new Set<Value>();
  for (const node of graph.nodes) {
    if (node.op !== "mul" || !isMap(node.output)) continue;
    const candidates = node.inputs.filter((v) => scales(node, v) && !seen.has(v) && maker.has(v));
    for (const value of candidates) {
      const found = gateOf(value, maker);
      // on 1x1 maps both operands look like factors: only the one that is a gate counts
      if (typeof found === "string" && isVector(node.output)) continue;
      seen.add(value);
      const reason = ((): string | undefined => {
        if (typeof found === "string") return found;
        const last = found.layers[found.layers.length - 1] as GateLayer;
        if (rangeOf(last.acts).low < 0) {
          const act = last.acts[last.acts.length - 1];
          return act ? `a \`${act.op}\` gate can be negative` : "a gate without activation can be negative";
        }
        if (outputs.has(value)) return "the factors are an output of the net";
        if (!(readers.get(value) ?? []).every((r) => scales(r, value))) return "the factors are also used in another way";
        return undefined;
      })();
      if (reason === undefined) gates.push(found as Gate);
      else remarks.push({ pass: "recognize-gates", path: node.path, text: `not one excite kernel: ${reason}`, span: node.origin.span });
    }
  }
  return { gates, remarks };
}
