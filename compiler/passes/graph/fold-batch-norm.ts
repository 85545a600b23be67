/**
 * A batch norm at inference is a scale and a shift per channel. After a conv, deconv or linear that nothing else reads it moves into that
 * layer's weight and bias, and so do `affine`, `times` and `plus`, in chains. A batch norm that stands alone becomes an `affine`.
 * The new tensors are recipes over the old ones (weights/recipes.ts), computed in f64 and rounded once.
 */
import type { Node, Weight } from "../../ir/graph.ts";
import { defineGraphPass } from "../pass.ts";
import { type GraphEdit, rewriteGraph } from "./rewrite.ts";

/** y = x * scale[c] + shift[c]; what is absent is 1 or 0. */
interface Scaling {
  readonly scale?: Weight;
  readonly shift?: Weight;
}

const HOSTS: ReadonlySet<string> = new Set(["conv", "deconv", "linear", "affine"]);

function scalingOf(node: Node, edit: GraphEdit): Scaling | undefined {
  const channels = [node.output.type.shape[1] as number];
  const own = (name: string): Weight => edit.ownWeight(node, name);
  switch (node.op) {
    case "bn": {
      const attrs = { eps: node.attrs.eps };
      const [mean, variance] = [own("running_mean"), own("running_var")];
      const gamma = node.attrs.affine ? [own("weight")] : [];
      const beta = node.attrs.affine ? [own("bias")] : [];
      return {
        scale: edit.derive(`${node.path}.scale`, channels, "bn-scale", [variance, ...gamma], attrs),
        shift: edit.derive(`${node.path}.shift`, channels, "bn-shift", [mean, variance, ...gamma, ...beta], attrs),
      };
    }
    case "affine":
      return { scale: own("weight"), ...(node.weights.bias ? { shift: own("bias") } : {}) };
    case "times":
      return { scale: edit.derive(`${node.path}.scale`, channels, "constant", [], { value: node.attrs.k }) };
    case "plus":
      return { shift: edit.derive(`${node.path}.shift`, channels, "constant", [], { value: node.attrs.k }) };
    default:
      return undefined;
  }
}

/** `host` with the scaling in its tensors. Keeps path, origin and value: the layer is still the user's layer. */
function absorb(host: Node, follower: Node, scaling: Scaling, edit: GraphEdit): Node {
  const weight = edit.ownWeight(host, "weight");
  const bias = host.weights.bias ? edit.ownWeight(host, "bias") : undefined;
  const { scale, shift } = scaling;
  const shape = weight.value.type.shape as readonly number[];
  const channels = [host.output.type.shape[1] as number];
  const named = (own: string): string => `${host.path}.${own}+${follower.path}`;
  const attrs = host.op === "deconv" ? { deconvGroups: host.attrs.groups } : {};
  const newWeight = scale ? edit.derive(named("weight"), shape, "scale-out", [weight, scale], attrs) : weight;
  const newBias = ((): Weight | undefined => {
    if (!bias) return shift;
    if (scale && shift) return edit.derive(named("bias"), channels, "shift-out", [scale, shift, bias]);
    if (scale) return edit.derive(named("bias"), channels, "scale-out", [bias, scale]);
    return shift ? edit.derive(named("bias"), channels, "sum", [bias, shift]) : bias;
  })();
  return {
    ...host,
    attrs: { ...host.attrs, bias: newBias !== undefined },
    weights: { weight: newWeight.value, ...(newBias ? { bias: newBias.value } : {}) },
  };
}

export const foldBatchNorm = defineGraphPass({
  name: "fold-batch-norm",
  summary: "move batch norms and other per-channel scales into the layer before; a lone batch norm becomes an affine",
  minLevel: 1,
  run(graph, { training, remark }) {
    if (training) return graph;
    return rewriteGraph(graph, (node, edit) => {
      if (node.op !== "bn" && node.op !== "affine" && node.op !== "times" && node.op !== "plus") return node;
      const input = node.inputs[0]!;
      const host = edit.producer(input);
      const readers = edit.readers(input);
      if (host && HOSTS.has(host.op) && readers === 1 && !edit.isOutput(input)) {
        const scaling = scalingOf(node, edit)!;
        edit.drop(host);
        // the host moves down to its follower's place: everything it reads is there already
        edit.forward(node.output, host.output);
        return absorb(host, node, scaling, edit);
      }
      if (host && HOSTS.has(host.op) && node.op === "bn")
        remark({
          pass: "fold-batch-norm",
          path: node.path,
          text: `not folded into ${host.path}, which has ${readers} readers`,
          span: node.origin.span,
        });
      if (node.op !== "bn") return node;
      const { scale, shift } = scalingOf(node, edit)!;
      return {
        ...node,
        op: "affine",
        attrs: { bias: true, start: 1 },
        weights: { weight: scale!.value, bias: shift!.value },
      };
    });
  },
});
