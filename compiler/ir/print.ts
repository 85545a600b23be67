/**
 * The text form of a Graph: what `--emit graph`, `--print-after` and the goldens of passes show; `parse.ts` reads it back.
 * Value numbers are the graph's own, so a line that a pass did not touch prints the same before and after it.
 */
import type { Graph, Node } from "./graph.ts";
import { attrsText, nameText, type Refer, referTo, typeText, weightText } from "./text.ts";
import type { OpRules } from "./verify.ts";

/** With `rules`, attributes that have their default value are left out. */
export type PrintRules = Pick<OpRules, "defaults">;

function nodeText(node: Node, refer: Refer, rules: PrintRules | undefined): { call: string; path: string } {
  const args = [...node.inputs.map(refer), ...Object.entries(node.weights).map(([name, value]) => `${name}=${refer(value)}`)];
  const attrs = attrsText(node.attrs, rules?.defaults(node.op));
  const call = [`%${node.output.id} = ${node.op}(${args.join(", ")})`, attrs, `: ${typeText(node.output.type)}`].filter(Boolean).join(" ");
  return { call, path: nameText(node.path) };
}

/** One line per node, its path behind `#`; the tensors after the nodes, in the order of the state dict. */
export function printGraph(graph: Graph, rules?: PrintRules): string {
  const refer = referTo(graph.weights);
  const nodes = graph.nodes.map((n) => nodeText(n, refer, rules));
  // paths line up, unless a few very long calls would push them off the screen
  const width = Math.min(100, Math.max(0, ...nodes.map((n) => n.call.length)));
  const blocks = [
    graph.inputs.map((v) => `input ${nameText(v.name)} = %${v.id} : ${typeText(v.type)}`),
    nodes.map((n) => `${n.call.padEnd(width)}  # ${n.path}`),
    graph.outputs.map((o) => `output ${nameText(o.name)} = ${refer(o.value)}`),
    graph.weights.map((w) => weightText(w)),
  ];
  const body = blocks.filter((b) => b.length > 0).map((b) => b.map((line) => `  ${line}`).join("\n"));
  return `graph ${nameText(graph.name)}\n${body.join("\n\n")}\n`;
}
