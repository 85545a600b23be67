/** Weights in TensorFlow.js's own layout, repacked once when the module is made, so that its graph has no transposition. */
import type { Graph, Node, Value, Weight } from "../../compiler/ir/graph.ts";
import { numel } from "../../compiler/ir/type.ts";
import { interleave } from "../../compiler/vectors/kernels.ts";
import { borrowed, type WeightReader } from "../../compiler/weights/source.ts";
import { f32Section, type Section } from "../module/weights-file.ts";

export interface PackedTensor {
  readonly weight: Weight;
  /** Shape in the module. */
  readonly shape: readonly number[];
  readonly section: Section;
}

/** Permutes the axes of a dense tensor of rank up to 4: axis i of the result is axis order[i] of `from`. */
function permute(from: Float32Array, shape: readonly number[], order: readonly number[], into: Float32Array): void {
  const strides = shape.map((_, i) => shape.slice(i + 1).reduce((a, b) => a * b, 1));
  const lead = 4 - order.length;
  const size = [0, 1, 2, 3].map((i) => (i < lead ? 1 : (shape[order[i - lead] as number] as number)));
  const step = [0, 1, 2, 3].map((i) => (i < lead ? 0 : (strides[order[i - lead] as number] as number)));
  const [d0 = 1, d1 = 1, d2 = 1, d3 = 1] = size;
  const [s0 = 0, s1 = 0, s2 = 0, s3 = 0] = step;
  let to = 0;
  for (let a = 0; a < d0; a++)
    for (let b = 0; b < d1; b++)
      for (let c = 0; c < d2; c++) for (let e = 0, at = a * s0 + b * s1 + c * s2; e < d3; e++, at += s3) into[to++] = from[at] as number;
}

/** [outputs, inputs, taps] as [taps, inputs, outputs]: most of a net's weights. */
function outputsLast(from: Float32Array, [outputs, inputs, taps]: readonly [number, number, number], into: Float32Array): void {
  const rows = { from, first: 0, pitch: inputs * taps, count: outputs };
  interleave(rows, into, 0, { taps, tap: inputs * outputs, inners: inputs, step: outputs, groups: 1, far: 0, beside: 4 });
}

interface Layout {
  readonly shape: readonly number[];
  readonly write: (values: Float32Array, into: Float32Array) => void;
}

/** Layout of each tensor, by the layer that reads it. `map` is the shape [c, h, w] that a linear layer's vector was flattened from in NHWC order. */
function layoutOf(node: Node, name: string, shape: readonly number[], map: readonly number[] | undefined): Layout {
  if (node.op === "conv" && name === "weight") {
    const [out = 0, perGroup = 0, kh = 0, kw = 0] = shape;
    const inChannels = node.inputs[0]?.type.shape[1] as number;
    const groups = node.attrs.groups as number;
    if (groups > 1 && groups === inChannels) {
      // depthwise: [kh, kw, in, multiplier]; output channel = in * multiplier + m
      const multiplier = out / inChannels;
      return {
        shape: [kh, kw, inChannels, multiplier],
        write: (values, into) => permute(values, [inChannels, multiplier, kh, kw], [2, 3, 0, 1], into),
      };
    }
    return { shape: [kh, kw, perGroup, out], write: (values, into) => outputsLast(values, [out, perGroup, kh * kw], into) };
  }
  if (node.op === "deconv" && name === "weight") {
    const [inChannels = 0, perGroup = 0, kh = 0, kw = 0] = shape;
    return { shape: [kh, kw, perGroup, inChannels], write: (values, into) => outputsLast(values, [inChannels, perGroup, kh * kw], into) };
  }
  if (node.op === "chanconv" && name === "weight")
    return { shape: [shape[2] as number, 1, 1, 1], write: (values, into) => into.set(values) };
  if (node.op === "linear" && name === "weight") {
    const [out = 0, features = 0] = shape;
    if (map) {
      const [c = 0, h = 0, w = 0] = map;
      return { shape: [features, out], write: (values, into) => outputsLast(values, [out, c, h * w], into) };
    }
    return { shape: [features, out], write: (values, into) => outputsLast(values, [out, features, 1], into) };
  }
  return { shape, write: (values, into) => into.set(values) };
}

/** A constant that a layer reads like a map, in the order of maps. */
function constantLayout(shape: readonly number[]): Layout {
  const [n = 0, c = 0, h = 0, w = 0] = shape;
  if (shape.length !== 4) return { shape, write: (values, into) => into.set(values) };
  return { shape: [n, h, w, c], write: (values, into) => permute(values, shape, [0, 2, 3, 1], into) };
}

/** Every tensor the module needs, in state-dict order. `flattenedFrom` gives [c, h, w] for linear layers behind a kept-order `flatten`. */
export function packTensors(
  graph: Graph,
  reader: WeightReader,
  flattenedFrom: (node: Node) => readonly number[] | undefined,
): PackedTensor[] {
  const use = new Map<Value, { node: Node; name: string }>();
  for (const node of graph.nodes) {
    for (const [name, value] of Object.entries(node.weights)) if (!use.has(value)) use.set(value, { node, name });
  }
  const read = new Set([...graph.nodes.flatMap((n) => n.inputs), ...graph.outputs.map((o) => o.value)]);
  return graph.weights.flatMap((weight) => {
    const found = use.get(weight.value);
    if ((!found && !read.has(weight.value)) || weight.value.type.dtype !== "f32") return [];
    const shape = weight.value.type.shape as readonly number[];
    const layout = found ? layoutOf(found.node, found.name, shape, flattenedFrom(found.node)) : constantLayout(shape);
    const section = f32Section(numel(shape), (into) => layout.write(borrowed(reader, weight), into), true);
    return [{ weight, shape: layout.shape, section }];
  });
}
