/** What exporters write out in several nodes is one layer of ours: by its text, and by ONNX Runtime's numbers for the file as it was. */
import { expect, test } from "vitest";
import type { Backend } from "../../backends/backend.ts";
import { cpu } from "../../backends/cpu/index.ts";
import { seededValues } from "../../backends/testing-samples.ts";
import { importModel } from "../../compiler/import/index.ts";
import { outputOn } from "../judges/describe-torch.ts";
import { importedFrom, runtimeOutputs } from "../judges/imported.ts";
import { type HandModel, type HandNode, handModel, node, values, whole } from "../judges/onnx-models.ts";

const number = (x: number) => ({ shape: [], data: [x] });

const HARD = { three: number(3), six: number(6), zero: number(0), sixth: number(1 / 6) };
const STEP = [node("Add", "x three", "a"), node("Clip", "a zero six", "b")];
const FC = { w1: values("w1", 2, 8), c1: values("c1", 2), w2: values("w2", 8, 2), c2: values("c2", 8) };
const CONV = { w1: values("w1", 2, 8, 1, 1), c1: values("c1", 2), w2: values("w2", 8, 2, 1, 1), c2: values("c2", 8) };
const SHUFFLED = { split: whole(-1, 2, 4, 6, 6), together: whole(-1, 8, 6, 6) };
const LAST = node("Transpose", "x", "a", { perm: [0, 2, 3, 1] });
const ROW = { row: whole(-1, 8, 36), map: whole(1, 8, 6, 6), two: number(2) };
/** Two convolutions around a ReLU, then a gate on `x`. */
const convs = (from: string): HandNode[] => [
  node("Conv", `${from} w1 c1`, "h"),
  node("Relu", "h", "r"),
  node("Conv", "r w2 c2", "e"),
  node("Sigmoid", "e", "g"),
];
const gemms = (from: string): HandNode[] => [
  node("Gemm", `${from} w1 c1`, "h", { transB: 1 }),
  node("Relu", "h", "r"),
  node("Gemm", "r w2 c2", "e", { transB: 1 }),
  node("Sigmoid", "e", "g"),
];

/** Title, the model, what its body becomes. */
const IDIOMS: readonly (readonly [string, HandModel, string])[] = [
  [
    "hard-swish, divided at the end",
    { nodes: [...STEP, node("Mul", "x b", "c"), node("Div", "c six", "y")], output: "y", tensors: HARD },
    "y: hswish",
  ],
  [
    "hard-swish, divided first, the factors the other way round",
    { nodes: [...STEP, node("Div", "b six", "c"), node("Mul", "c x", "y")], output: "y", tensors: HARD },
    "y: hswish",
  ],
  [
    "hard-swish, times a sixth",
    { nodes: [...STEP, node("Mul", "sixth b", "c"), node("Mul", "x c", "y")], output: "y", tensors: HARD },
    "y: hswish",
  ],
  [
    "hard-swish, times a sixth first, as TensorFlow's optimizer leaves it",
    { nodes: [...STEP, node("Mul", "x sixth", "c"), node("Mul", "c b", "y")], output: "y", tensors: HARD },
    "y: hswish",
  ],
  [
    "hard-swish through HardSigmoid",
    { nodes: [node("HardSigmoid", "x", "g", { alpha: { f: 1 / 6 } }), node("Mul", "x g", "y")], output: "y" },
    "y: hswish",
  ],
  ["hard-sigmoid", { nodes: [...STEP, node("Div", "b six", "y")], output: "y", tensors: HARD }, "y: hsigmoid6"],
  ["ONNX's own hard-sigmoid", { nodes: [node("HardSigmoid", "x", "y")], output: "y" }, "y: hsigmoid5"],
  ["relu6", { nodes: [node("Clip", "x zero six", "y")], output: "y", tensors: HARD }, "y: relu6"],
  ["relu6 of opset 10", { opset: 10, nodes: [node("Clip", "x", "y", { min: { f: 0 }, max: { f: 6 } })], output: "y" }, "y: relu6"],
  ["relu6 as tf2onnx writes it", { nodes: [node("Relu", "x", "r"), node("Min", "r six", "y")], output: "y", tensors: HARD }, "y: relu6"],
  ["SiLU", { nodes: [node("Sigmoid", "x", "g"), node("Mul", "x g", "y")], output: "y" }, "y: silu"],
  [
    "ThresholdedRelu",
    { nodes: [node("ThresholdedRelu", "x", "y", { alpha: { f: 0.5 } })], output: "y" },
    "mul { x {} scale { y: plus(-0.5) y_1: times(1e+30) y_2: clip(0, 1) } }",
  ],
  [
    "channel shuffle, channels last",
    {
      nodes: [
        node("Transpose", "x", "l", { perm: [0, 2, 3, 1] }),
        node("Reshape", "l splitLast", "a"),
        node("Transpose", "a", "b", { perm: [0, 1, 2, 4, 3] }),
        node("Reshape", "b togetherLast", "c"),
        node("Transpose", "c", "y", { perm: [0, 3, 1, 2] }),
      ],
      output: "y",
      tensors: {
        splitLast: { shape: [5], data: [-1, 6, 6, 2, 4], ints: true },
        togetherLast: { shape: [4], data: [-1, 6, 6, 8], ints: true },
      },
    },
    "c: chanshuffle(groups=2)",
  ],
  [
    "channel shuffle",
    {
      nodes: [node("Reshape", "x split", "a"), node("Transpose", "a", "b", { perm: [0, 2, 1, 3, 4] }), node("Reshape", "b together", "y")],
      output: "y",
      tensors: SHUFFLED,
    },
    "y: chanshuffle(groups=2)",
  ],
  [
    "a map laid out channels last and back",
    {
      nodes: [
        node("Transpose", "x", "a", { perm: [0, 2, 3, 1] }),
        node("Relu", "a", "b"),
        node("Transpose", "b", "y", { perm: [0, 3, 1, 2] }),
      ],
      output: "y",
    },
    "b: relu",
  ],
  [
    "squeeze and excitation: GlobalAveragePool, Conv",
    { nodes: [node("GlobalAveragePool", "x", "s"), ...convs("s"), node("Mul", "x g", "y")], output: "y", tensors: CONV },
    "y: se(hidden=2, bias=true)",
  ],
  [
    "squeeze and excitation: ReduceMean, Conv, the gate first",
    {
      nodes: [node("ReduceMean", "x", "s", { axes: [2, 3], keepdims: 1 }), ...convs("s"), node("Mul", "g x", "y")],
      output: "y",
      tensors: CONV,
    },
    "y: se(hidden=2, bias=true)",
  ],
  [
    "squeeze and excitation: ReduceMean without its axes, Gemm, Unsqueeze",
    {
      nodes: [
        node("ReduceMean", "x", "s", { axes: [-1, -2], keepdims: 0 }),
        ...gemms("s"),
        node("Unsqueeze", "g last", "u"),
        node("Mul", "x u", "y"),
      ],
      output: "y",
      tensors: { ...FC, last: whole(2, 3) },
    },
    "y: se(hidden=2, bias=true)",
  ],
  [
    "squeeze and excitation: sizes asked while it runs, as view(b, c) and expand_as are exported",
    {
      nodes: [
        node("GlobalAveragePool", "x", "s"),
        node("Shape", "x", "sizes"),
        node("Gather", "sizes first", "n"),
        node("Unsqueeze", "n front", "n1"),
        node("Concat", "n1 eight", "to", { axis: 0 }),
        node("Reshape", "s to", "f"),
        ...gemms("f"),
        node("Concat", "n1 eight one one", "back", { axis: 0 }),
        node("Reshape", "g back", "u"),
        node("Expand", "u sizes", "v"),
        node("Mul", "x v", "y"),
      ],
      output: "y",
      tensors: { ...FC, first: { shape: [], data: [0], ints: true }, front: whole(0), eight: whole(8), one: whole(1) },
    },
    "y: se(hidden=2, bias=true)",
  ],
  [
    "squeeze and excitation: MatMul and Add, a written hard-sigmoid",
    {
      nodes: [
        node("ReduceMean", "x", "s", { axes: [2, 3], keepdims: 0 }),
        node("MatMul", "s w1", "h"),
        node("Add", "h c1", "h1"),
        node("Relu", "h1", "r"),
        node("MatMul", "r w2", "e"),
        node("Add", "e c2", "e1"),
        node("Add", "e1 three", "a"),
        node("Clip", "a zero six", "b"),
        node("Div", "b six", "g"),
        node("Reshape", "g back", "u"),
        node("Mul", "x u", "y"),
      ],
      output: "y",
      tensors: { ...HARD, w1: values("w1", 8, 2), c1: FC.c1, w2: values("w2", 2, 8), c2: FC.c2, back: whole(-1, 8, 1, 1) },
    },
    'y: se(hidden=2, bias=true, gate="hsigmoid6")',
  ],
  [
    "flattening by Shape, Gather, Unsqueeze, Concat, Reshape",
    {
      nodes: [
        node("Shape", "x", "sizes"),
        node("Gather", "sizes first", "n"),
        node("Unsqueeze", "n front", "n1"),
        node("Concat", "n1 rest", "to", { axis: 0 }),
        node("Reshape", "x to", "f"),
        node("Gemm", "f w c1", "y", { transB: 1 }),
      ],
      output: "y",
      tensors: { first: { shape: [], data: [0], ints: true }, front: whole(0), rest: whole(-1), w: values("w", 2, 288), c1: FC.c1 },
    },
    "f: flatten y: linear(2)",
  ],
  [
    "a residual branch and a projected one",
    {
      nodes: [
        node("Conv", "x k c2", "a", { pads: [1, 1, 1, 1] }),
        node("Relu", "a", "b"),
        node("Conv", "b k2 c2", "c", { pads: [1, 1, 1, 1] }),
        node("Conv", "x p", "d"),
        node("Add", "d c", "e"),
        node("Relu", "e", "f"),
        node("Conv", "f k3", "g", { pads: [1, 1, 1, 1] }),
        node("Add", "f g", "y"),
      ],
      output: "y",
      tensors: {
        k: values("k", 8, 8, 3, 3),
        k2: values("k2", 8, 8, 3, 3),
        k3: values("k3", 8, 8, 3, 3),
        c2: FC.c2,
        p: values("p", 8, 8, 1, 1),
      },
    },
    "residual { main { a: conv(8, 3, bias=true) b: relu c: conv(8, 3, bias=true) } shortcut { d: conv(8, 1) } } f: relu residual { main { g: conv(8, 3) } }",
  ],
];

const bodyOf = (spec: string): string => {
  const [, body] = spec.match(/\n\s*input [^\n]*\n([\s\S]*)\n\}/) ?? [];
  return (body ?? spec).replace(/\s+/g, " ").trim();
};

test.each(IDIOMS)("%s", async (_title, model, shows) => {
  const bytes = handModel(model);
  const imported = importedFrom(bytes, "m.onnx");
  expect(bodyOf(imported.spec)).toBe(`${shows} output y`);

  const data = seededValues("x", 2 * 8 * 36, [-5, 5]);
  const { y: theirs } = (await runtimeOutputs(bytes, { x: { data, shape: [2, 8, 6, 6] } })) as { y: Float32Array };
  const ours = (await outputOn(cpu as unknown as Backend, imported.graph, imported.weightReader, 2, { x: data })) as Float32Array;
  expect(ours.length).toBe(theirs.length);
  const largest = Math.max(...theirs.map(Math.abs));
  expect(Math.max(...ours.map((v, i) => Math.abs(v - (theirs[i] as number))))).toBeLessThanOrEqual(1e-6 * largest);
});

/** What no layer of ours does is refused; it must not become another net. */
const REFUSED: readonly (readonly [string, HandModel, string])[] = [
  [
    "flattening channels last",
    { nodes: [LAST, node("Flatten", "a", "y")], output: "y" },
    "`y` (Flatten): as an output: it reads a transposition",
  ],
  [
    "an output of rank 3",
    { nodes: [node("Reshape", "x row", "y")], output: "y", tensors: ROW },
    "`y` (Reshape): as an output: it reads a value of rank 3",
  ],
  [
    "a spread value as the output",
    { nodes: [node("GlobalAveragePool", "x", "a"), node("Expand", "a map", "y")], output: "y", tensors: ROW },
    "`y` (Expand): what it spreads is not only multiplied or added",
  ],
  [
    "a spread value times a small one",
    {
      nodes: [node("GlobalAveragePool", "x", "a"), node("GlobalMaxPool", "x", "b"), node("Expand", "a map", "c"), node("Mul", "b c", "y")],
      output: "y",
      tensors: ROW,
    },
    "`y` (Mul): it joins values that are spread to [N, 8,6,6]",
  ],
  [
    "a spread value times a number",
    { nodes: [node("GlobalAveragePool", "x", "a"), node("Expand", "a map", "b"), node("Mul", "b two", "y")], output: "y", tensors: ROW },
    "`b` (Expand): what it spreads is not only multiplied or added",
  ],
];

test.each(REFUSED)("refused: %s", (_title, model, why) => {
  const imported = importModel(handModel(model), { file: "m.onnx" });
  if (!("problem" in imported)) throw new Error(`imported as ${imported.spec}`);
  expect(imported.problem.code).toBe("SE602");
  expect(imported.problem.title).toContain(why);
});
