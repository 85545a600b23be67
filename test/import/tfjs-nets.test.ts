/** Networks of TensorFlow.js with residual branches and SE modules: found again, under the file's names, and edited. */
import type * as Tf from "@tensorflow/tfjs";
import { beforeAll, expect, test } from "vitest";
import { outputSchemas } from "../../cli/output-schemas.ts";
import { Diagnostics } from "../../compiler/diagnostics/diagnostic.ts";
import { compileFrontend } from "../../compiler/frontend.ts";
import { must } from "../../compiler/invariant.ts";
import { sourceFile } from "../../compiler/source.ts";
import { writeNpy } from "../../compiler/weights/npy.ts";
import { project } from "../cli/project.ts";
import { useTfjs } from "../judges/tfjs-backend.ts";
import { answersOn, expectSame, importedFiles, savedFiles, type TfjsFiles, withSeededWeights } from "../judges/tfjs-models.ts";
import { readerOf } from "../judges/whole-nets.ts";

type Value = Tf.SymbolicTensor;
let tf: typeof Tf;
const on = (layer: Tf.layers.Layer, x: Value | Value[]): Value => layer.apply(x) as Value;
const oneLine = (text: string): string => text.replace(/\s+/g, " ");

function normed(x: Value, name: string, filters: number, kernelSize: number, strides = 1): Value {
  const l = tf.layers;
  const conv = l.conv2d({ name, filters, kernelSize, strides, padding: "same", useBias: false });
  return on(l.batchNormalization({ name: `${name}/BatchNorm`, epsilon: 1e-3 }), on(conv, x));
}

/** Inverted residuals with squeezes, called as those of MobileNetV3. */
function mobileNet(): Tf.LayersModel {
  const l = tf.layers;
  const x = tf.input({ shape: [17, 17, 3], name: "picture" });
  let v = on(l.reLU({}), normed(x, "Conv", 8, 3, 2));
  for (const block of ["expanded_conv", "expanded_conv_1"]) {
    const before = v;
    v = on(l.reLU({ maxValue: 6 }), normed(v, `${block}/expand`, 16, 1));
    v = on(l.depthwiseConv2d({ name: `${block}/depthwise`, kernelSize: 3, padding: "same", useBias: false }), v);
    v = on(l.reLU({ maxValue: 6 }), on(l.batchNormalization({ name: `${block}/depthwise/BatchNorm` }), v));
    const squeezed = on(
      l.reshape({ targetShape: [1, 1, 16] }),
      on(l.globalAveragePooling2d({ name: `${block}/squeeze_excite/AvgPool` }), v),
    );
    const reduced = on(l.conv2d({ name: `${block}/squeeze_excite/Conv`, filters: 4, kernelSize: 1, activation: "relu" }), squeezed);
    const gate = on(l.conv2d({ name: `${block}/squeeze_excite/Conv_1`, filters: 16, kernelSize: 1, activation: "hardSigmoid" }), reduced);
    v = normed(on(l.multiply({ name: `${block}/squeeze_excite/Mul` }), [v, gate]), `${block}/project`, 8, 1);
    v = on(l.add({ name: `${block}/Add` }), [v, before]);
  }
  const logits = on(l.dense({ units: 5, name: "predictions" }), on(l.globalAveragePooling2d({}), v));
  return withSeededWeights(tf, tf.model({ inputs: x, outputs: on(l.activation({ name: "answer", activation: "softmax" }), logits) }));
}

/** Residual units with gates of matrices, and a Sequential model as the head. */
function residualNet(): Tf.LayersModel {
  const l = tf.layers;
  const x = tf.input({ shape: [9, 11, 3], name: "picture" });
  let v: Value = x;
  for (const [name, strides] of [
    ["conv2_block1", 2],
    ["conv2_block2", 1],
  ] as const) {
    const main = normed(v, `${name}_conv`, 8, 3, strides);
    const hidden = on(l.dense({ units: 2, activation: "relu", name: `${name}_fc1` }), on(l.globalAveragePooling2d({}), main));
    const gate = on(l.reshape({ targetShape: [1, 1, 8] }), on(l.dense({ units: 8, activation: "sigmoid", name: `${name}_fc2` }), hidden));
    const shortcut = strides === 1 ? v : on(l.conv2d({ name: `${name}_0_conv`, filters: 8, kernelSize: 1, strides }), v);
    v = on(l.activation({ activation: "relu" }), on(l.add({}), [shortcut, on(l.multiply({}), [main, gate])]));
  }
  const head = tf.sequential({ name: "head", layers: [l.flatten({ inputShape: [5, 6, 8] }), l.dense({ units: 4, name: "logits" })] });
  return withSeededWeights(tf, tf.model({ inputs: x, outputs: on(head, v) }));
}

let mobile: { model: Tf.LayersModel; files: TfjsFiles };
beforeAll(async () => {
  tf = await useTfjs("cpu");
  const model = mobileNet();
  mobile = { model, files: await savedFiles(tf, model) };
});

test("a MobileNetV3: residual and SE modules under their names", async () => {
  const imported = importedFiles(mobile.files);
  const text = oneLine(imported.spec);
  expect(text).toContain("expanded_conv: { residual { main { expand: conv(16, 1) expand_BatchNorm: bn(eps=0.001) relu6");
  expect(text).toContain("squeeze_excite: squeeze_excite(4) project: conv(8, 1) project_BatchNorm: bn(eps=0.001) } } }");
  expect(imported.graph.weights.map((w) => w.path)).toContain("expanded_conv_1.squeeze_excite.Conv_1.bias");
  expect(imported.net.notes?.map((n) => `${n.code} ${n.title}`)).toEqual([
    "SE605 the input `picture` of `model.json` is [N, 17, 17, 3] there; in the net it is [N, 3, 17, 17]",
  ]);
  await expectSame(tf, imported, (inputs) => mobile.model.predict(inputs) as Tf.Tensor);
});

test("a residual net with a model in it", async () => {
  const model = residualNet();
  const imported = importedFiles(await savedFiles(tf, model));
  const text = oneLine(imported.spec);
  expect(text).toContain("residual { main { conv2_block1_conv: conv(8, 3, stride=2)");
  expect(text).toContain("shortcut { conv2_block1_0_conv: conv(8, 1, stride=2, bias=true) }");
  // names of matrices without a module: what they have in common is one
  expect(text.match(/conv2_block\d: se\(hidden=2, bias=true\)/g)).toEqual([
    "conv2_block1: se(hidden=2, bias=true)",
    "conv2_block2: se(hidden=2, bias=true)",
  ]);
  expect(text).toMatch(/relu head: \{ flatten logits: linear\(4\) \} output head/);
  await expectSame(tf, imported, (inputs) => model.predict(inputs) as Tf.Tensor);
});

/** Squeezes as keras.applications names those of EfficientNet, under names of Keras's own, and under names that have nothing in common. */
function gatedNet(): Tf.LayersModel {
  const l = tf.layers;
  const x = tf.input({ shape: [6, 5, 8], name: "picture" });
  const gated = (v: Value, [reduce, expand]: readonly [string?, string?]): Value => {
    const pooled = on(l.reshape({ targetShape: [1, 1, 8] }), on(l.globalAveragePooling2d({}), v));
    const named = (name: string | undefined) => (name === undefined ? {} : { name });
    const hidden = on(l.conv2d({ filters: 3, kernelSize: 1, activation: "relu", ...named(reduce) }), pooled);
    const gate = on(l.conv2d({ filters: 8, kernelSize: 1, activation: "sigmoid", ...named(expand) }), hidden);
    return on(l.conv2d({ filters: 8, kernelSize: 1, ...named(reduce && `${reduce}_after`) }), on(l.multiply({}), [v, gate]));
  };
  let v: Value = x;
  for (const names of [
    ["block1a_se_reduce", "block1a_se_expand"],
    ["block2a_se_reduce", "block2a_se_expand"],
    [],
    ["less", "more"],
  ] as const)
    v = gated(v, names);
  return withSeededWeights(tf, tf.model({ inputs: x, outputs: v }));
}

test("squeezes of layers that lie in no module", async () => {
  const model = gatedNet();
  const imported = importedFiles(await savedFiles(tf, model));
  const text = oneLine(imported.spec);
  expect(text).toContain("gap reduce: conv(hidden, 1, bias=true) relu expand: conv(in.c, 1, bias=true) sigmoid");
  const after = (layer: string): string => `${layer}: conv(8, 1, bias=true)`;
  const calls = ["block1a_se: squeeze_excite(3)", after("block1a_se_reduce_after"), "block2a_se: squeeze_excite(3)"];
  expect(text).toContain([...calls, after("block2a_se_reduce_after"), "se: se(hidden=3, bias=true)"].join(" "));
  expect(text).toContain(["se_2: se(hidden=3, bias=true)", after("less_after")].join(" "));
  await expectSame(tf, imported, (inputs) => model.predict(inputs) as Tf.Tensor);
});

test("inserted after every residual branch with init preserve: the same answers, bit for bit", async () => {
  const imported = importedFiles(mobile.files);
  const edited = `${imported.spec}\nnet edited from imported { insert se(reduction=4) as "{}_att" after @residual.main expect 2 init preserve }\n`;
  const diagnostics = new Diagnostics();
  const host = { readText: () => ({ ok: false as const, reason: "there is no such file" }) };
  const { nets } = compileFrontend(sourceFile("edited.se", edited), host, diagnostics, {});
  expect(diagnostics.all.filter((d) => d.severity === "error")).toEqual([]);
  const graph = must(nets.find((n) => n.graph?.name === "edited")?.graph, "the edited net");
  expect(graph.nodes.length).toBeGreaterThan(imported.graph.nodes.length);
  const before = await answersOn(imported.graph, imported.weightReader);
  const after = await answersOn(graph, readerOf(graph, must(imported.weights, "weights")));
  expect(after.ours).toEqual(before.ours);
});

test("sec import, compile and run of what TensorFlow.js saved", async () => {
  const p = project({ "model/model.json": mobile.files.json });
  for (const [name, bytes] of mobile.files.shards) p.write(`model/${name}`, bytes);
  const run = await p.sec(["import", "model/model.json", "--name", "mobile", "-o", "nets"]);
  expect([run.code, run.err]).toEqual([0, expect.stringContaining("warning SE605: the input `picture` of `model.json`")]);
  expect(p.read("nets/mobile.se")).toContain("input picture: f32[N, 3, 17, 17]");
  const compiled = await p.sec(["compile", "nets/mobile.se", "--weights", "nets/mobile.safetensors", "-t", "cpu", "-o", "out"]);
  expect([compiled.code, compiled.err]).toEqual([0, expect.any(String)]);
  const { inputs } = await answersOn(importedFiles(mobile.files).graph, importedFiles(mobile.files).weightReader);
  const { data, shape } = must(inputs[0], "the input");
  p.write("x.npy", writeNpy({ shape, data }));
  const given = ["--batch", "2", "--input", "picture=x.npy", "--output", "answer=-"];
  const ran = await p.sec(["run", "nets/mobile.se", "--weights", "nets/mobile.safetensors", "-t", "cpu", ...given, "--json"]);
  expect([ran.code, ran.err]).toEqual([0, expect.stringContaining("45 of 45 tensors")]);
  const picture = tf.transpose(tf.tensor(data, shape as [number, number, number, number]), [0, 2, 3, 1]);
  const theirs = (mobile.model.predict(picture) as Tf.Tensor).dataSync();
  const [result] = ran.json().map((v) => outputSchemas.run.parse(v));
  const ours = result?.outputs[0]?.data ?? [];
  expect(ours.length).toBe(10);
  for (const [i, value] of theirs.entries()) expect(ours[i]).toBeCloseTo(value, 5);
});
