/** THE op table. One line per op; order is the order of `sec ops` and of the documentation. */
import type { z } from "zod";
import type { Attrs, Node } from "../ir/graph.ts";
import { add } from "./add.ts";
import { avgpool } from "./avgpool.ts";
import { bn } from "./bn.ts";
import { chanmax } from "./chanmax.ts";
import { chanmean } from "./chanmean.ts";
import { concat } from "./concat.ts";
import { conv } from "./conv.ts";
import { dropout } from "./dropout.ts";
import { droppath } from "./droppath.ts";
import { flatten } from "./flatten.ts";
import { gap } from "./gap.ts";
import { gmp } from "./gmp.ts";
import { hsigmoid5 } from "./hsigmoid5.ts";
import { hsigmoid6 } from "./hsigmoid6.ts";
import { hswish } from "./hswish.ts";
import { identity } from "./identity.ts";
import { linear } from "./linear.ts";
import { maxpool } from "./maxpool.ts";
import { mul } from "./mul.ts";
import type { OpDef } from "./op.ts";
import { relu } from "./relu.ts";
import { relu6 } from "./relu6.ts";
import { reshape } from "./reshape.ts";
import { sigmoid } from "./sigmoid.ts";
import { silu } from "./silu.ts";

export const ops = {
  conv,
  linear,
  bn,
  relu,
  relu6,
  silu,
  sigmoid,
  hsigmoid6,
  hsigmoid5,
  hswish,
  maxpool,
  avgpool,
  gap,
  gmp,
  chanmean,
  chanmax,
  flatten,
  reshape,
  identity,
  dropout,
  droppath,
  add,
  mul,
  concat,
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
