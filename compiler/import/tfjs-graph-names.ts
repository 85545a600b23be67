/** What layers of a graph are called: by their variables ("model/conv1/Conv2D/ReadVariableOp" is of `conv1`), without what all have in front. */
import { dataInputs } from "./tfjs-graph-reading.ts";
import type { GraphNode } from "./tfjs-json.ts";

const READ = /^(?:ReadVariableOp|Cast|read|Enter|resource)(?:_\d+)?$/;
/** Operations that Keras puts below the name of a layer. */
const OPERATION =
  /^(?:_?Fused)?(?:Conv2D(?:BackpropInput)?|conv2d_transpose|depthwise|separable_conv2d|convolution|MatMul|BiasAdd|FusedBatchNorm(?:V\d)?|batchnorm)(?:_\d+)?$/;
/** Variables, and what the converter makes of them when it folds norms. */
const VARIABLE =
  /^(?:kernel|bias|weights|biases|depthwise_weights|depthwise_kernel|pointwise_kernel|pointwise_weights|gamma|beta|alpha|moving_mean|moving_variance|(?:Conv2D|MatMul|depthwise|separable_conv2d)_(?:weights|bias|bn_offset)|filter(?:_in)?)(?:_\d+)?$/;

const CALL = /^(?:StatefulPartitionedCall|PartitionedCall)(?:_\d+)?$/;

/** Layers of TensorFlow 1 have their name twice: "conv2d_1/conv2d". */
const partsOf = (name: string): string[] =>
  name
    .split(/[/.]/)
    .filter((part) => part !== "" && !CALL.test(part))
    .filter((part, i, all) => part !== all[i - 1] && part !== all[i - 1]?.replace(/_\d+$/, ""));

/** The layer that a tensor belongs to. */
function layerOf(tensor: string): string[] {
  const parts = partsOf(tensor);
  const cut = (pattern: RegExp): boolean => {
    if (parts.length < 2 || !pattern.test(parts.at(-1) as string)) return false;
    parts.pop();
    return true;
  };
  if (cut(READ)) cut(OPERATION);
  else if (!cut(VARIABLE)) cut(OPERATION);
  return parts;
}

export function graphNames(nodes: readonly GraphNode[]) {
  const constants = new Set(nodes.flatMap((n) => (n.op === "Const" ? [n.name] : [])));
  // tensors of layers: what a window, a matrix or a norm reads behind its first input
  const weighted = nodes.filter((n) => /Conv2D|Conv2d|MatMul|FusedBatchNorm/.test(n.op));
  const layers = weighted.flatMap((n) =>
    dataInputs(n)
      .slice(1, 2)
      .filter((i) => constants.has(i))
      .map(layerOf),
  );
  const [first = [], ...others] = layers;
  let front = Math.max(first.length - 1, 0);
  for (const parts of others) {
    const end = parts.findIndex((p, i) => p !== first[i]);
    front = Math.min(front, end < 0 ? parts.length - 1 : end, parts.length - 1);
  }
  if (layers.length < 2) front = Math.max(first.length - 1, 0);
  const prefix = first.slice(0, front);
  const bare = (parts: readonly string[]): readonly string[] => (prefix.every((p, i) => parts[i] === p) ? parts.slice(front) : parts);
  const taken = new Set(layers.map((parts) => bare(parts).join(".")));
  /** A layer holds no others: what lies below one is joined to its name. */
  const joined = (parts: readonly string[]): string => {
    const end = parts.findIndex((_, i) => i < parts.length - 1 && taken.has(parts.slice(0, i + 1).join(".")));
    return (end < 0 ? parts : [...parts.slice(0, end), parts.slice(end).join("_")]).join(".");
  };
  const madeUp = new Set<string>();
  return {
    madeUp: madeUp as ReadonlySet<string>,
    ofTensor: (tensor: string, node: GraphNode): string => joined(bare(layerOf(tensor))) || joined(partsOf(node.name)) || "_",
    /** Nodes without tensors lie where their names say, and have none of their own. */
    ofNode(node: GraphNode): string {
      const parts = bare(partsOf(node.name));
      const label = parts.length > 1 ? `${parts.slice(0, -1).join(".")}/${node.op.replace(/[^A-Za-z]/g, "") || "Node"}` : (parts[0] ?? "_");
      madeUp.add(label);
      return label;
    },
  };
}
