/** Graph models of TensorFlow.js: the same function as TensorFlow.js computes, under the names of their variables. */
import type * as Tf from "@tensorflow/tfjs";
import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { useTfjs } from "../judges/tfjs-backend.ts";
import { artifactsOf, graphFiles, graphPredictor, type HandGraph, op, single, values, whole } from "../judges/tfjs-graphs.ts";
import { expectSame, importedFiles, importFiles } from "../judges/tfjs-models.ts";
import { damage, damaged } from "./damage.ts";
import { GRAPHS, PLAIN, STRIDED } from "./tfjs-graph-cases.ts";

let tf: typeof Tf;
beforeAll(async () => {
  tf = await useTfjs("cpu");
});

/** What has no exact equivalent, or none that TensorFlow.js computes the same. */
const REFUSED: readonly (readonly [string, HandGraph, string])[] = [
  [
    "SE602: 2 of the nodes",
    { nodes: [op("Cumsum x zero a"), op("Relu a b"), op("Atan b c"), op("Relu c y")], constants: { zero: single(0, true) } },
    "`a` (Cumsum); `c` (Atan)",
  ],
  ["SE602: 1 of the nodes", { nodes: [op("Conv2D x x y", PLAIN)] }, "`y` (Conv2D): its weights are computed while the net runs"],
  [
    "SE602: 1 of the nodes",
    { nodes: [op("ResizeBilinear x size y", { align_corners: false, half_pixel_centers: false })], constants: { size: whole(10, 14) } },
    "`y` (ResizeBilinear): linear with asymmetric",
  ],
  [
    "SE602: 1 of the nodes",
    {
      nodes: [op("MirrorPad x amounts y", { mode: "SYMMETRIC" })],
      constants: { amounts: { shape: [4, 2], data: [0, 0, 1, 1, 1, 1, 0, 0], ints: true } },
    },
    "`y` (MirrorPad): its mode is SYMMETRIC",
  ],
  [
    "SE602: 1 of the nodes",
    { nodes: [op("Conv2D x k y", { ...PLAIN, padding: "MIRROR" })], constants: { k: values([1, 1, 3, 3]) } },
    "its padding is MIRROR",
  ],
  ["SE602: 1 of the nodes", { nodes: [op("Maximum x r y"), op("Relu x r")] }, "`y` (Maximum)"],
  [
    "SE602: 1 of the nodes",
    { nodes: [op("Conv2DBackpropInput sizes k x y", STRIDED)], constants: { sizes: whole(1, 9, 14, 4), k: values([3, 3, 4, 3]) } },
    "`y` (Conv2DBackpropInput): it makes [0,4,9,14] of [N, 4,10,14]",
  ],
  [
    "SE602: 1 of the nodes",
    {
      nodes: [op("SpaceToBatchND x two pads cut"), op("Relu cut r"), op("BatchToSpaceND r two pads y")],
      constants: { two: whole(2, 2), pads: { shape: [2, 2], data: [0, 1, 0, 1], ints: true } },
    },
    "`cut` (SpaceToBatchND): it is not in front of one convolution and a BatchToSpaceND",
  ],
  [
    "`cut` (SpaceToBatchND): it is no dilation of the convolution behind it",
    {
      nodes: [
        op("SpaceToBatchND x two pads cut"),
        op("Conv2D cut k c", { ...PLAIN, padding: "VALID" }),
        op("BatchToSpaceND c two crops y"),
      ],
      constants: {
        two: whole(2, 2),
        k: values([1, 1, 3, 3]),
        pads: { shape: [2, 2], data: [0, 1, 0, 1], ints: true },
        crops: { shape: [2, 2], data: [1, 0, 0, 1], ints: true },
      },
    },
    "SE602",
  ],
  ["SE606: ", { nodes: [op("Relu y x2"), op("Relu x2 y"), op("Relu y z")] }, "read each other in a circle"],
  ["SE606: ", { nodes: [op("Relu gone y")] }, "its nodes read `gone`, which is none of them"],
  ["SE606: ", { nodes: [op("Relu x y"), op("Relu x y")] }, "it has two nodes `y`"],
  ["SE603: ", { input: [-1, 7, 3], nodes: [op("Relu x y")] }, "the input `x` of `model.json` has the shape [?, ?, 7, 3]"],
];

test.each(REFUSED)("%s ...: %#", (code, graph, reason) => {
  const outcome = importFiles(graphFiles(graph));
  if (!("problem" in outcome)) throw new Error(`imported: ${outcome.spec}`);
  const said = `${outcome.problem.code}: ${outcome.problem.title}`;
  expect(said).toContain(code);
  expect(said).toContain(reason);
});

test("damaged graphs give a spec or a coded error, and nothing else", () => {
  const parts = GRAPHS.map(([, graph]) => graphFiles(graph));
  fc.assert(
    fc.property(fc.nat(parts.length - 1), damage, (n, changes) => {
      const files = parts[n] as (typeof parts)[number];
      const outcome = importFiles({ ...files, json: damaged(files.json, changes) });
      if ("problem" in outcome) expect(outcome.problem.code).toMatch(/^SE\d{3}$/);
      else expect(outcome.spec).toMatch(/^se 1$/m);
    }),
    { seed: 6, numRuns: 400 },
  );
});

test("nodes in any order, outputs by the signature", async () => {
  const [, graph] = GRAPHS[3] as (typeof GRAPHS)[3];
  const { json, shards } = graphFiles(graph);
  const file = JSON.parse(new TextDecoder().decode(json)) as { modelTopology: { node: unknown[] } };
  file.modelTopology.node.reverse();
  const signature = { inputs: { image: { name: "x:0" } }, outputs: { scores: { name: "y:0" }, features: { name: "mean:0" } } };
  const imported = importedFiles({ json: new TextEncoder().encode(JSON.stringify({ ...file, signature })), shards });
  expect(imported.net.outputs.map((o) => o.name)).toEqual(["y", "mean"]);
  const model = await tf.loadGraphModel(tf.io.fromMemory(artifactsOf(graph)));
  await expectSame(tf, imported, (inputs) => model.execute(inputs, ["y", "mean"]) as Tf.Tensor[]);
});

test.each(GRAPHS)("%s", async (_title, graph, shows) => {
  const imported = importedFiles(graphFiles(graph));
  expect(imported.spec.replace(/\s+/g, " ")).toContain(shows);
  await expectSame(tf, imported, await graphPredictor(tf, graph));
});
