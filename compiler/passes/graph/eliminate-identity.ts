/** Layers that hand their input on unchanged, bit for bit, disappear. */
import type { Attrs, Node } from "../../ir/graph.ts";
import { sameType } from "../../ir/type.ts";
import { defineGraphPass } from "../pass.ts";
import { rewriteGraph } from "./rewrite.ts";

const allEqual = (v: unknown, wanted: number): boolean =>
  v === wanted || (Array.isArray(v) && v.length > 0 && v.every((x) => x === wanted));
const isZeroPad = (v: unknown): boolean => v === "half" || v === "valid" || v === "same" || allEqual(v, 0);
/** A 1x1 window that moves by 1 and pads nothing. */
const isPoint = (a: Attrs): boolean => allEqual(a.kernel, 1) && allEqual(a.stride ?? a.kernel, 1) && isZeroPad(a.pad);

type Rule = (node: Node) => boolean;
const always: Rule = () => true;
/** The type rule of these ops has one result only for a given type, so an unchanged type means unchanged values. */
const sameShape: Rule = (n) => sameType(n.inputs[0]!.type, n.output.type);
const single: Rule = (n) => n.inputs.length === 1;
const onPoint: Rule = (n) => n.inputs[0]!.type.shape[2] === 1 && n.inputs[0]!.type.shape[3] === 1;

const RULES: Readonly<Record<string, Rule>> = {
  identity: always,
  dropout: always,
  droppath: always,
  times: (n) => n.attrs.k === 1,
  plus: (n) => n.attrs.k === 0,
  reshape: sameShape,
  pad: sameShape,
  upsample: sameShape,
  slice: sameShape,
  gap: sameShape,
  gmp: sameShape,
  avgpool_to: sameShape,
  maxpool_to: sameShape,
  pixelshuffle: sameShape,
  pixelunshuffle: sameShape,
  maxpool: (n) => isPoint(n.attrs),
  avgpool: (n) => isPoint(n.attrs),
  chanshuffle: (n) => n.attrs.groups === 1 || n.attrs.groups === n.inputs[0]!.type.shape[1],
  swaphw: onPoint,
  add: single,
  mul: single,
  concat: single,
};

/** What training needs although inference does not. */
const TRAINING: ReadonlySet<string> = new Set(["dropout", "droppath"]);
const rules: ReadonlyMap<string, Rule> = new Map(Object.entries(RULES));

export const eliminateIdentity = defineGraphPass({
  name: "eliminate-identity",
  summary: "take out layers that change nothing: dropout, times(1), reshape to the same",
  minLevel: 1,
  run(graph, { training }) {
    const given = new Set(graph.inputs);
    return rewriteGraph(graph, (node, edit) => {
      if (!rules.get(node.op)?.(node) || (training && TRAINING.has(node.op))) return node;
      const input = node.inputs[0]!;
      // an output that is an input or a tensor, or two outputs of one value: the layer stays, as the copy that a backend needs
      if (edit.isOutput(node.output) && (given.has(input) || edit.weightOf(input) || edit.isOutput(input))) return node;
      edit.forward(node.output, input);
      return undefined;
    });
  },
});
