/** Models that are channels last outside, as exporters of TensorFlow write them: the same function on the same pictures, and what changed is said. */
import { expect, test } from "vitest";
import type { Backend } from "../../backends/backend.ts";
import { cpu } from "../../backends/cpu/index.ts";
import { seededValues } from "../../backends/testing-samples.ts";
import { importModel } from "../../compiler/import/index.ts";
import { outputOn } from "../judges/describe-torch.ts";
import { importedFrom, netInPlace, runtimeOutputs } from "../judges/imported.ts";
import { type HandModel, handModel, node, values, whole } from "../judges/onnx-models.ts";

const LAST = { perm: [0, 2, 3, 1] };
const FIRST = { perm: [0, 3, 1, 2] };
const PAD = { pads: [1, 1, 1, 1] };
/** [N, H, W, C]. */
const PICTURE = ["x", ["N", 4, 6, 3]] as const;

/** Title, the model, what its body becomes, how its output is laid out ("" when it is no map). */
const MODELS: readonly (readonly [string, HandModel, string, string])[] = [
  [
    "flattened channels last: the matrix takes its columns in our order",
    {
      input: PICTURE,
      nodes: [
        node("Transpose", "x", "a", FIRST),
        node("Conv", "a k.weight k.bias", "b", PAD),
        node("Relu", "b", "c"),
        node("Transpose", "c", "d", LAST),
        node("Reshape", "d row", "e"),
        node("MatMul", "e w", "f"),
        node("Add", "f v", "g"),
        node("Softmax", "g", "y", { axis: -1 }),
      ],
      output: "y",
      tensors: {
        "k.weight": values("k", 8, 3, 3, 3),
        "k.bias": values("l", 8),
        row: whole(-1, 192),
        w: values("w", 192, 5),
        v: values("v", 5),
      },
    },
    "k: conv(8, 3, bias=true) relu flatten f: linear(5) softmax output y",
    "",
  ],
  [
    "Flatten and Gemm, with a relu between",
    {
      input: PICTURE,
      nodes: [
        node("Transpose", "x", "a", FIRST),
        node("MaxPool", "a", "b", { kernel_shape: [2, 2], strides: [2, 2] }),
        node("Transpose", "b", "c", LAST),
        node("Flatten", "c", "d"),
        node("Relu", "d", "e"),
        node("Gemm", "e w", "y", { transB: 1 }),
      ],
      output: "y",
      tensors: { w: values("w", 5, 18) },
    },
    "b: maxpool(2) e: relu d: flatten y: linear(5, bias=false) output y",
    "",
  ],
  [
    "a picture scaled and shifted before it is brought forward, pooled channels last",
    {
      input: PICTURE,
      nodes: [
        node("Sub", "x mean", "a"),
        node("Mul", "a scale", "b"),
        node("Transpose", "b", "c", FIRST),
        node("Conv", "c k", "d", PAD),
        node("Transpose", "d", "e", LAST),
        node("ReduceMean", "e", "f", { axes: [1, 2], keepdims: 0 }),
        node("Gemm", "f w", "y", { transB: 1 }),
      ],
      output: "y",
      tensors: { mean: values("m", 3), scale: values("s", 1, 1, 1, 3), k: values("k", 8, 3, 3, 3), w: values("w", 5, 8) },
    },
    "a: affine b: affine(bias=false) d: conv(8, 3) f: gap f_1: flatten y: linear(5, bias=false) output y",
    "",
  ],
  [
    "a map as the output, a sum and a norm on the way: ConvNeXt's matrices are 1x1 convolutions",
    {
      input: PICTURE,
      nodes: [
        node("Transpose", "x", "a", FIRST),
        node("Conv", "a k", "b", PAD),
        node("Transpose", "b", "c", LAST),
        node("LayerNormalization", "c s t", "d", { axis: -1, epsilon: { f: 1e-6 } }),
        node("MatMul", "d w", "e"),
        node("Add", "e v", "f"),
        node("Relu", "f", "g"),
        node("Add", "g c", "y"),
      ],
      output: "y",
      tensors: { k: values("k", 8, 3, 3, 3), s: values("s", 8), t: values("t", 8), w: values("w", 8, 8), v: values("v", 8) },
    },
    "b: conv(8, 3) residual { main { d: ln(eps=1e-6) e: conv(8, 1, bias=true) g: relu } } output y",
    "NHWC",
  ],
];

/** [N, H, W, C] as [N, C, H, W]. */
function channelsFirst(data: Float32Array, [n, h, w, c]: readonly [number, number, number, number]): Float32Array {
  const out = new Float32Array(data.length);
  for (let i = 0; i < n; i++)
    for (let p = 0; p < h * w; p++) for (let j = 0; j < c; j++) out[(i * c + j) * h * w + p] = data[(i * h * w + p) * c + j] as number;
  return out;
}

test.each(MODELS)("%s", async (_title, model, shows, layout) => {
  const bytes = handModel(model);
  const imported = importedFrom(bytes, "m.onnx");
  const body = imported.spec.replace(/\s+/g, " ");
  expect(body).toContain(`input x: f32[N, 3, 4, 6] ${shows}`);

  const data = seededValues("x", 2 * 72, [-2, 2]);
  const { y: theirs } = (await runtimeOutputs(bytes, { x: { data, shape: [2, 4, 6, 3] } })) as { y: Float32Array };
  const x = channelsFirst(data, [2, 4, 6, 3]);
  const ours = (await outputOn(cpu as unknown as Backend, imported.graph, imported.weightReader, 2, { x })) as Float32Array;
  const wanted = layout === "NHWC" ? channelsFirst(theirs, [2, 4, 6, 8]) : theirs;
  expect(ours.length).toBe(wanted.length);
  const largest = Math.max(...wanted.map(Math.abs));
  expect(Math.max(...ours.map((v, i) => Math.abs(v - (wanted[i] as number))))).toBeLessThanOrEqual(2e-6 * largest);

  const notes = (imported.net.notes ?? []).map((n) => `${n.code} ${n.title}`);
  const said = ["SE605 the input `x` of `m.onnx` is [N, 4, 6, 3] there; in the net it is [N, 3, 4, 6]"];
  if (layout) said.push("SE605 the output `y` of `m.onnx` is [N, 4, 6, 8] there; in the net it is [N, 8, 4, 6]");
  expect(notes).toEqual(said);
  expect(imported.spec.startsWith('# Written by sec import from "m.onnx"\n# the input `x` of')).toBe(true);
});

test("an input that no output depends on is left out, and said", () => {
  const model = handModel({
    nodes: [node("Relu", "x", "y"), node("Add", "x z", "spare")],
    output: "y",
    inputs: [["z", ["N", 8, 6, 6]]],
  });
  const imported = importModel(model, { file: "m.onnx" });
  if ("problem" in imported) throw new Error(imported.problem.title);
  expect(imported.net.notes?.map((n) => n.title)).toEqual(["the input `z` of `m.onnx` is left out: no output depends on it"]);
});

test("--shape gives the sizes as the file has them", () => {
  const [, model] = MODELS[1] as (typeof MODELS)[1];
  const imported = importModel(handModel({ ...model, input: ["x", ["N", "height", "width", 3]] }), {
    file: "m.onnx",
    shapes: { x: [1, 4, 6, 3] },
  });
  if ("problem" in imported) throw new Error(imported.problem.title);
  expect(imported.net.inputs).toEqual([{ name: "x", shape: ["N", 3, 4, 6] }]);
});

test("in place it is said too", () => {
  const [, model] = MODELS[1] as (typeof MODELS)[1];
  expect(() => netInPlace(handModel(model), "", {})).toThrow(/SE605/);
});
