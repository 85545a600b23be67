/** Costs, the reference of a whole graph, local and derived bounds, on a small net with a gate, a shared layer and an open batch. */
import { expect, test } from "vitest";
import { allowedError, derivedBounds } from "../../compiler/analysis/bounds.ts";
import { costOf } from "../../compiler/analysis/cost.ts";
import { must } from "../../compiler/invariant.ts";
import { graphBuilder } from "../../compiler/ir/build.ts";
import type { Attrs, Graph, Value } from "../../compiler/ir/graph.ts";
import { f32 } from "../../compiler/ir/type.ts";
import { applyOp } from "../../compiler/ops/apply.ts";
import { opOf } from "../../compiler/ops/index.ts";
import { isProblem, type Tensor } from "../../compiler/ops/op.ts";
import { rounded, runReference } from "../../compiler/reference/run.ts";
import { randomTensor, randomWeights } from "../../compiler/reference/sample-graph.ts";
import { sourceFile, span } from "../../compiler/source.ts";

const origin = { span: span(sourceFile("net.se", "net"), 0, 3), via: [] };

/** conv, bn, a squeeze-and-excitation gate whose second matrix is used twice, a classifier. */
function net(): Graph {
  const b = graphBuilder("net");
  const apply = (op: string, inputs: Value[], attrs: Attrs, path: string, weights?: Record<string, Value>): Value => {
    const v = applyOp(b, op, inputs, attrs, { path, origin, ...(weights ? { weights } : {}) });
    if (isProblem(v)) throw new Error(v.problem.title);
    return v;
  };
  const image = b.input("image", f32("N", 3, 9, 9));
  const c = apply("conv", [image], { out: 8, kernel: 3, stride: 2 }, "conv1");
  const u = apply("relu", [apply("bn", [c], {}, "bn1")], {}, "relu");
  const z = apply("gap", [u], {}, "se.gap");
  const first = apply("conv", [z], { out: 8, kernel: 1, bias: true }, "se.fc1");
  const shared = b.finish().nodes.at(-1)?.weights ?? {};
  const again = apply("conv", [first], { out: 8, kernel: 1, bias: true }, "se.fc2", shared);
  const y = apply("mul", [u, apply("sigmoid", [again], {}, "se.gate")], {}, "se");
  const flat = apply("flatten", [apply("gap", [y], {}, "gap")], {}, "flatten");
  b.output("logits", apply("linear", [flat], { out: 5 }, "fc"));
  return b.finish();
}

const inputs = (batch: number): Record<string, Tensor> => ({ image: randomTensor([batch, 3, 9, 9], 5) });

test("costs count a shared tensor once and its multiply-adds every time", () => {
  const cost = costOf(net());
  expect(cost.params).toBe(8 * 27 + 16 + (64 + 8) + (8 * 5 + 5));
  expect(cost.macs).toBe(8 * 27 * 25 + 64 + 64 + 40);
  // running statistics are read at inference, the counter is not
  expect(cost.weightBytes).toBe(4 * (8 * 27 + 32 + 72 + 45));
  const two = costOf(net(), 2);
  expect(two.macs).toBe(2 * cost.macs);
  expect(two.params).toBe(cost.params);
  expect(two.activationBytes).toBe(2 * cost.activationBytes);
  expect(
    must(
      cost.nodes.find((n) => n.node.path === "se.fc2"),
      "fc2",
    ),
  ).toMatchObject({ params: 0, macs: 64, weightBytes: 0 });
});

test("a batch of two is two batches of one", () => {
  const graph = net();
  const weights = randomWeights(3);
  const both = must(runReference(graph, inputs(2), weights).logits, "logits");
  expect(both.shape).toEqual([2, 5]);
  const image = must(inputs(2).image, "image").data;
  for (const n of [0, 1]) {
    const one: Tensor = { shape: [1, 3, 9, 9], data: image.slice(n * 243, (n + 1) * 243) };
    expect([...must(runReference(graph, { image: one }, weights).logits, "logits").data]).toEqual([...both.data.slice(n * 5, n * 5 + 5)]);
  }
});

test("the tap sees every node in order, and inputs of a wrong shape are refused", () => {
  const graph = net();
  const seen: string[] = [];
  runReference(graph, inputs(1), randomWeights(3), { tap: (node, t) => seen.push(`${node.path} ${t.shape}`) });
  expect(seen).toEqual([
    "conv1 1,8,5,5",
    "bn1 1,8,5,5",
    "relu 1,8,5,5",
    "se.gap 1,8,1,1",
    "se.fc1 1,8,1,1",
    "se.fc2 1,8,1,1",
    "se.gate 1,8,1,1",
    "se 1,8,5,5",
    "gap 1,8,1,1",
    "flatten 1,8",
    "fc 1,5",
  ]);
  expect(() => runReference(graph, { image: randomTensor([1, 3, 8, 9], 1) }, randomWeights(3))).toThrow("image is [1,3,8,9]");
});

test("a contraction's bound is 4 sqrt(K) eps of the absolute sum, bias included", () => {
  const op = opOf("linear");
  const input: Tensor = { shape: [1, 3], data: Float64Array.of(1, -2, 3) };
  const weights = { weight: { shape: [1, 3], data: Float64Array.of(-1, 0.5, 2) }, bias: { shape: [1], data: Float64Array.of(-4) } };
  const attrs = op.attrs.parse({ out: 1 });
  const output = op.reference([input], weights, attrs as never);
  expect(output.data[0]).toBe(-1 - 1 + 6 - 4);
  expect(allowedError(op, [input], weights, attrs, output)[0]).toBeCloseTo(4 * Math.sqrt(4) * 2 ** -23 * (1 + 1 + 6 + 4), 15);
});

test("a sum of three is bounded by its partial sums, not by what is left of them", () => {
  const op = opOf("add");
  const terms = [1, 2, -3].map((v): Tensor => ({ shape: [1, 1], data: Float64Array.of(v) }));
  const output = op.reference(terms, {}, {} as never);
  expect(output.data[0]).toBe(0);
  expect(allowedError(op, terms, {}, {}, output)[0]).toBe(3 * 2 ** -23);
});

test("the derived bound covers an f32 run of the net, is repeatable, and is small", () => {
  const graph = net();
  const weights = rounded(randomWeights(3));
  const [bound] = derivedBounds(graph, inputs(1), weights);
  expect(derivedBounds(graph, inputs(1), weights)).toEqual([bound]);
  expect(derivedBounds(graph, inputs(1), weights, { seed: 2 })).not.toEqual([bound]);
  const { allowed, largest } = must(bound, "bound");
  expect(allowed).toBeGreaterThan(0);
  // not looser than what every backend must reach on whole nets
  expect(allowed / largest).toBeLessThan(1e-4);

  // the same net with every layer's result rounded to f32
  const values = new Map<number, Tensor>([[must(graph.inputs[0], "image").id, must(inputs(1).image, "image")]]);
  for (const node of graph.nodes) {
    const own = Object.fromEntries(
      Object.entries(node.weights).map(([name, v]) => {
        const weight = must(
          graph.weights.find((w) => w.value === v),
          name,
        );
        return [name, { shape: v.type.shape as readonly number[], data: weights.readExact(weight) }];
      }),
    );
    const read = node.inputs.map((v) => must(values.get(v.id), v.name));
    const made = opOf(node.op).reference(read, own, node.attrs as never);
    values.set(node.output.id, { shape: made.shape, data: made.data.map(Math.fround) });
  }
  const exact = must(runReference(graph, inputs(1), weights).logits, "logits");
  const got = must(values.get(must(graph.outputs[0], "logits").value.id), "logits");
  for (const [i, v] of exact.data.entries()) expect(Math.abs(v - must(got.data[i], "logit"))).toBeLessThanOrEqual(allowed);
});
