/**
 * Structural hash of a graph, 128 bits as 32 hex digits: for the metadata of written weights and for caches. It covers what the text form
 * shows (ops, attributes, wiring, types, tensors), not spans. It guards against mix-ups, not against forgery.
 */
import type { Graph } from "./graph.ts";
import { printGraph } from "./print.ts";

/** Value numbers depend on how a graph was made, so they are replaced by their order of appearance; so does the width of columns. */
export function hashGraph(graph: Graph): string {
  const order = new Map<string, number>();
  const text = printGraph(graph).replace(/%\d+| {2,}(?=# )/g, (found) => {
    if (found.startsWith(" ")) return " ";
    const number = order.get(found) ?? order.size;
    order.set(found, number);
    return `%${number}`;
  });
  return hashText(text);
}

/** Four multiply-rotate lanes over UTF-16 units. */
export function hashText(text: string): string {
  const lanes = new Int32Array([1, 2, 3, 4]);
  for (let i = 0; i < text.length; i++) {
    const k = i & 3;
    const mixed = Math.imul(lanes[k]! + Math.imul(text.charCodeAt(i) + 1, 0x85ebca77), 0x9e3779b1);
    lanes[k] = (mixed << 13) | (mixed >>> 19);
  }
  // without this a change in the last characters would show in one lane only
  for (let round = 0; round < 2; round++)
    for (let k = 0; k < 4; k++) {
      const mixed = Math.imul(lanes[k]! ^ lanes[(k + 3) & 3]! ^ text.length, 0x2545f491);
      lanes[k] = mixed ^ (mixed >>> 15);
    }
  return [...lanes].map((x) => (x >>> 0).toString(16).padStart(8, "0")).join("");
}
