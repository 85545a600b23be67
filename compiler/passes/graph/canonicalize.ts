/**
 * One spelling for one meaning: activations written out by hand become the named ones, full windows become global pools.
 * Later passes and backends then need to know one form only. Every rule is an identity of real numbers.
 */
import type { Node } from "../../ir/graph.ts";
import { type Pad, pairOf, resolvePad, type Size } from "../../ops/shape.ts";
import { defineGraphPass } from "../pass.ts";
import { type GraphEdit, rewriteGraph } from "./rewrite.ts";

/** The same place in the net with another op. */
const become = (node: Node, op: string, attrs: Node["attrs"] = {}, inputs = node.inputs): Node => ({
  ...node,
  op,
  attrs,
  inputs,
  weights: {},
});

/** Written constants such as 1/6 or 0.16666667 arrive as decimals: equal to f32 precision. */
const near = (a: unknown, b: number): boolean => typeof a === "number" && Math.abs(a - b) <= 2 ** -24 * Math.abs(b);

/** Results are never below 0 (or -0), so a relu or abs after them says nothing. */
const NON_NEGATIVE: ReadonlySet<string> = new Set([
  "relu",
  "relu6",
  "sigmoid",
  "hsigmoid5",
  "hsigmoid6",
  "softmax",
  "abs",
  "square",
  "sqrt",
]);

/** scale * x + offset, as the one or two nodes behind `node` spell it; `over` is x. */
function line(node: Node | undefined, edit: GraphEdit): { over: Node["inputs"][0]; scale: number; offset: number } | undefined {
  if (!node) return undefined;
  const x = node.inputs[0]!;
  const k = node.attrs.k as number;
  if (node.op === "times") return { over: x, scale: k, offset: 0 };
  if (node.op !== "plus") return undefined;
  const before = edit.producer(x);
  return before?.op === "times"
    ? { over: before.inputs[0]!, scale: before.attrs.k as number, offset: k }
    : { over: x, scale: 1, offset: k };
}

function clipRule(node: Node, edit: GraphEdit): Node | undefined {
  const { min, max } = node.attrs;
  if (min === 0 && max === 6) return become(node, "relu6");
  if (min !== 0 || max !== 1) return undefined;
  const inside = line(edit.producer(node.inputs[0]!), edit);
  if (!inside || !near(inside.offset, 0.5)) return undefined;
  if (near(inside.scale, 0.2)) return become(node, "hsigmoid5", {}, [inside.over]);
  if (near(inside.scale, 1 / 6)) return become(node, "hsigmoid6", {}, [inside.over]);
  return undefined;
}

/** relu6(x + 3) / 6 */
function timesRule(node: Node, edit: GraphEdit): Node | undefined {
  const clipped = edit.producer(node.inputs[0]!);
  if (!near(node.attrs.k, 1 / 6) || clipped?.op !== "relu6") return undefined;
  const inside = line(edit.producer(clipped.inputs[0]!), edit);
  return inside?.scale === 1 && inside.offset === 3 ? become(node, "hsigmoid6", {}, [inside.over]) : undefined;
}

/** x * sigmoid(x), x * hsigmoid6(x), x * tanh(softplus(x)) in either order. */
function mulRule(node: Node, edit: GraphEdit): Node | undefined {
  if (node.inputs.length !== 2) return undefined;
  for (const [i, j] of [
    [0, 1],
    [1, 0],
  ] as const) {
    const x = node.inputs[i]!;
    const factor = edit.producer(node.inputs[j]!);
    const operand = factor?.inputs[0];
    if (factor?.op === "sigmoid" && operand === x) return become(node, "silu", {}, [x]);
    if (factor?.op === "hsigmoid6" && operand === x) return become(node, "hswish", {}, [x]);
    const inner = operand && factor?.op === "tanh" ? edit.producer(operand) : undefined;
    if (inner?.op === "softplus" && inner.inputs[0] === x) return become(node, "mish", {}, [x]);
  }
  return undefined;
}

/** A pool whose one window is exactly the map. */
function poolRule(node: Node, global: "gap" | "gmp"): Node | undefined {
  const [, , h, w] = node.inputs[0]!.type.shape;
  const kernel = pairOf(node.attrs.kernel as Size);
  const dilation = pairOf((node.attrs.dilation ?? 1) as Size);
  if (kernel[0] !== h || kernel[1] !== w || dilation.some((d, i) => d !== 1 && kernel[i] !== 1)) return undefined;
  const pads = resolvePad(
    (node.attrs.pad ?? 0) as Pad,
    [h as number, w as number],
    kernel,
    pairOf((node.attrs.stride ?? node.attrs.kernel) as Size),
    dilation,
  );
  const [, , oh, ow] = node.output.type.shape;
  return oh === 1 && ow === 1 && pads.every((p) => p === 0) ? become(node, global, { over: "hw" }) : undefined;
}

function poolToRule(node: Node, global: "gap" | "gmp"): Node | undefined {
  const [, , h, w] = node.output.type.shape;
  return h === 1 && w === 1 ? become(node, global, { over: "hw" }) : undefined;
}

function rule(node: Node, edit: GraphEdit): Node | undefined {
  switch (node.op) {
    case "clip":
      return clipRule(node, edit);
    case "times":
      return timesRule(node, edit);
    case "mul":
      return mulRule(node, edit);
    case "avgpool":
      return poolRule(node, "gap");
    case "maxpool":
      return poolRule(node, "gmp");
    case "avgpool_to":
      return poolToRule(node, "gap");
    case "maxpool_to":
      return poolToRule(node, "gmp");
    default:
      return undefined;
  }
}

export const canonicalize = defineGraphPass({
  name: "canonicalize",
  summary: "name activations that were written out, make global pools of full windows",
  minLevel: 1,
  run: (graph) =>
    rewriteGraph(graph, (node, edit) => {
      if ((node.op === "relu" || node.op === "abs") && !edit.isOutput(node.output)) {
        const input = node.inputs[0]!;
        if (NON_NEGATIVE.has(edit.producer(input)?.op ?? "")) {
          edit.forward(node.output, input);
          return undefined;
        }
      }
      return rule(node, edit) ?? node;
    }),
});
