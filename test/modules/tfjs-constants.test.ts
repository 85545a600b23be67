/** Constants that layers read as if they were maps, and weights files as Node reads them. */
import { readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import type * as Tf from "@tensorflow/tfjs";
import { beforeAll, expect, test } from "vitest";
import type { Backend } from "../../backends/backend.ts";
import { emitTarget } from "../../backends/emit.ts";
import { tfjs } from "../../backends/tfjs/index.ts";
import { Diagnostics } from "../../compiler/diagnostics/diagnostic.ts";
import { parseGraph } from "../../compiler/ir/parse.ts";
import { opRules } from "../../compiler/ops/rules.ts";
import { runReference } from "../../compiler/reference/run.ts";
import { randomTensor, randomWeights } from "../../compiler/reference/sample-graph.ts";
import { useTfjs } from "../judges/tfjs-backend.ts";
import { emitTf } from "./tfjs-net.ts";

const GRAPH = `graph constants
  input x = %0 : f32[N, 4, 3, 2]
  %1 = mul(%0, @factors) : f32[N, 4, 3, 2]  # scale
  %2 = conv(%1, weight=@conv.weight) {out=4, kernel=1} : f32[N, 4, 3, 2]  # conv
  %3 = add(%2, @anchors) : f32[N, 4, 3, 2]  # shifted
  output y = %3
  tensor @factors : f32[1, 4, 1, 1] = 0.5
  tensor @anchors : f32[1, 4, 3, 2] = uniform(1)
  tensor @conv.weight : f32[4, 4, 1, 1] = uniform(0.5)
`;
const graph = parseGraph(GRAPH, opRules);
const weights = randomWeights(5);
const x = randomTensor([1, 4, 3, 2], 9);
const expected = runReference(graph, { x }, weights, { batch: 1 }).y?.data as Float64Array;
// 4 products, a factor and a sum of values below 2 in size, each rounded once
const close = (got: Float32Array): void => {
  expect(got.length).toBe(expected.length);
  got.forEach((v, i) => {
    expect(Math.abs(v - (expected[i] as number))).toBeLessThan(16 * 8 * 2 ** -24);
  });
};

let tf: typeof Tf;
beforeAll(async () => {
  tf = await useTfjs("cpu");
});

test.each([true, false])("a constant is an operand in the order of maps, train=%s", async (train) => {
  const { text, load } = await emitTf(graph, weights, { train });
  expect(text.slice(text.indexOf("\nfunction forward("))).not.toContain("undefined");
  const net = await load(tf);
  close((await net.run({ x: Float32Array.from(x.data) })).y as Float32Array);
  net.dispose();
});

test("the file beside the module is read, and so is a Node Buffer", async () => {
  const folder = await mkdtemp(path.join(os.tmpdir(), "sec-tfjs-"));
  try {
    const request = { backend: tfjs as unknown as Backend, options: { train: true }, batch: 1, level: 2, source: "net.se" } as const;
    const { artifacts } = emitTarget({ ...request, graph, weights, diagnostics: new Diagnostics() });
    for (const a of artifacts) writeFileSync(path.join(folder, a.path), a.contents);
    writeFileSync(path.join(folder, "package.json"), '{ "type": "module" }');
    const { load } = await import(pathToFileURL(path.join(folder, "constants.js")).href);
    for (const given of [undefined, readFileSync(path.join(folder, "constants.weights"))]) {
      const net = await load({ tf, ...(given ? { weights: given } : {}) });
      close((await net.run({ x: Float32Array.from(x.data) })).y);
      net.dispose();
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});
