/** `model.json` and its shards: spellings of Keras, quantized tensors, and what is refused, with one message; damaged files never do anything else. */

import type * as Tf from "@tensorflow/tfjs";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { arrayOf } from "../../compiler/import/stored-values.ts";
import { must } from "../../compiler/invariant.ts";
import { useTfjs } from "../judges/tfjs-backend.ts";
import { expectSame, filesOf, importedFiles, importFiles, savedFiles, type TfjsFiles, withSeededWeights } from "../judges/tfjs-models.ts";
import { damage, damaged } from "./damage.ts";

let tf: typeof Tf;
let files: TfjsFiles;
beforeAll(async () => {
  tf = await useTfjs("cpu");
  files = await savedFiles(tf, small());
});

const small = (): Tf.Sequential =>
  withSeededWeights(
    tf,
    tf.sequential({
      layers: [
        tf.layers.conv2d({ name: "conv", filters: 4, kernelSize: 3, inputShape: [6, 6, 3], activation: "relu" }),
        tf.layers.flatten({ name: "row" }),
        tf.layers.dense({ name: "out", units: 3 }),
      ],
    }),
  ) as Tf.Sequential;

type Json = Record<string, unknown>;
/** The files with another `model.json`. */
const changed = (change: (json: Json) => Json): TfjsFiles => ({
  ...files,
  json: new TextEncoder().encode(JSON.stringify(change(JSON.parse(new TextDecoder().decode(files.json)) as Json))),
});

function refusal(given: TfjsFiles): string {
  const outcome = importFiles(given);
  if (!("problem" in outcome)) throw new Error(`imported: ${outcome.spec}`);
  return `${outcome.problem.code}: ${outcome.problem.title}`;
}

describe("tensors", () => {
  type Weights = { name: string; shape: number[]; dtype: string }[];
  const manifestOf = (json: Json) => json.weightsManifest as { paths: string[]; weights: Weights }[];

  test.each(["uint8", "uint16", "float16"] as const)("quantized as %s, in two groups of one shard each", async (dtype) => {
    const [group] = manifestOf(JSON.parse(new TextDecoder().decode(files.json)) as Json);
    const whole = new Uint8Array([...files.shards.values()].flatMap((part) => [...part]));
    const shards = new Map<string, Uint8Array>();
    let at = 0;
    const groups = (group?.weights ?? []).map((weight, i) => {
      const count = weight.shape.reduce((a, b) => a * b, 1);
      const values = new Float32Array(whole.slice(at, at + 4 * count).buffer);
      at += 4 * count;
      const [min, scale] = [-0.5, dtype === "uint8" ? 1 / 255 : 1 / 65535];
      const stored =
        dtype === "uint8"
          ? Uint8Array.from(values, (v) => Math.round((v - min) / scale))
          : // halves: any bits of a number between 0.5 and 1
            Uint16Array.from(values, (v) => (dtype === "float16" ? 0x3800 + Math.floor((v + 0.5) * 1023) : Math.round((v - min) / scale)));
      shards.set(`part${i}.bin`, new Uint8Array(stored.buffer));
      return { paths: [`part${i}.bin`], weights: [{ ...weight, quantization: dtype === "float16" ? { dtype } : { dtype, min, scale } }] };
    });
    const quantized = { ...changed((json) => ({ ...json, weightsManifest: groups })), shards };
    const weightSpecs = groups.flatMap((g) => g.weights) as Tf.io.WeightsManifestEntry[];
    const weightData = new Uint8Array([...shards.values()].flatMap((part) => [...part])).buffer;
    const { modelTopology } = JSON.parse(new TextDecoder().decode(files.json)) as { modelTopology: Json };
    const model = await tf.loadLayersModel(tf.io.fromMemory({ modelTopology, weightSpecs, weightData }));
    await expectSame(tf, importedFiles(quantized), (inputs) => model.predict(inputs) as Tf.Tensor);
  });

  test.each([
    [
      "a shard of another folder",
      (j: Json) => ({ ...j, weightsManifest: [{ paths: ["../up.bin"], weights: [] }] }),
      "its shard `../up.bin` is not beside it",
    ],
    ["an address", (j: Json) => ({ ...j, weightsManifest: [{ paths: ["https://example.com/a"], weights: [] }] }), "is not beside it"],
    ["a shard named twice", (j: Json) => ({ ...j, weightsManifest: [{ paths: ["a", "a"], weights: [] }] }), "names the shard `a` twice"],
    [
      "a shard that is not there",
      (j: Json) => ({ ...j, weightsManifest: [{ paths: ["gone.bin"], weights: [] }] }),
      "`gone.bin` cannot be read",
    ],
    [
      "tensors without shards",
      (j: Json) => ({ ...j, weightsManifest: [{ paths: [], weights: manifestOf(j)[0]?.weights }] }),
      "have 0 bytes",
    ],
    ["a tensor too many", (j: Json) => withWeights(j, (w) => [...w, { name: "more", shape: [1], dtype: "float32" }]), "their tensors need"],
    ["a tensor too few", (j: Json) => withWeights(j, (w) => w.slice(1)), "their tensors need"],
    ["a tensor twice", (j: Json) => withWeights(j, (w) => [...w, ...w]), "two tensors `conv/kernel`"],
    [
      "sizes of all memory",
      (j: Json) => withWeights(j, (w) => [{ ...w[0], shape: [2 ** 30, 2 ** 30] } as Weights[0]]),
      "has the shape [1073741824,1073741824]",
    ],
    ["sizes below 0", (j: Json) => withWeights(j, (w) => [{ ...w[0], shape: [-1] } as Weights[0]]), "is not as it should be"],
    ["strings", (j: Json) => withWeights(j, (w) => [{ ...w[0], dtype: "string" } as Weights[0]]), "has the element type string"],
    [
      "a model without its weights",
      (j: Json) => ({ ...j, weightsManifest: [] }),
      "`conv` (Conv2D): its tensor `kernel` is not in the file",
    ],
  ])("refused: %s", (_, change, expected) => {
    expect(refusal(changed(change as (json: Json) => Json))).toMatch(/^SE60[26]: /);
    expect(refusal(changed(change as (json: Json) => Json))).toContain(expected);
  });

  function withWeights(json: Json, change: (weights: Weights) => Weights): Json {
    return { ...json, weightsManifest: manifestOf(json).map((g) => ({ ...g, weights: change(g.weights) })) };
  }
});

describe("layers", () => {
  const conv = (name: string, more: Json = {}): Json => ({
    class_name: "Conv2D",
    name,
    config: { name, filters: 4, kernel_size: [1, 1], ...more },
  });
  const weights = (...names: string[]) => {
    const specs = names.flatMap((name) => [
      { name: `${name}/kernel`, shape: [1, 1, 3, 3], dtype: "float32" as const },
      { name: `${name}/bias`, shape: [3], dtype: "float32" as const },
    ]);
    return { weightSpecs: specs, weightData: new Float32Array(names.length * 12).map((_, i) => Math.sin(i)).buffer };
  };
  const topology = (class_name: string, config: Json): TfjsFiles =>
    filesOf({ modelTopology: { class_name, config }, ...weights("a", "b") });
  const oneLine = (text: string): string => text.replace(/\s+/g, " ");

  test("Keras 3: histories, functions as objects, a dtype policy", () => {
    const at = (layer: string): Json => ({
      class_name: "__keras_tensor__",
      config: { shape: [null, 4, 4, 3], keras_history: [layer, 0, 0] },
    });
    const relu = { module: "builtins", class_name: "function", config: "relu", registered_name: "function" };
    const dtype = { module: "keras", class_name: "DTypePolicy", config: { name: "float32" } };
    const model = topology("Functional", {
      name: "net",
      layers: [
        { class_name: "InputLayer", name: "x", config: { batch_shape: [null, 4, 4, 3], dtype: "float32", name: "x" }, inbound_nodes: [] },
        { ...conv("a", { activation: relu, dtype }), inbound_nodes: [{ args: [at("x")], kwargs: {} }] },
        { ...conv("b"), inbound_nodes: [{ args: [at("a")], kwargs: {} }] },
        { class_name: "Add", name: "sum", config: { dtype }, inbound_nodes: [{ args: [[at("b"), at("a")]], kwargs: {} }] },
      ],
      input_layers: ["x", 0, 0],
      output_layers: ["sum", 0, 0],
    });
    expect(oneLine(importedFiles(model).spec)).toContain(
      "a: conv(3, 1, bias=true) relu residual { main { b: conv(3, 1, bias=true) } } output sum",
    );
  });

  test("a layer called twice is shared", () => {
    const model = topology("Model", {
      name: "net",
      layers: [
        { class_name: "InputLayer", name: "x", config: { batch_input_shape: [null, 4, 4, 3] }, inbound_nodes: [] },
        { ...conv("a"), inbound_nodes: [[["x", 0, 0, {}]], [["r", 0, 0, {}]]] },
        { class_name: "ReLU", name: "r", config: {}, inbound_nodes: [[["a", 0, 0, {}]]] },
      ],
      input_layers: [["x", 0, 0]],
      output_layers: [["a", 1, 0]],
    });
    expect(oneLine(importedFiles(model).spec)).toContain('a: conv(3, 1, bias=true) r: relu a_1: shared("a")');
  });

  test("Normalization, whose numbers are in its config or among the tensors", () => {
    const input = { batch_input_shape: [null, 2, 2, 3] };
    const listed = { class_name: "Normalization", config: { name: "n", axis: [-1], mean: [1, 2, 3], variance: [4, 16, 0], ...input } };
    const { net } = importedFiles(topology("Sequential", { name: "net", layers: [listed, conv("a")] }));
    expect(net.nodes[0]?.op).toBe("affine");
    const values = (role: string) => [...arrayOf(must(net.weights.get(net.nodes[0]?.tensors[role] ?? ""), role).data)];
    expect(values("weight")).toEqual([0.5, 0.25, Math.fround(1e7)]);
    expect(values("bias")).toEqual([-0.5, -0.5, Math.fround(-3e7)]);
    const stored = { class_name: "Normalization", config: { name: "n", axis: -1, ...input } };
    expect(refusal(topology("Sequential", { name: "net", layers: [stored] }))).toContain(
      "`n` (Normalization): its `mean` is not in the file",
    );
  });

  test("SE602 names every layer that cannot be and counts them", () => {
    const layers = [
      conv("a", { batch_input_shape: [null, 4, 4, 3] }),
      { class_name: "Masking", config: { name: "m" } },
      conv("b", { padding: "causal" }),
    ];
    const problem = refusal(topology("Sequential", { name: "net", layers: [...layers, { class_name: "Lambda", config: { name: "f" } }] }));
    expect(problem).toBe("SE602: 2 of the layers of `model.json` cannot be imported: `m` (Masking); `f` (Lambda)");
    expect(refusal(topology("Sequential", { name: "net", layers: [layers[0], layers[2]] }))).toContain(
      "`b` (Conv2D): its padding is causal",
    );
  });

  test("SE603: sizes are given as the file has them", () => {
    const model = topology("Sequential", { name: "net", layers: [conv("a", { batch_input_shape: [null, null, null, 3] })] });
    expect(refusal(model)).toContain("SE603: the input `a_input` of `model.json` has the shape [?, ?, ?, 3]");
    expect(importedFiles(model, { shapes: { a_input: [1, 8, 6, 3] } }).net.inputs).toEqual([{ name: "a_input", shape: ["N", 3, 8, 6] }]);
  });

  test.each([
    ["no model", () => ({}), "it has no `modelTopology`"],
    ["a class of its own", () => ({ modelTopology: { class_name: "Mine", config: {} } }), "is of the class Mine"],
    [
      "no layers",
      () => ({ modelTopology: { class_name: "Sequential", config: { layers: [] } } }),
      "`modelTopology.config.layers` is not as it should be",
    ],
    ["a circle", () => ({ modelTopology: { class_name: "Model", config: circle } }), "read each other in a circle"],
    [
      "nothing that is read",
      () => ({ modelTopology: { class_name: "Model", config: { ...circle, output_layers: [["gone", 0, 0]] } } }),
      "read `gone`",
    ],
  ])("refused: %s", (_, model, expected) => {
    const problem = refusal({ json: new TextEncoder().encode(JSON.stringify(model())), shards: new Map() });
    expect(problem).toMatch(/^SE606: `model.json` cannot be read as a TensorFlow.js model: /);
    expect(problem).toContain(expected);
  });
  const relu = (name: string, from: string): Json => ({ class_name: "ReLU", name, config: {}, inbound_nodes: [[[from, 0, 0, {}]]] });
  const circle = {
    layers: [{ class_name: "InputLayer", name: "x", config: { batch_input_shape: [null, 4] } }, relu("a", "b"), relu("b", "a")],
    input_layers: [["x", 0, 0]],
    output_layers: [["b", 0, 0]],
  };
});

describe("damaged files give a spec or a coded error, and nothing else", () => {
  const settled = (given: TfjsFiles): void => {
    const outcome = importFiles(given);
    if ("problem" in outcome) expect(outcome.problem.code).toMatch(/^SE\d{3}$/);
    else expect(outcome.spec).toMatch(/^se 1$/m);
  };
  test("bytes", () => {
    fc.assert(
      fc.property(damage, (changes) => settled({ ...files, json: damaged(files.json, changes) })),
      { seed: 4, numRuns: 200 },
    );
  });
  test("values", () => {
    const odd = fc.constantFrom<unknown>(null, -1, 0, 1e300, "", "x", [], {}, [[]], true, [1e9, 1e9], "__proto__");
    const paths: (string | number)[][] = [];
    const look = (value: unknown, way: (string | number)[]): void => {
      paths.push(way);
      if (Array.isArray(value)) value.forEach((v, i) => void look(v, [...way, i]));
      else if (typeof value === "object" && value !== null) for (const [k, v] of Object.entries(value)) look(v, [...way, k]);
    };
    const text = new TextDecoder().decode(files.json);
    look(JSON.parse(text), []);
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(), odd), { minLength: 1, maxLength: 3 }), (changes) => {
        const json = JSON.parse(text) as Json;
        for (const [n, value] of changes) {
          const way = paths[n % paths.length] as (string | number)[];
          let at: unknown = json;
          for (const step of way.slice(0, -1)) at = (at as Record<string | number, unknown> | undefined)?.[step];
          const last = way.at(-1);
          if (typeof at === "object" && at !== null && last !== undefined) (at as Record<string | number, unknown>)[last] = value;
        }
        settled({ ...files, json: new TextEncoder().encode(JSON.stringify(json)) });
      }),
      { seed: 5, numRuns: 400 },
    );
  });
});
