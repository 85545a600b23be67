/** THE op table. One line per op; order is the order of `sec ops` and of the documentation. */
import type { z } from "zod";
import type { Attrs, Node } from "../ir/graph.ts";
import type { OpDef } from "./op.ts";
import { relu } from "./relu.ts";

export const ops = {
  relu,
};

export type OpName = keyof typeof ops;
export type AttrsOf<N extends OpName> = z.output<(typeof ops)[N]["attrs"]>;
/** A node whose attributes are typed by its op. */
export type NodeOf<N extends OpName> = Node & { readonly op: N; readonly attrs: Attrs & AttrsOf<N> };

const table: ReadonlyMap<string, OpDef> = new Map(Object.entries(ops) as unknown as [string, OpDef][]);

export const isOpName = (name: string): name is OpName => table.has(name);

/** The record of a node's op, with its types erased. */
export function opOf(name: string): OpDef {
  const op = table.get(name);
  if (!op) throw new Error(`no op ${name}`);
  return op;
}

/** Every op with its name, in table order. */
export const allOps = (): IterableIterator<[string, OpDef]> => table.entries();
