/** THE op table. One line per op; order is the order of `sec ops` and of the documentation. */
import type * as z from "zod";
import type { Attrs, Node } from "../ir/graph.ts";
import { abs } from "./abs.ts";
import { add } from "./add.ts";
import { affine } from "./affine.ts";
import { avgpool } from "./avgpool.ts";
import { avgpool_to } from "./avgpool-to.ts";
import { bn } from "./bn.ts";
import { chanconv } from "./chanconv.ts";
import { chanmax } from "./chanmax.ts";
import { chanmean } from "./chanmean.ts";
import { chanshuffle } from "./chanshuffle.ts";
import { clip } from "./clip.ts";
import { concat } from "./concat.ts";
import { conv } from "./conv.ts";
import { deconv } from "./deconv.ts";
import { dropout } from "./dropout.ts";
import { droppath } from "./droppath.ts";
import { elu } from "./elu.ts";
import { flatten } from "./flatten.ts";
import { gap } from "./gap.ts";
import { gelu } from "./gelu.ts";
import { gmp } from "./gmp.ts";
import { gn } from "./gn.ts";
import { hsigmoid5 } from "./hsigmoid5.ts";
import { hsigmoid6 } from "./hsigmoid6.ts";
import { hswish } from "./hswish.ts";
import { identity } from "./identity.ts";
import { instnorm } from "./instnorm.ts";
import { leaky_relu } from "./leaky-relu.ts";
import { linear } from "./linear.ts";
import { ln } from "./ln.ts";
import { lrn } from "./lrn.ts";
import { maxpool } from "./maxpool.ts";
import { maxpool_to } from "./maxpool-to.ts";
import { mish } from "./mish.ts";
import { mul } from "./mul.ts";
import type { OpDef } from "./op.ts";
import { pad } from "./pad.ts";
import { pixelshuffle } from "./pixelshuffle.ts";
import { pixelunshuffle } from "./pixelunshuffle.ts";
import { plus } from "./plus.ts";
import { prelu } from "./prelu.ts";
import { recip } from "./recip.ts";
import { relu } from "./relu.ts";
import { relu6 } from "./relu6.ts";
import { reshape } from "./reshape.ts";
import { rsqrt } from "./rsqrt.ts";
import { sigmoid } from "./sigmoid.ts";
import { silu } from "./silu.ts";
import { slice } from "./slice.ts";
import { softmax } from "./softmax.ts";
import { softplus } from "./softplus.ts";
import { sqrt } from "./sqrt.ts";
import { square } from "./square.ts";
import { swaphw } from "./swaphw.ts";
import { tanh } from "./tanh.ts";
import { times } from "./times.ts";
import { upsample } from "./upsample.ts";

export const ops = {
  conv,
  deconv,
  linear,
  chanconv,
  bn,
  ln,
  gn,
  instnorm,
  lrn,
  affine,
  relu,
  relu6,
  leaky_relu,
  elu,
  silu,
  mish,
  softplus,
  tanh,
  sigmoid,
  prelu,
  gelu,
  hsigmoid6,
  hsigmoid5,
  hswish,
  softmax,
  square,
  sqrt,
  rsqrt,
  recip,
  abs,
  times,
  plus,
  clip,
  maxpool,
  avgpool,
  gap,
  gmp,
  avgpool_to,
  maxpool_to,
  chanmean,
  chanmax,
  upsample,
  pixelshuffle,
  pixelunshuffle,
  chanshuffle,
  slice,
  pad,
  flatten,
  reshape,
  swaphw,
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
