/** Every sample of the language expands to what language.md section 13 says: parameters, tensors, MACs, and the published names. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { costOf } from "../../compiler/analysis/cost.ts";
import { check } from "../../compiler/frontend.ts";
import type { Host } from "../../compiler/host.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
import { numel } from "../../compiler/ir/type.ts";
import { verifyGraph } from "../../compiler/ir/verify.ts";
import { opRules } from "../../compiler/ops/rules.ts";
import { sourceFile } from "../../compiler/source.ts";

const folder = "test/fixtures/samples";
const files: ReadonlySet<string> = new Set(readdirSync(folder));
const host: Host = {
  readText: (path) =>
    files.has(path) ? { ok: true, text: readFileSync(`${folder}/${path}`, "utf8") } : { ok: false, reason: "no such file" },
};

function graphsOf(file: string): Map<string, Graph> {
  const { diagnostics, nets } = check(sourceFile(file, readFileSync(`${folder}/${file}`, "utf8")), host);
  expect(diagnostics).toEqual([]);
  return new Map(nets.map((n) => [n.name, n.graph]));
}

const parameters = (graph: Graph): number => graph.weights.reduce((n, w) => n + (w.trainable ? numel(w.value.type.shape) : 0), 0);

/**
 * net: [parameters, tensors, GMACs to four decimals]. Four GMACs differ from the table of section 13, which still counts layers
 * that an edit took away: the 16 replaced 3x3 convolutions of sk_resnet50 (16 * 115,605,504) and the removed fc of backbone and
 * the two nets made of it (2,048,000).
 */
const table: Readonly<Record<string, Readonly<Record<string, readonly [number, number, number]>>>> = {
  "plain.se": { plain: [21_162, 16, 0.0056] },
  "se-attention.se": { se_attention: [65_536, 2, 0.0001], se_block: [65_536, 2, 0.0001] },
  "resnet50.se": {
    resnet50: [25_557_032, 320, 4.0892],
    resnet101: [44_549_160, 626, 7.8014],
    resnet152: [60_192_808, 932, 11.5136],
  },
  "se-resnet50.se": {
    se_resnet50: [28_088_024, 384, 4.0917],
    se_pre: [27_548_200, 352, 4.0912],
    se_post: [28_071_976, 352, 4.0917],
    se_identity: [28_071_976, 352, 4.0917],
    se_3x3: [25_714_216, 352, 4.0893],
    se_stage4: [26_343_464, 332, 4.09],
    se_cheap: [26_499_112, 346, 4.0901],
    se_convs: [26_015_784, 346, 4.0896],
    se_tuned: [27_047_976, 352, 4.0907],
    se_last: [27_129_896, 326, 4.0908],
  },
  "legacy-se-resnet50.se": { legacy_se_resnet50: [28_088_024, 384, 3.8605] },
  "senet154.se": { senet154: [115_088_984, 1144, 20.6884] },
  "se-bn-inception.se": { bn_inception: [11_285_224, 416, 2.0326], se_bn_inception: [11_931_622, 456, 2.0332] },
  "mobilenet-v3-large.se": { mobilenet_v3_large: [5_483_032, 312, 0.2166] },
  "efficientnet-b0.se": { efficientnet_b0: [5_288_548, 360, 0.3858] },
  "eca-resnet50t.se": { eca_resnet50t: [25_573_814, 348, 4.2973] },
  "relatives-resnet50.se": {
    cbam_resnet50: [28_073_576, 448, 4.0956],
    ese_resnet50: [45_691_688, 352, 4.1093],
    bam_resnet50: [25_915_099, 416, 4.1713],
    sk_resnet50: [37_120_408, 528, 5.9391],
  },
  "unet-scse.se": { unet: [1_926_466, 92, 9.1834], scse_unet: [1_941_493, 134, 9.191] },
  "fpn.se": { backbone: [23_508_032, 318, 4.0871], fpn: [25_475_136, 326, 22.5108], se_fpn: [27_990_080, 358, 22.5133] },
  "two-inputs.se": { match: [20_512, 14, 0.0112] },
};

describe.each(Object.entries(table))("%s", (file, nets) => {
  const graphs = graphsOf(file);

  test("declares exactly the nets of the table (and templates)", () => {
    expect([...graphs.keys()]).toEqual(Object.keys(nets));
  });

  test.each(Object.entries(nets))("%s: parameters, tensors, GMACs", (name, [params, tensors, gmacs]) => {
    const graph = graphs.get(name) as Graph;
    expect(parameters(graph)).toBe(params);
    expect(graph.weights).toHaveLength(tensors);
    expect(Math.round(costOf(graph).macs / 1e5) / 1e4).toBe(gmacs);
  });

  test.each(Object.keys(nets))("%s: the graph is well-formed and its paths are unique", (name) => {
    const graph = graphs.get(name) as Graph;
    expect(verifyGraph(graph, opRules)).toEqual([]);
    const paths = graph.nodes.map((n) => n.path);
    expect(new Set(paths).size).toBe(paths.length);
    const names = graph.weights.map((w) => w.path);
    expect(new Set(names).size).toBe(names.length);
  });
});

test.each([
  ["resnet50.se", "resnet50", "torchvision-resnet50"],
  ["se-resnet50.se", "se_resnet50", "timm-seresnet50"],
  ["legacy-se-resnet50.se", "legacy_se_resnet50", "timm-legacy-seresnet50"],
  ["senet154.se", "senet154", "timm-legacy-senet154"],
  ["mobilenet-v3-large.se", "mobilenet_v3_large", "torchvision-mobilenet-v3-large"],
  ["efficientnet-b0.se", "efficientnet_b0", "timm-efficientnet-b0"],
  ["eca-resnet50t.se", "eca_resnet50t", "timm-ecaresnet50t"],
])("%s: %s has the names, shapes and order of %s", (file, net, list) => {
  const graph = graphsOf(file).get(net) as Graph;
  const published = readFileSync(`test/fixtures/tensor-names/${list}.txt`, "utf8").trim().split("\n");
  expect(graph.weights.map((w) => `${w.path} [${w.value.type.shape.join(", ")}]`)).toEqual(published);
});

test("se_attention has the tensors of the reference module", () => {
  const graph = graphsOf("se-attention.se").get("se_attention") as Graph;
  expect(graph.weights.map((w) => [w.path, w.value.type.shape])).toEqual([
    ["fc.0.weight", [64, 512]],
    ["fc.2.weight", [512, 64]],
  ]);
});

test("the only complaint about onnx-edit.se is that its model is not there", () => {
  const file = "onnx-edit.se";
  const { diagnostics } = check(sourceFile(file, readFileSync(`${folder}/${file}`, "utf8")), host);
  expect(diagnostics.map((d) => d.code)).toEqual(["SE009"]);
});
