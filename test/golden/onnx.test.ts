/** Small models as text: what a layer becomes at the oldest, the default and the newest opset. */
import { expect, test } from "vitest";
import type { Backend } from "../../backends/backend.ts";
import { emitTarget } from "../../backends/emit.ts";
import { onnx } from "../../backends/onnx/index.ts";
import { parseBackendOptions } from "../../backends/registry.ts";
import { referenceNets } from "../../backends/testing-nets.ts";
import { sampleWeights } from "../../backends/testing-samples.ts";
import { Diagnostics } from "../../compiler/diagnostics/diagnostic.ts";
import { modelText } from "../judges/onnx-text.ts";

const cases: readonly (readonly [net: string, options: Readonly<Record<string, unknown>>])[] = [
  ["se_mobile", { opset: 13 }],
  ["se_mobile", { opset: 17 }],
  ["se_mobile", { opset: 17, fold: true, external: 1000 }],
  ["eca_and_concat", { opset: 21 }],
];

test.each(cases)("%s with %j", async (name, options) => {
  const diagnostics = new Diagnostics();
  const graph = referenceNets().find((n) => n.graph.name === name)?.graph;
  if (!graph) throw new Error(`no net ${name}`);
  const { artifacts } = emitTarget({
    backend: onnx as unknown as Backend,
    graph,
    options: parseBackendOptions(onnx as unknown as Backend, options, diagnostics),
    weights: sampleWeights,
    batch: 1,
    level: 2,
    diagnostics,
    source: "folder/sample.se",
  });
  expect(diagnostics.all).toEqual([]);
  const file = [name, ...Object.entries(options).map(([key, value]) => `${key}-${value}`)].join("-");
  await expect(modelText(artifacts[0]?.contents as Uint8Array)).toMatchFileSnapshot(`onnx/${file}.txt`);
});
