import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { Graph } from "../../compiler/ir/graph.ts";
import { rounded, runReference } from "../../compiler/reference/run.ts";
import { randomTensor } from "../../compiler/reference/sample-graph.ts";
import { type MatchOptions, matchWeights } from "../../compiler/weights/check.ts";
import { checkValues } from "../../compiler/weights/check-values.ts";
import { weightReader } from "../../compiler/weights/reader.ts";
import { parseRename, type RenameRule } from "../../compiler/weights/rename.ts";
import { type TensorFile, writeSafetensors } from "../../compiler/weights/safetensors.ts";
import { writeStateDict } from "../../compiler/weights/write.ts";
import { fileOf, graphOf, tensorList, virtualFile } from "./nets.ts";

const shipped = (file: string): string => readFileSync(`specs/nets/${file}.se`, "utf8");
const fixture = (file: string): string => readFileSync(`test/fixtures/samples/${file}.se`, "utf8");
const seResnet50 = (): Graph => graphOf('se 1\nuse "sec/se_resnet50.se"\nnet again from se_resnet50 {}', "again");
const rules = (...texts: string[]): RenameRule[] =>
  texts.map((t) => {
    const rule = parseRename(t);
    if ("reason" in rule) throw new Error(rule.reason);
    return rule;
  });
const codes = (graph: Graph, file: TensorFile, options?: MatchOptions): string[] =>
  matchWeights(graph, file, options).diagnostics.map((d) => d.code);

const families = [
  ["torchvision-resnet50", () => graphOf(shipped("resnet"), "resnet50")],
  ["timm-seresnet50", seResnet50],
  ["timm-legacy-seresnet50", () => graphOf(fixture("legacy-se-resnet50"), "legacy_se_resnet50")],
  ["timm-legacy-senet154", () => graphOf(shipped("senet154"), "senet154")],
  ["torchvision-mobilenet-v3-large", () => graphOf(shipped("mobilenet_v3_large"), "mobilenet_v3_large")],
  ["timm-efficientnet-b0", () => graphOf(fixture("efficientnet-b0"), "efficientnet_b0")],
  ["timm-ecaresnet50t", () => graphOf(fixture("eca-resnet50t"), "eca_resnet50t")],
] as const;

for (const [list, net] of families)
  test(`${list} loads into its net with no option, every tensor used once`, () => {
    const tensors = tensorList(list);
    const match = matchWeights(net(), virtualFile(tensors));
    expect(match.diagnostics).toEqual([]);
    const used = [...match.plan!.sources.values()].map((s) => (s.kind === "file" ? s.tensor.name : s.kind));
    expect(used.sort()).toEqual(
      tensors
        .map((t) => t.name)
        .filter((n) => !n.endsWith("num_batches_tracked"))
        .sort(),
    );
  });

test("another code base's names: SE401 says which renames would do, and with them it loads", () => {
  const graph = seResnet50();
  const file = virtualFile(tensorList("timm-legacy-seresnet50"), "old.safetensors");
  const match = matchWeights(graph, file);
  expect(match.plan).toBeUndefined();
  expect(match.diagnostics.map((d) => d.code)).toContain("SE401");
  const [problem] = match.diagnostics;
  expect(problem?.title).toBe("71 of again's 331 tensors are not in old.safetensors");
  expect(problem?.notes[0]).toBe(
    "260 fit; the other 71 differ only in their names: se_module -> se (64), layer0.bn1 -> bn1 (4), last_linear -> fc (2), layer0.conv1 -> conv1 (1)",
  );
  const flags = [...(problem?.help ?? "").matchAll(/--rename (\S+=[\w.]+)/g)].map((m) => m[1]!);
  expect(flags).toHaveLength(4);
  const renamed = matchWeights(graph, file, { rename: rules(...flags) });
  expect(renamed.diagnostics).toEqual([]);
  expect(renamed.fits).toBe(renamed.total);
});

test("a rename that would spoil names that fit is not suggested", () => {
  const graph = graphOf(
    "se 1\nnet n { input x: f32[N, 4]  a: { fc: linear(4, bias=false) }  b: { fc: linear(4, bias=false) }  output y }",
    "n",
  );
  const match = matchWeights(
    graph,
    virtualFile([
      { name: "a.fc.weight", shape: [4, 4] },
      { name: "a.other.weight", shape: [4, 4] },
    ]),
  );
  for (const r of match.renames) expect(r.rule.from).not.toEqual(["a"]);
  expect(match.renames.map((r) => `${r.rule.from.join(".")}=${r.rule.to.join(".")}`)).toEqual(["a.other=b.fc"]);
});

// a residual net small enough to run: se after the main branch, as in the paper
const text = `se 1
net plain { input image: f32[N, 3, 6, 6]  conv0: conv(8, 3)  bn0: bn  relu
  residual { main { conv1: conv(8, 3)  bn1: bn  relu  conv2: conv(8, 3)  bn2: bn } shortcut {} }  relu
  residual { main { conv3: conv(8, 3)  bn3: bn  } shortcut {} }  relu
  gap  flatten  fc: linear(5)  output logits }
net gated from plain { insert se(reduction=4, bias=true) as "{}_se" after **.bn2|bn3 }
net kept from plain { insert se(reduction=4, bias=true) as "{}_se" after **.bn2|bn3 init preserve }`;

const plainFile = (): TensorFile => {
  const graph = graphOf(text, "plain");
  return fileOf(writeStateDict(graph, weightReader({ seed: 5 })), "plain.safetensors");
};

test("a file from before the insertion: SE403 unless the edit preserves, and then the logits are equal bit for bit", () => {
  const file = plainFile();
  expect(codes(graphOf(text, "gated"), file)).toEqual(["SE403"]);

  const plain = graphOf(text, "plain");
  const kept = graphOf(text, "kept");
  const match = matchWeights(kept, file);
  expect(match.diagnostics).toEqual([]);
  const loaded = weightReader({ plan: match.plan, file, seed: 9 });
  const original = weightReader({ plan: matchWeights(plain, file).plan, file });
  const image = randomTensor([2, 3, 6, 6], 1);
  const logits = runReference(plain, { image }, rounded(original));
  expect(runReference(kept, { image }, rounded(loaded))).toEqual(logits);
  expect(logits.logits!.data.some((v) => v !== 0)).toBe(true);

  // the factors are in the weights now: the saved file is an ordinary checkpoint
  const saved = writeStateDict(kept, loaded);
  const again = matchWeights(kept, fileOf(saved));
  expect(again.diagnostics).toEqual([]);
  expect(again.plan!.freshGroups.size).toBe(0);
  expect(writeStateDict(kept, weightReader({ plan: again.plan, file: fileOf(saved) }))).toEqual(saved);
});

test("torchvision's resnet50 into se_resnet50 is a warning that counts the blocks", () => {
  const match = matchWeights(seResnet50(), virtualFile(tensorList("torchvision-resnet50")));
  expect(match.diagnostics.map((d) => `${d.code} ${d.title}`)).toEqual([
    "SE403 16 blocks inserted into loaded weights change the function (gates start at 0.5)",
  ]);
  expect(match.plan).toBeDefined();
});

test("a file with half of the inserted tensors is SE401", () => {
  const half = tensorList("timm-seresnet50").filter((t) => !/layer[34].*\.se\./.test(t.name));
  const match = matchWeights(seResnet50(), virtualFile(half));
  expect(match.plan).toBeUndefined();
  expect(match.diagnostics.map((d) => `${d.code} ${d.title}`)).toEqual([
    "SE401 w.safetensors has 28 of the 64 tensors of the blocks inserted at layer1.0.se .. layer4.2.se",
  ]);
});

test("the reference module's matrices fit the 1x1 convolutions", () => {
  const graph = graphOf(shipped("se_block"), "se_block");
  const file = virtualFile([
    { name: "fc.0.weight", shape: [64, 512] },
    { name: "fc.2.weight", shape: [512, 64] },
  ]);
  expect(codes(graph, file)).toContain("SE401");
  const match = matchWeights(graph, file, { rename: rules("fc.0=att.fc1", "fc.2=att.fc2") });
  expect(match.diagnostics).toEqual([]);
  expect(weightReader({ plan: match.plan, file }).read(graph.weights[0]!)).toHaveLength(64 * 512);
});

const toy = graphOf(
  "se 1\nnet toy { input x: f32[N, 3, 4, 4]  conv: conv(2, 1, bias=true)  bn: bn  gap  flatten  fc: linear(2)  output y }",
  "toy",
);
const toyTensors = toy.weights.map((w) => ({ name: w.path, shape: w.value.type.shape as number[] }));
const without = (...names: string[]) => toyTensors.filter((t) => !names.includes(t.name));

test("options for what is missing, each by name", () => {
  expect(codes(toy, virtualFile(without("fc.weight", "fc.bias")))).toEqual(["SE401"]);
  expect(codes(toy, virtualFile(without("fc.weight", "fc.bias")), { fresh: ["fc"] })).toEqual([]);
  expect(codes(toy, virtualFile(without("fc.weight", "fc.bias")), { zeroBias: true })).toEqual(["SE401"]);
  expect(codes(toy, virtualFile(without("fc.weight", "fc.bias")), { partial: true })).toEqual([]);
  expect(codes(toy, virtualFile(toyTensors), { fresh: ["fcc"] })).toEqual(["SE401"]);

  const file = virtualFile(without("fc.bias"));
  const match = matchWeights(toy, file, { zeroBias: true });
  expect(match.diagnostics).toEqual([]);
  expect([...weightReader({ plan: match.plan, file }).read(toy.weights.find((w) => w.path === "fc.bias")!)]).toEqual([0, 0]);
});

test("num_batches_tracked may be there or not", () => {
  expect(codes(toy, virtualFile(without("bn.num_batches_tracked")))).toEqual([]);
  expect(codes(toy, virtualFile([...toyTensors, { name: "other.num_batches_tracked", shape: [] }]))).toEqual([]);
});

test("surplus tensors are SE401 and say when the net has no bias", () => {
  const extra = [...toyTensors, { name: "aux.weight", shape: [3] }];
  expect(codes(toy, virtualFile(extra))).toEqual(["SE401"]);
  expect(codes(toy, virtualFile(extra), { ignoreExtra: true })).toEqual([]);
  const unbiased = graphOf("se 1\nnet u { input x: f32[N, 3, 4, 4]  conv: conv(2, 1)  output y }", "u");
  const match = matchWeights(
    unbiased,
    virtualFile([
      { name: "conv.weight", shape: [2, 3, 1, 1] },
      { name: "conv.bias", shape: [2] },
    ]),
  );
  expect(match.diagnostics[0]?.notes).toEqual(["`conv.bias` [2], and conv has bias=false"]);
});

test("shapes: only axes of size 1 may differ", () => {
  const shaped = (shape: number[]) => toyTensors.map((t) => (t.name === "conv.weight" ? { ...t, shape } : t));
  expect(codes(toy, virtualFile(shaped([2, 3])))).toEqual([]);
  const wrong = matchWeights(toy, virtualFile(shaped([3, 2, 1, 1])));
  expect(wrong.diagnostics.map((d) => `${d.code} ${d.title}`)).toEqual([
    "SE402 `conv.weight` wants [2, 3, 1, 1], the file has [3, 2, 1, 1]",
  ]);
  const bias = (shape: number[]) => toyTensors.map((t) => (t.name === "fc.bias" ? { ...t, shape } : t));
  expect(codes(toy, virtualFile(bias([1, 2, 1, 1])))).toEqual([]);
  expect(codes(toy, virtualFile(bias([2, 1, 1])))).toEqual([]);
  expect(codes(toy, virtualFile(bias([1, 2])))).toEqual(["SE402"]);
});

test("wrappers are stripped when all names have them, and names that then meet are SE406", () => {
  const wrapped = toyTensors.map((t) => ({ ...t, name: `module._orig_mod.${t.name}` }));
  expect(codes(toy, virtualFile(wrapped))).toEqual([]);
  expect(codes(toy, virtualFile([...wrapped, { name: "conv.weight", shape: [1] }]))).toContain("SE401");
  const prefixed = toyTensors.map((t) => ({ ...t, name: `backbone.${t.name}` }));
  expect(codes(toy, virtualFile(prefixed), { strip: ["backbone"] })).toEqual([]);
  const two = [...toyTensors, { name: "old.weight", shape: [2, 2] }];
  expect(codes(toy, virtualFile(two), { rename: rules("old=fc") })).toEqual(["SE406"]);
});

test("a star is one part and is carried over", () => {
  const named = toyTensors.map((t) => ({ ...t, name: t.name.replace(/^(conv|bn)\./, "f.b.$1.") }));
  expect(codes(toy, virtualFile(named), { rename: rules("f.b.*=*") })).toEqual([]);
  expect(parseRename("a=b=c")).toHaveProperty("reason");
  expect(parseRename("a=*")).toHaveProperty("reason");
  expect(parseRename("a..b=c")).toHaveProperty("reason");
});

test("values: a negative variance is an error, NaN a warning", () => {
  const values = new Map(toyTensors.map((t) => [t.name, new Float32Array(t.shape.reduce((a, b) => a * b, 1)).fill(1)]));
  values.get("bn.running_var")![1] = -0.5;
  values.get("fc.weight")![2] = Number.NaN;
  values.get("fc.bias")![0] = Number.POSITIVE_INFINITY;
  const file = fileOf(writeSafetensors(without("bn.num_batches_tracked").map((t) => ({ ...t, data: values.get(t.name)! }))));
  const match = matchWeights(toy, file);
  expect(checkValues(match.plan!, file).map((d) => `${d.severity} ${d.code} ${d.title}`)).toEqual([
    "error SE408 `bn.running_var` is negative at channel 1: -0.5",
    "warning SE491 2 tensors hold values that are NaN or infinite",
  ]);
});
