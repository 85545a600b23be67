/** Gate, squeeze and excitation expanded to loops against the same thing written with the layers' references. */
import { expect, test } from "vitest";
import { must } from "../../compiler/invariant.ts";
import * as x from "../../compiler/ir/expr.ts";
import type { Value } from "../../compiler/ir/graph.ts";
import type { ContractKernel, DepthwiseKernel, ExciteKernel } from "../../compiler/ir/kernel.ts";
import { f32 } from "../../compiler/ir/type.ts";
import { expandToLoop } from "../../compiler/ops/expand-kernel.ts";
import { opOf } from "../../compiler/ops/index.ts";
import type { Tensor } from "../../compiler/ops/op.ts";
import { runKernels } from "../../compiler/reference/run-kernels.ts";
import { randomTensor } from "../../compiler/reference/sample-graph.ts";

const ids = { next: 0 };
const value = (name: string, ...shape: number[]): Value => ({ id: ids.next++, type: f32(...shape), name });
const temp = (shape: readonly number[]): Value => value("temp", ...shape);
const ref = (op: string, inputs: Tensor[], attrs: object = {}, weights: Record<string, Tensor> = {}): Tensor => {
  const record = opOf(op);
  return record.reference(inputs, weights, record.attrs.parse(attrs) as never);
};

function close(got: ArrayLike<number> | undefined, want: Tensor): void {
  expect(got?.length).toBe(want.data.length);
  for (const [i, v] of want.data.entries()) expect(Math.abs(must(got?.[i], "element") - v)).toBeLessThan(2e-5);
}

/** y = relu(conv(x * gate) + bias); squeeze of the value before the relu, over `tiles` tiles. */
function squeezed(kind: "contract" | "depthwise", tiles: number) {
  const groups = kind === "depthwise" ? 6 : 1;
  const [input, weight, bias] = [value("x", 2, 6, 5, 7), value("w", 6, 6 / groups, 3, 3), value("b", 6)];
  const [gate, output, sums] = [value("g", 2, 6), value("y", 2, 6, 3, 4), value("s", 2, tiles, 6)];
  const pre = x.add(x.ACC, x.load(2, [x.index("c")]));
  const common = {
    name: "k",
    buffers: [
      { value: input, access: "read" },
      { value: weight, access: "read" },
      { value: bias, access: "read" },
      { value: output, access: "write" },
      { value: sums, access: "write" },
      ...(kind === "contract" ? [{ value: gate, access: "read" } as const] : []),
    ],
    from: [],
    window: { batch: 2, groups, in: [6, 5, 7], out: [6, 3, 4], kernel: [3, 3], stride: [2, 2], dilation: [1, 1], pad: [1, 1, 1, 1] },
    input: 0,
    weight: 1,
    output: 3,
    epilogue: x.max(pre, 0),
    squeeze: { buffer: 4, of: pre, tiles },
  } as const;
  const kernel: ContractKernel | DepthwiseKernel = kind === "contract" ? { kind, ...common, gate: 5 } : { kind, ...common };
  return { kernel, input, weight, bias, gate, output, sums, groups };
}

test.each([
  ["contract", 1],
  ["contract", 3],
  ["contract", 5],
  ["depthwise", 1],
  ["depthwise", 12],
] as const)("%s with gate, epilogue and a squeeze in %i tiles", (kind, tiles) => {
  const { kernel, input, weight, bias, gate, output, sums, groups } = squeezed(kind, tiles);
  const t = {
    x: randomTensor([2, 6, 5, 7], 1),
    w: randomTensor([6, 6 / groups, 3, 3], 2, -1, 1),
    b: randomTensor([6], 3),
    g: randomTensor([2, 6], 4, 0, 1),
  };
  const loops = expandToLoop(kernel, temp);
  for (const loop of loops) expect(loop.buffers.filter((b) => b.access === "write").length).toBe(1);
  const given = new Map([
    [input.id, t.x.data],
    [weight.id, t.w.data],
    [bias.id, t.b.data],
    ...(kind === "contract" ? [[gate.id, t.g.data] as const] : []),
  ]);
  const memory = runKernels(loops, given);
  const scaled = kind === "contract" ? ref("mul", [t.x, { shape: [2, 6, 1, 1], data: t.g.data }]) : t.x;
  const pre = ref("conv", [scaled], { out: 6, kernel: 3, stride: 2, groups, bias: true }, { weight: t.w, bias: t.b });
  close(memory.get(output.id), ref("relu", [pre]));
  const partial = must(memory.get(sums.id), "sums");
  const mean = ref("gap", [pre]);
  for (let n = 0; n < 2; n++)
    for (let c = 0; c < 6; c++) {
      let sum = 0;
      for (let k = 0; k < tiles; k++) sum += must(partial[(n * tiles + k) * 6 + c], "partial sum");
      expect(Math.abs(sum / 12 - must(mean.data[n * 6 + c], "mean"))).toBeLessThan(1e-5);
    }
  // the kernel list takes the optional kinds themselves, too
  expect([...must(runKernels([kernel], given).get(output.id), "y")]).toEqual([...must(memory.get(output.id), "y")]);
});

const act = (e: typeof x.ACC) => x.max(e, 0);
const sigmoid = x.div(x.constant(1), x.add(x.exp(x.neg(x.ACC)), 1));

test("an excitation of two matrices is mean, fc1, relu, fc2, sigmoid", () => {
  const [sums, w1, b1, w2, gate] = [value("s", 2, 3, 6), value("w1", 4, 6, 1, 1), value("b1", 4), value("w2", 5, 4), value("g", 2, 5)];
  const kernel: ExciteKernel = {
    kind: "excite",
    name: "se",
    buffers: [sums, w1, b1, w2].map((v) => ({ value: v, access: "read" as const })).concat({ value: gate, access: "write" as never }),
    from: [],
    sums: 0,
    tiles: 3,
    pixels: 20,
    batch: 2,
    channels: 6,
    layers: [
      { kind: "dense", weight: 1, bias: 2, in: 6, out: 4, act: act(x.ACC) },
      { kind: "dense", weight: 3, in: 4, out: 5, act: sigmoid },
    ],
    output: 4,
  };
  const t = {
    sums: randomTensor([2, 3, 6], 1, -9, 9),
    w1: randomTensor([4, 6, 1, 1], 2),
    b1: randomTensor([4], 3),
    w2: randomTensor([5, 4], 4),
  };
  const memory = runKernels(
    [kernel],
    new Map([
      [sums.id, t.sums.data],
      [w1.id, t.w1.data],
      [b1.id, t.b1.data],
      [w2.id, t.w2.data],
    ]),
  );
  const total = ref("chanmean", [{ shape: [2, 3, 6, 1], data: t.sums.data }]);
  const mean: Tensor = { shape: [2, 6], data: total.data.map((v) => (v * 3) / 20) };
  const hidden = ref("relu", [ref("linear", [mean], { out: 4 }, { weight: { shape: [4, 6], data: t.w1.data }, bias: t.b1 })]);
  close(memory.get(gate.id), ref("sigmoid", [ref("linear", [hidden], { out: 5, bias: false }, { weight: t.w2 })]));
});

test.each([true, false])("an excitation by a convolution along the channels, circular %s", (circular) => {
  const [sums, w, b, gate] = [value("s", 1, 1, 7), value("w", 1, 1, 5), value("b", 1), value("g", 1, 7, 1, 1)];
  const kernel: ExciteKernel = {
    kind: "excite",
    name: "eca",
    buffers: [
      { value: sums, access: "read" },
      { value: w, access: "read" },
      { value: b, access: "read" },
      { value: gate, access: "write" },
    ],
    from: [],
    sums: 0,
    tiles: 1,
    pixels: 4,
    batch: 1,
    channels: 7,
    layers: [{ kind: "chanconv", weight: 1, bias: 2, in: 7, out: 7, act: sigmoid, circular }],
    output: 3,
  };
  const t = { sums: randomTensor([1, 1, 7], 5), w: randomTensor([1, 1, 5], 6), b: randomTensor([1], 7) };
  const memory = runKernels(
    [kernel],
    new Map([
      [sums.id, t.sums.data],
      [w.id, t.w.data],
      [b.id, t.b.data],
    ]),
  );
  const mean: Tensor = { shape: [1, 7, 1, 1], data: t.sums.data.map((v) => v / 4) };
  const attrs = { kernel: 5, bias: true, pad_mode: circular ? "circular" : "zeros" };
  close(memory.get(gate.id), ref("sigmoid", [ref("chanconv", [mean], attrs, { weight: t.w, bias: t.b })]));
});

test("the oracle refuses to read outside a value", () => {
  const [a, b] = [value("a", 1, 3), value("b", 1, 3)];
  const kernel = {
    kind: "loop",
    name: "shifted",
    buffers: [
      { value: a, access: "read" },
      { value: b, access: "write" },
    ],
    from: [],
    space: [
      { name: "n", size: 1 },
      { name: "c", size: 3 },
    ],
    body: x.load(0, [x.index("n"), x.add(x.index("c"), 1)]),
    output: 1,
    store: [x.index("n"), x.index("c")],
  } as const;
  expect(() => runKernels([kernel], new Map([[a.id, new Float64Array(3)]]))).toThrow("[0,3] is outside a [1,3]");
});
