/** Sizes and texts of emitted WebAssembly: the .wat of every kernel assembles (wabt), both binaries and the module stay small. */
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import wabt from "wabt";
import type { Backend } from "../../backends/backend.ts";
import { emitTarget } from "../../backends/emit.ts";
import { referenceNets } from "../../backends/testing-nets.ts";
import { sampleWeights } from "../../backends/testing-samples.ts";
import { wasm } from "../../backends/wasm/index.ts";
import { Diagnostics } from "../../compiler/diagnostics/diagnostic.ts";
import { must } from "../../compiler/invariant.ts";
import type { Graph } from "../../compiler/ir/graph.ts";

const emit = (graph: Graph, batch: number, options: unknown) =>
  emitTarget({
    backend: wasm as unknown as Backend,
    graph,
    options,
    weights: sampleWeights,
    batch,
    level: 2,
    diagnostics: new Diagnostics(),
    source: "net.se",
  }).artifacts;

test.each(["se_bottleneck", "se_mobile", "plain"])("%s: every kernel text assembles; tables as written", async (name) => {
  const { graph, batch } = must(
    referenceNets().find((n) => n.graph.name === name),
    name,
  );
  const files = emit(graph, batch, { inline: false, threads: true });
  const assembler = await wabt();
  const texts = files.filter((f) => f.path.endsWith(".wat"));
  expect(texts.length).toBeGreaterThan(5);
  for (const { path, contents } of texts) {
    const module = assembler.parseWat(path, contents as string, { simd: true, threads: true, bulk_memory: true, relaxed_simd: true } as never);
    module.validate();
    module.destroy();
  }
  const module = must(files[0], "module").contents as string;
  await expect(module.slice(module.indexOf("const TABLES"), module.indexOf("const WEIGHTS"))).toMatchFileSnapshot(`wasm/${name}.tables.txt`);
  for (const file of files.filter((f) => /\.(js|wasm)$/.test(f.path))) expect(gzipSync(file.contents).length).toBeLessThanOrEqual(20_000);
});

test("inline: the module brings its binaries; threads=false: no worker", () => {
  const { graph, batch } = must(referenceNets()[0], "net");
  const files = emit(graph, batch, { inline: true, threads: false });
  expect(files.some((f) => f.path.endsWith(".worker.js"))).toBe(false);
  const text = must(files[0], "module").contents as string;
  const plain = must(
    files.find((f) => f.path === "plain.wasm"),
    "binary",
  ).contents as Uint8Array;
  expect(text).toContain(`"base64,${Buffer.from(plain).toString("base64")}"`);
  expect(text).not.toMatch(/\bimport\s*[({"*]|\beval\(|\bFunction\(/);
});
