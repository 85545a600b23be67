/** What an ONNX model owes its users beside right numbers: names, an open batch, external data, and layers at sizes the samples do not have. */
import { describe, expect, test } from "vitest";
import { type Artifact, type Backend, type Runner, type Tensors, WRITTEN_BY } from "../../backends/backend.ts";
import { emitTarget } from "../../backends/emit.ts";
import { onnx } from "../../backends/onnx/index.ts";
import { parseBackendOptions } from "../../backends/registry.ts";
import { referenceNets } from "../../backends/testing-nets.ts";
import { graphInputs, mismatch, sampleWeights, seededValues, testOrigin } from "../../backends/testing-samples.ts";
import { allowedError } from "../../compiler/analysis/bounds.ts";
import { Diagnostics } from "../../compiler/diagnostics/diagnostic.ts";
import { graphBuilder } from "../../compiler/ir/build.ts";
import type { Graph, Value } from "../../compiler/ir/graph.ts";
import { f32, numel } from "../../compiler/ir/type.ts";
import { applyOp } from "../../compiler/ops/apply.ts";
import { opOf } from "../../compiler/ops/index.ts";
import { rounded, weightsOf } from "../../compiler/reference/run.ts";
import { decodeModel, shapeOf } from "../judges/onnx-text.ts";
import { shippedGraph } from "../judges/whole-nets.ts";

const backend = onnx as unknown as Backend;

function emit(graph: Graph, options: Readonly<Record<string, unknown>> = {}): readonly Artifact[] {
  const diagnostics = new Diagnostics();
  const parsed = parseBackendOptions(backend, options, diagnostics);
  const request = {
    backend,
    graph,
    options: parsed,
    weights: sampleWeights,
    batch: 1,
    level: 2,
    diagnostics,
    source: "dir/net.se",
  } as const;
  const { artifacts } = emitTarget(request);
  expect(diagnostics.all).toEqual([]);
  return artifacts;
}

const bytes = (files: readonly Artifact[], end: string): Uint8Array => files.find((f) => f.path.endsWith(end))?.contents as Uint8Array;

/** Runs `work` on a session; skips where ONNX Runtime is missing, except in CI. */
async function withRunner<T>(
  context: { skip: (reason: string) => never },
  files: readonly Artifact[],
  net: string,
  work: (r: Runner) => Promise<T>,
): Promise<T> {
  const runner = (await backend.runner?.(files, net)) ?? { unavailable: "no runner" };
  if ("unavailable" in runner) {
    if (process.env.CI) throw new Error(runner.unavailable);
    return context.skip(`skipped: ${runner.unavailable}`);
  }
  try {
    return await work(runner);
  } finally {
    await runner.close();
  }
}

const named = (name: string): Graph => referenceNets().find((n) => n.graph.name === name)?.graph as Graph;

/** One layer on one input `x`, output `y`. */
function layer(op: string, shape: readonly (number | string)[], attrs: Record<string, unknown>): Graph {
  const builder = graphBuilder("layer");
  const value = applyOp(builder, op, [builder.input("x", f32(...shape))], attrs, { path: "layer", origin: testOrigin });
  if ("problem" in value) throw new Error(JSON.stringify(value));
  builder.output("y", value);
  return builder.finish();
}

describe("the file", () => {
  const net = shippedGraph("se_resnet50.se", "se_resnet50");
  const model = decodeModel(bytes(emit(net), ".onnx"));

  test("initialisers are the state dict, under its names and shapes", () => {
    const inFile = new Map(model.graph?.initializer.map((t) => [t.name, t.dims.map(Number)]));
    const wanted = net.weights.filter((w) => w.value.type.dtype === "f32");
    expect(wanted.length).toBeGreaterThan(300);
    for (const w of wanted) expect([w.path, inFile.get(w.path)]).toEqual([w.path, w.value.type.shape]);
    const others = [...inFile.keys()].filter((name) => !wanted.some((w) => w.path === name));
    expect(others.filter((name) => !name.startsWith("constant/"))).toEqual([]);
  });

  test("the batch is open everywhere, and nothing is transposed", () => {
    const { input = [], output = [], valueInfo = [], node = [] } = model.graph ?? {};
    for (const v of [...input, ...output, ...valueInfo]) expect([v.name, shapeOf(v)[0]]).toEqual([v.name, "N"]);
    expect(node.filter((n) => n.opType === "Transpose")).toEqual([]);
  });

  test("folded weights are called after the layers that read them", () => {
    const folded = decodeModel(bytes(emit(net, { fold: true }), ".onnx"));
    const names = folded.graph?.initializer.map((t) => t.name) ?? [];
    expect(names).toEqual(expect.arrayContaining(["conv1.weight", "conv1.bias", "layer1.0.conv1.weight", "fc.weight"]));
    expect(folded.graph?.node.filter((n) => n.opType === "BatchNormalization")).toEqual([]);
  });

  test("it says early who wrote it, and which spec it is", () => {
    const files = emit(named("plain"), { external: 0 });
    for (const end of [".onnx", ".data"]) {
      expect(Buffer.from(bytes(files, end)).toString("latin1", 0, 512)).toContain(WRITTEN_BY);
    }
    const props = Object.fromEntries(decodeModel(bytes(files, ".onnx")).metadataProps.map((p) => [p.key, p.value]));
    expect(props).toMatchObject({ "sec.spec": "net.se", "sec.net": "plain", "sec.version": expect.stringMatching(/^\d+\.\d+\.\d+/) });
  });
});

test("external data gives the same outputs, its tensors start at pages", async (context) => {
  const graph = named("se_mobile");
  const inputs = graphInputs(graph, 2, "external");
  const [inside, outside] = [emit(graph), emit(graph, { external: 1000 })];
  expect(inside.map((f) => f.path)).toEqual(["se_mobile.onnx"]);
  expect(outside.map((f) => f.path)).toEqual(["se_mobile.onnx", "se_mobile.onnx.data"]);
  const places = decodeModel(bytes(outside, ".onnx")).graph?.initializer.flatMap((t) => t.externalData) ?? [];
  const offsets = places.filter((e) => e.key === "offset").map((e) => Number(e.value));
  expect(offsets.length).toBeGreaterThan(0);
  expect(offsets.filter((o) => o % 4096 !== 0)).toEqual([]);
  const run = (files: readonly Artifact[]): Promise<Tensors> => withRunner(context as never, files, "se_mobile", (r) => r.run(inputs));
  expect(await run(outside)).toEqual(await run(inside));
});

test("weights above 2 GB lie beside the model by themselves, at places that 32 bits cannot name", () => {
  const builder = graphBuilder("large");
  const side = 4096;
  let value = builder.input("x", f32("N", side));
  for (let i = 0; i < 33; i++) {
    const next = applyOp(builder, "linear", [value], { out: side, bias: false }, { path: `l${i}`, origin: testOrigin });
    if ("problem" in next) throw new Error(JSON.stringify(next));
    value = next;
  }
  builder.output("y", value);
  const graph = builder.finish();
  // the files are 2.2 GB: pieces are looked at as they come, and nothing is kept
  const matrix = new Float32Array(side * side);
  const scratch = new Uint8Array(matrix.byteLength);
  const first: (readonly [at: number, value: number])[] = [];
  let [size, read] = [0, 0];
  const borrow = (): Float32Array => {
    matrix[0] = read++;
    return matrix;
  };
  const { artifacts } = emitTarget({
    backend,
    graph,
    options: parseBackendOptions(backend, {}, new Diagnostics()),
    weights: { read: () => Float32Array.from(borrow()), readExact: () => Float64Array.from(borrow()), borrow },
    batch: 1,
    level: 2,
    diagnostics: new Diagnostics(),
    source: "net.se",
    store: {
      open: (n) => {
        size = n;
      },
      piece: (_at, n) => scratch.subarray(0, n),
      done: (at, piece) => {
        if (piece.length === scratch.length) first.push([at, new Float32Array(piece.buffer, 0, 1)[0] as number]);
      },
      close: () => new Uint8Array(0),
    },
  });
  expect(artifacts.map((a) => a.path)).toEqual(["large.onnx", "large.onnx.data"]);
  expect(size).toBeGreaterThan(2 ** 31);
  const tensors = decodeModel(bytes(artifacts, ".onnx")).graph?.initializer ?? [];
  const offsets = tensors.map((t) => Number(t.externalData.find((e) => e.key === "offset")?.value));
  expect(first).toEqual(offsets.map((at, i) => [at, i]));
  expect(Math.max(...offsets)).toBeGreaterThan(2 ** 31);
});

test("any batch size: every image gives what it gives alone", async (context) => {
  const graph = named("eca_and_concat");
  const together = graphInputs(graph, 3, "batch");
  await withRunner(context as never, emit(graph), "eca_and_concat", async (r) => {
    const all = (await r.run(together)).logits as Float32Array;
    expect(all).toHaveLength(18);
    for (let i = 0; i < 3; i++) {
      const image = (together.image as Float32Array).slice(i * 126, (i + 1) * 126);
      const alone = (await r.run({ image })).logits as Float32Array;
      for (const [k, v] of alone.entries()) expect(Math.abs(v - (all[i * 6 + k] as number))).toBeLessThan(1e-6);
    }
  });
});

test("wrong inputs are TypeErrors that say what was expected; after closing there is no run", async (context) => {
  await withRunner(context as never, emit(named("plain")), "plain", async (r) => {
    const cases: readonly (readonly [unknown, string])[] = [
      [{ image: new Float32Array(584) }, 'plain: input "image" needs a multiple of 585 values (N×3×15×13), got 584'],
      [{ image: new Float32Array(0) }, 'plain: input "image" needs a multiple of 585 values (N×3×15×13), got 0'],
      [{ img: new Float32Array(585) }, 'plain: no input called "img"; the inputs are: image'],
      [{}, 'plain: input "image" must be a Float32Array of a multiple of 585 values (N×3×15×13), got undefined'],
    ];
    for (const [given, words] of cases) {
      const error = await r.run(given as never).then(
        () => undefined,
        (e: unknown) => e,
      );
      expect(error).toBeInstanceOf(TypeError);
      expect((error as Error).message).toBe(words);
    }
    await r.close();
    await r.close();
    await expect(r.run({ image: new Float32Array(585) })).rejects.toThrow(/plain: .*dispose/);
  });
});

test("hostile names: equal ports, a value under two names, an input that is an output, names that tensors have", async (context) => {
  const builder = graphBuilder("hostile");
  const add = (path: string, op: string, from: Value, attrs: Record<string, unknown> = {}): Value =>
    applyOp(builder, op, [from], attrs, { path, origin: testOrigin }) as Value;
  const x = builder.input("x", f32("N", 2, 3, 3));
  const proto = builder.input("__proto__", f32("N", 4));
  const a = add("x", "relu", x);
  const b = add("conv.weight/../\u0000*/", "conv", a, { out: 2, kernel: 1 });
  builder.output("x", a);
  builder.output("__proto__", a);
  builder.output("constant/0", b);
  builder.output("same", x);
  builder.output("also", proto);
  const graph = builder.finish();
  const given = seededValues("hostile", 18);
  const inputs = Object.fromEntries([
    ["x", given],
    ["__proto__", Float32Array.of(1, 2, 3, 4)],
  ]);
  const got = await withRunner(context as never, emit(graph), "hostile", (r) => r.run(inputs));
  const positive = given.map((v) => Math.max(v, 0));
  const outputs = new Map(Object.entries(got));
  expect([...outputs.keys()]).toEqual(["x", "__proto__", "constant/0", "same", "also"]);
  expect([outputs.get("x"), outputs.get("__proto__")]).toEqual([positive, positive]);
  expect(outputs.get("same")).toEqual(given);
  expect(outputs.get("also")).toEqual(Float32Array.of(1, 2, 3, 4));
  expect(outputs.get("constant/0")).toHaveLength(18);
});

/** Where runtimes are known to round, cancel or refuse: beyond what the samples of the ops ask. */
const HARD: readonly (readonly [
  op: string,
  shape: readonly number[],
  attrs: Record<string, unknown>,
  range?: readonly [number, number],
])[] = [
  ["gelu", [2, 500], { approx: "tanh" }, [-6, 6]],
  ["gelu", [2, 500], {}, [-6, 6]],
  ["ln", [3, 64], {}, [9, 11]],
  ["gn", [2, 8, 5, 5], { groups: 2 }, [9, 11]],
  ["instnorm", [2, 3, 9, 9], {}, [9, 11]],
  ["upsample", [1, 2, 41, 37], { scale: 3, mode: "bilinear" }],
  ["upsample", [1, 2, 41, 37], { size: [100, 59], mode: "bilinear" }],
  ["upsample", [1, 2, 41, 37], { size: [100, 59], mode: "bilinear", align: true }],
  ["upsample", [1, 2, 41, 37], { size: [100, 59] }],
  ["maxpool", [1, 2, 9, 9], { kernel: 2, stride: 1, dilation: 3, pad: [2, 2] }, [-9, -3]],
  ["upsample", [1, 2, 9, 5], { size: [17, 17], mode: "bilinear", align: true }],
  ["deconv", [1, 2, 3, 3], { out: 3, kernel: 3, stride: 2, out_pad: 3, bias: true }],
  ["deconv", [1, 2, 3, 3], { out: 3, kernel: 3, stride: 2, pad: 1, out_pad: [2, 3] }],
  ["deconv", [1, 2, 4, 4], { out: 3, kernel: 3, stride: 1, pad: [0, 0, 2, 2], out_pad: 2, bias: true }],
  ["lrn", [1, 2, 3, 3], { size: 6, alpha: 1 }],
  ["slice", [1, 4, 4, 4], { start: 1, stop: 2, axis: "w" }],
  ["swaphw", [1, 2, 3, 5], {}],
  ["softmax", [2, 6, 3, 3], { parts: 3 }, [-80, 80]],
];

describe.each([13, 17, 21])("hard cases at opset %i", (opset) => {
  test.each(HARD.map(([op, shape, attrs, range = [-2, 2]]) => ({ op, shape, attrs, range })))(
    "$op $shape $attrs",
    async ({ op, shape, attrs, range }) => {
      const graph = layer(op, ["N", ...shape.slice(1)], attrs);
      const x = seededValues(`${op} ${shape}`, numel(shape), range);
      const context = {
        skip: (reason: string): never => {
          throw new Error(reason);
        },
      };
      const got = await withRunner(context, emit(graph, { opset }), "layer", (r) => r.run({ x }));
      const record = opOf(op);
      const [node] = graph.nodes;
      if (!node) throw new Error("no node");
      const own = weightsOf(graph, rounded(sampleWeights))(node);
      const arrays = [{ shape, data: Float64Array.from(x) }];
      const want = record.reference(arrays, own, node.attrs as never);
      expect(mismatch(got.y, want.data, want.shape, allowedError(record, arrays, own, node.attrs, want))).toBeUndefined();
    },
  );
});
