/**
 * torchvision's networks and SE modules of other people, exported by PyTorch and imported here: the exporter's numbers, the modules that were exported, and, where the
 * exporter keeps them, the tensors' names.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import type { Backend } from "../../backends/backend.ts";
import { cpu } from "../../backends/cpu/index.ts";
import { outputOn } from "../judges/describe-torch.ts";
import { type Imported, importedFile, netInPlace, runtimeOutputs } from "../judges/imported.ts";
import { findPython, runScript, temporary } from "../judges/python.ts";

const SIZE = 32;

/** Name, opset, batch norms folded or kept, and lines that show that the modules are found. */
const NETS = [
  ["resnet18", 13, "eval", "shortcut { downsample: { conv(128, 1, stride=2, bias=true) } }"],
  ["mobilenet_v3_small", 16, "keep", 'se(hidden=64, bias=true, gate="hsigmoid6")'],
  ["efficientnet_b0", 14, "eval", 'se(hidden=8, bias=true, act="silu")'],
  ["googlenet", 12, "keep", "branch1: { conv: conv(64, 1)  bn: bn(eps=0.001)  relu }"],
  ["densenet121", 11, "keep", "denselayer1: { norm1: bn  relu  conv1: conv(128, 1)  norm2: bn  relu  conv2: conv(32, 3) }"],
  ["shufflenet_v2_x0_5", 15, "keep", "chanshuffle(groups=2)"],
] as const;

/** SE modules of other people, by opset: the block that each is, under its module's name, and a line that calls it. */
const MATRICES = "scale { gap flatten fc: { linear(hidden, bias=false) relu linear(in.c, bias=false) sigmoid } reshape([in.c, 1, 1]) }";
const CONVOLUTIONS = "scale { gap conv_reduce: conv(hidden, 1, bias=true) relu conv_expand: conv(in.c, 1, bias=true) sigmoid }";
const CALLED = "residual { main { conv1: conv(16, 3) bn1: bn se: squeeze_excite(4) } } relu } * 2";
const SQUEEZES = [
  ["se_matrices", 11, MATRICES],
  ["se_matrices", 16, MATRICES],
  ["se_convolutions", 13, CONVOLUTIONS],
] as const;

/** What lies channels last inside, and is written out by the older opset. */
const TURNED = [
  [
    "turned",
    13,
    'conv1: conv(16, 3, stride=4, bias=true) norm1: gn(groups=4) relu conv2: conv(16, 3, bias=true) relu conv2_1: shared("conv2") act: prelu flatten fc: linear(16)',
  ],
  ["convnext", 13, '"0": { block: { conv(16, 7, groups=16, bias=true) "2": ln(eps=1e-6) "3": conv(64, 1, bias=true)'],
  ["convnext", 17, '"0": { block: { conv(16, 7, groups=16, bias=true) "2": ln(eps=1e-6) "3": conv(64, 1, bias=true)'],
] as const;

const python = findPython();
const held = { folder: "", names: new Map<string, string[]>() };

beforeAll(() => {
  if (python === undefined) {
    if (process.env.CI) throw new Error("python3 with torch and torchvision is not installed");
    console.log("skipped: python module torch is not installed");
    return;
  }
  held.folder = temporary();
  const cases = [
    ...NETS.map(([net, opset, mode]) => `${net}:${opset}:${mode}:${SIZE}`),
    ...[...SQUEEZES, ...TURNED].map(([net, opset]) => `${net}:${opset}:keep:${SIZE}`),
  ];
  for (const line of runScript(python, "export_onnx.py", [held.folder, ...cases]).split("\n")) {
    const [net, name] = line.split(" ");
    if (net && name) held.names.set(net, [...(held.names.get(net) ?? []), name]);
  }
}, 600_000);

describe.skipIf(python === undefined)("torchvision's networks as PyTorch exports them", () => {
  test.each(NETS)(
    "%s at opset %i (%s)",
    async (net, opset, mode, shows) => {
      const file = fileOf(net, opset);
      const model = importedFile(file);
      // as people read it: layout is the formatter's
      expect(oneLine(model.spec)).toContain(oneLine(shows));
      const names = model.graph.weights.flatMap((w) => (w.value.type.dtype === "f32" ? [w.path] : []));
      const theirs = held.names.get(path.basename(file)) ?? [];
      expect(theirs.length).toBeGreaterThan(50);
      if (mode === "keep") expect(names.sort()).toEqual(theirs.sort());
      // folded batch norms leave their layer a bias; every other name is the module's
      else expect(names.filter((n) => !theirs.includes(n) && !theirs.includes(n.replace(/bias$/, "weight")))).toEqual([]);
      await expectTheirNumbers(file, model);
    },
    300_000,
  );

  test.each(TURNED)("%s at opset %i", async (net, opset, shows) => {
    const file = fileOf(net, opset);
    const model = importedFile(file);
    expect(oneLine(model.spec)).toContain(shows);
    // ConvNeXt's scale is a tensor without a layer: `layer_scale` is no name that a layer's tensor can have
    const theirs = (held.names.get(path.basename(file)) ?? []).filter((n) => !n.endsWith(".layer_scale"));
    expect(theirs.length).toBeGreaterThan(8);
    const names = model.graph.weights.map((w) => w.path);
    expect(theirs.filter((n) => !names.includes(n))).toEqual([]);
    await expectTheirNumbers(file, model);
  });

  test.each(SQUEEZES)("%s at opset %i", async (net, opset, block) => {
    const file = fileOf(net, opset);
    const model = importedFile(file);
    expect(oneLine(model.spec)).toContain(`block squeeze_excite(hidden) { mul { x {} ${block} } }`);
    expect(oneLine(model.spec)).toContain(CALLED);
    // PyTorch's own names of the modules, also of matrices that its exporter turned over and renamed
    const spelled = model.graph.weights.flatMap((w) => (/\.se\./.test(w.path) ? [w.path] : []));
    expect(spelled.sort()).toEqual((held.names.get(path.basename(file)) ?? []).filter((n) => /\.se\./.test(n)).sort());
    await expectTheirNumbers(file, model);
    // in place also the tensors inside are called as in the file, and an edit leaves all others alone
    const tensors = (edits: string): string[] =>
      netInPlace(readFileSync(file), edits, {})
        .weights.flatMap((w) => (w.value.type.dtype === "f32" ? [w.path] : []))
        .sort();
    // the exporter turns a matrix without a bias over, and gives it a name of its own
    const inFile = (name: string): string => (/\.fc\.[02]\./.test(name) ? "onnx::MatMul" : name);
    const theirs = (held.names.get(path.basename(file)) ?? []).map(inFile).sort();
    expect(theirs.length).toBeGreaterThan(15);
    expect(tensors("").map((name) => name.replace(/(?<=^onnx::MatMul)_\d+$/, ""))).toEqual(theirs);
    expect(tensors("remove @se expect 2")).toEqual(theirs.filter((name) => !/\.se\.|onnx::/.test(name)));
  });
});

const fileOf = (net: string, opset: number): string => path.join(held.folder, `${net}_${opset}.onnx`);
const oneLine = (text: string): string => text.replace(/\s+/g, " ");

async function expectTheirNumbers(file: string, model: Imported): Promise<void> {
  const data = Float32Array.from({ length: 3 * SIZE * SIZE }, (_, i) => Math.sin(i * 0.37));
  const shape = [1, 3, SIZE, SIZE];
  const judged = (await runtimeOutputs(readFileSync(file), { image: { data, shape } })).logits as Float32Array;
  const ours = (await outputOn(cpu as unknown as Backend, model.graph, model.weightReader, 1, { image: data })) as Float32Array;
  const largest = Math.max(...judged.map(Math.abs));
  expect(Math.max(...ours.map((x, i) => Math.abs(x - (judged[i] as number))))).toBeLessThanOrEqual(1e-5 * largest);
}
