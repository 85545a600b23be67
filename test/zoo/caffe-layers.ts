/** Graphs of nets in the words of test/python/caffe_layers.py, to compare them with the authors' prototxt files. */
import { readFileSync } from "node:fs";
import type { Graph, Node, Value } from "../../compiler/ir/graph.ts";

/** What caffe_layers.py printed of a prototxt. */
export const caffeLines = (name: string): string[] =>
  readFileSync(new URL(`../fixtures/${name}.layers.txt`, import.meta.url), "utf8")
    .trim()
    .split("\n");

/** A layer in the words of test/python/caffe_layers.py. */
function layerText({ op, attrs }: Node): string {
  const flat = (value: unknown): number => [value].flat()[0] as number;
  const { out, kernel, stride, pad, bias, ceil } = attrs as Readonly<Record<string, unknown>>;
  switch (op) {
    case "conv": {
      const padding = pad === "half" ? Math.floor(flat(kernel) / 2) : flat(pad);
      return `conv ${out} k${flat(kernel)} s${flat(stride)} p${padding}${bias ? " bias" : ""}`;
    }
    case "linear":
      return `linear ${out}${bias ? " bias" : ""}`;
    case "maxpool":
    case "avgpool":
      return `${op} k${flat(kernel)} s${flat(stride)} p${flat(pad)}${ceil ? " up" : ""}`;
    default:
      return op;
  }
}

/** The net as caffe_layers.py prints a prototxt: numbered inputs before users, from the logits back. */
export function layerLines(graph: Graph): string[] {
  const by = new Map<Value, Node>(graph.nodes.map((n) => [n.output, n]));
  const numbers = new Map<Value, number>();
  const lines: string[] = [];
  const show = (value: Value): number => {
    const known = numbers.get(value);
    if (known !== undefined) return known;
    const node = by.get(value);
    if (node?.op === "flatten") return show(node.inputs[0] as Value);
    const inputs = (node?.inputs ?? []).map(show);
    numbers.set(value, lines.length);
    return lines.push(`${lines.length}: ${node ? layerText(node) : "input"} (${inputs.join(" ")})`) - 1;
  };
  for (const { value } of graph.outputs) show(value);
  return lines;
}
