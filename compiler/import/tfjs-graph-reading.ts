/** What the readers of single GraphDef nodes share. */
import type { Constant } from "./onnx-file.ts";
import { refuse } from "./reading.ts";
import type { GraphNode } from "./tfjs-json.ts";
import type { NodeList } from "./tfjs-nodes.ts";

export interface GraphValue {
  readonly value: string;
  /** With the batch; undefined where it is not known. */
  readonly rank: number | undefined;
  readonly constant?: Constant | undefined;
  /** A map cut into blocks of pixels for a convolution that is dilated so: the map itself, and what the convolution is then. */
  readonly cut?: { readonly dilation: readonly [number, number]; readonly pads: readonly number[] };
  /** Made behind a node without an equivalent: nothing is known of it. */
  readonly isBroken?: boolean;
}

export interface GraphReading {
  readonly list: NodeList;
  /** By node, or "node:1" for further outputs. */
  readonly values: Map<string, GraphValue>;
  /** Nodes that read one, control edges left out. */
  readonly readers: ReadonlyMap<string, readonly GraphNode[]>;
  readonly outputs: ReadonlySet<string>;
  /** Sums whose constant an earlier node took over as its bias. */
  readonly taken: Set<string>;
  /** Sizes that are computed: how many of them, by value. */
  readonly lengths: Map<string, number>;
  pathOf(tensor: string, node: GraphNode): string;
}

/** "a:0" is the first output of `a`. */
export const keyOf = (input: string): string => input.replace(/:0$/, "");
export const nodeOf = (input: string): string => input.replace(/:\d+$/, "");

export const dataInputs = (node: GraphNode): readonly string[] => (node.input ?? []).filter((i) => !i.startsWith("^")).map(keyOf);

/** A constant that must be known before the net runs. */
export const known = (value: GraphValue | undefined, what: string): Constant =>
  value?.constant ?? refuse(value ? `${what} are computed while the net runs` : `${what} are missing`);

/** The only reader of a node, when that has one of these operations and nothing else needs the value. */
export function onlyReader(cx: GraphReading, node: GraphNode, ops: readonly string[]): GraphNode | undefined {
  const [reader, ...more] = cx.readers.get(node.name) ?? [];
  return reader && more.length === 0 && ops.includes(reader.op) && !cx.outputs.has(node.name) ? reader : undefined;
}
