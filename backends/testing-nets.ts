/** Small nets with every placement of a gate and the usual joints of CNNs: what `conformance` compares end to end with the reference. */
import { derivedBounds } from "../compiler/analysis/bounds.ts";
import { invariant } from "../compiler/invariant.ts";
import { graphBuilder } from "../compiler/ir/build.ts";
import type { Graph, Value } from "../compiler/ir/graph.ts";
import { f32 } from "../compiler/ir/type.ts";
import { applyOp } from "../compiler/ops/apply.ts";
import { isProblem } from "../compiler/ops/op.ts";
import { rounded } from "../compiler/reference/run.ts";
import type { Tensors } from "./backend.ts";
import { mismatch, referenceInputs, sampleWeights, testOrigin } from "./testing-samples.ts";

export interface TestNet {
  readonly graph: Graph;
  readonly batch: number;
}

interface Pen {
  readonly input: (name: string, ...shape: readonly (number | string)[]) => Value;
  /** Adds a layer; its path is `path`. */
  readonly layer: (path: string, op: string, inputs: Value | readonly Value[], attrs?: Record<string, unknown>) => Value;
  readonly output: (name: string, value: Value) => void;
}

function net(name: string, batch: number, draw: (pen: Pen) => void): TestNet {
  const builder = graphBuilder(name);
  draw({
    input: (inputName, ...shape) => builder.input(inputName, f32(...shape)),
    layer(path, op, inputs, attrs = {}) {
      const list = Array.isArray(inputs) ? (inputs as readonly Value[]) : [inputs as Value];
      const value = applyOp(builder, op, list, attrs, { path, origin: testOrigin });
      invariant(!isProblem(value as never), `${name}, ${path}: ${JSON.stringify(value)}`);
      return value as Value;
    },
    output: (outputName, value) => builder.output(outputName, value),
  });
  return { graph: builder.finish(), batch };
}

/** conv, bn, and an activation unless it is "none". */
function convBn({ layer }: Pen, path: string, x: Value, attrs: Record<string, unknown>, act = "relu"): Value {
  const y = layer(`${path}.bn`, "bn", layer(`${path}.conv`, "conv", x, attrs));
  return act === "none" ? y : layer(`${path}.${act}`, act, y);
}

/** Squeeze-and-excitation as the library writes it: gap, 1×1, act, 1×1, gate, mul. */
function se({ layer }: Pen, path: string, x: Value, hidden: number, gate = "sigmoid", act = "relu"): Value {
  const channels = x.type.shape[1] as number;
  const squeezed = layer(`${path}.gap`, "gap", x);
  const a = layer(`${path}.act`, act, layer(`${path}.fc1`, "conv", squeezed, { out: hidden, kernel: 1, bias: true }));
  const s = layer(`${path}.gate`, gate, layer(`${path}.fc2`, "conv", a, { out: channels, kernel: 1, bias: true }));
  return layer(`${path}.scale`, "mul", [x, s]);
}

function head({ layer, output }: Pen, x: Value, classes: number): void {
  output("logits", layer("fc", "linear", layer("flatten", "flatten", layer("gap", "gap", x)), { out: classes }));
}

/** A fresh list: graphs are immutable, but building is cheap and tests stay independent. */
export function referenceNets(): readonly TestNet[] {
  return [
    net("plain", 1, (pen) => {
      let x = pen.input("image", "N", 3, 15, 13);
      x = convBn(pen, "stem", x, { out: 10, kernel: 7, stride: 2 });
      x = pen.layer("pool", "maxpool", x, { kernel: 3, stride: 2, pad: 1 });
      x = convBn(pen, "body", x, { out: 12, kernel: 3 });
      head(pen, x, 5);
    }),
    net("se_bottleneck", 2, (pen) => {
      const x = pen.input("image", "N", 12, 9, 5);
      let y = convBn(pen, "a", x, { out: 8, kernel: 1 });
      y = convBn(pen, "b", y, { out: 8, kernel: 3, stride: 2 });
      y = convBn(pen, "c", y, { out: 20, kernel: 1 }, "none");
      y = se(pen, "se", y, 5);
      const short = convBn(pen, "down", x, { out: 20, kernel: 1, stride: 2 }, "none");
      head(pen, pen.layer("relu", "relu", pen.layer("sum", "add", [y, short])), 7);
    }),
    net("se_basic", 1, (pen) => {
      const x = pen.input("image", "N", 8, 7, 7);
      let y = convBn(pen, "a", x, { out: 8, kernel: 3 });
      y = convBn(pen, "b", y, { out: 8, kernel: 3 }, "none");
      y = se(pen, "se", y, 2);
      head(pen, pen.layer("relu", "relu", pen.layer("sum", "add", [y, x])), 4);
    }),
    net("se_mobile", 3, (pen) => {
      const x = pen.input("image", "N", 6, 8, 10);
      let y = convBn(pen, "expand", x, { out: 24, kernel: 1 }, "hswish");
      y = convBn(pen, "depthwise", y, { out: 24, kernel: 5, groups: 24, stride: 2 }, "hswish");
      y = se(pen, "se", y, 6, "hsigmoid6");
      y = convBn(pen, "project", y, { out: 9, kernel: 1 }, "none");
      head(pen, y, 3);
    }),
    net("se_pre_and_post", 1, (pen) => {
      const x = convBn(pen, "stem", pen.input("image", "N", 4, 6, 6), { out: 12, kernel: 3 });
      const pre = se(pen, "pre", x, 4);
      const y = convBn(pen, "main", pre, { out: 12, kernel: 1 }, "none");
      const sum = pen.layer("relu", "relu", pen.layer("sum", "add", [y, x]));
      head(pen, convBn(pen, "next", se(pen, "post", sum, 3), { out: 6, kernel: 3 }), 3);
    }),
    net("eca_and_concat", 2, (pen) => {
      const x = convBn(pen, "stem", pen.input("image", "N", 3, 7, 6), { out: 8, kernel: 3 });
      const s = pen.layer("eca.gate", "sigmoid", pen.layer("eca.conv", "chanconv", pen.layer("eca.gap", "gap", x), { kernel: 3 }));
      const gated = pen.layer("eca.scale", "mul", [x, s]);
      const both = pen.layer("concat", "concat", [gated, convBn(pen, "side", x, { out: 5, kernel: 1 })]);
      head(pen, pen.layer("avg", "avgpool", both, { kernel: 2 }), 6);
    }),
    net("two_inputs", 1, (pen) => {
      const a = pen.layer("branch_a", "conv", pen.input("left image", "N", 2, 5, 5), { out: 4, kernel: 3 });
      const b = pen.layer("branch_b", "conv", pen.input("constructor", "N", 3, 5, 5), { out: 4, kernel: 3, bias: true });
      const sum = pen.layer("sum", "add", [a, b]);
      pen.output("__proto__", pen.layer("act", "silu", sum));
      pen.output("a */ b", pen.layer("pooled", "gmp", sum));
    }),
  ];
}

/** One line for each output that is out of the bound derived for the net, times `factor`. */
export function netFaults({ graph, batch }: TestNet, inputs: Tensors, outputs: Tensors, factor = 1): string[] {
  const got = new Map(Object.entries(outputs));
  return derivedBounds(graph, referenceInputs(graph, batch, inputs), rounded(sampleWeights), { batch }).flatMap(
    ({ output, allowed, exact }) => {
      const fault = mismatch(got.get(output), exact.data, exact.shape, allowed * factor);
      return fault === undefined ? [] : [`output ${output}: ${fault}`];
    },
  );
}
