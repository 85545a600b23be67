/** What a module needs beside it is found by bundlers: they take a file along where they see `new URL("./file", import.meta.url)` as it stands. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { build } from "vite";
import { expect, onTestFinished, test } from "vitest";
import type { Backend } from "../../backends/backend.ts";
import { cpu } from "../../backends/cpu/index.ts";
import { emitTarget } from "../../backends/emit.ts";
import { parseBackendOptions } from "../../backends/registry.ts";
import { referenceNets } from "../../backends/testing-nets.ts";
import { sampleWeights } from "../../backends/testing-samples.ts";
import { tfjs } from "../../backends/tfjs/index.ts";
import { wasm } from "../../backends/wasm/index.ts";
import { webgpu } from "../../backends/webgpu/index.ts";
import { Diagnostics } from "../../compiler/diagnostics/diagnostic.ts";

const backends = [cpu, tfjs, wasm, webgpu] as unknown as Backend[];

test.each(backends.map((b): [string, Backend] => [b.name, b]))("%s: a bundled module comes with its files", async (_name, backend) => {
  const folder = mkdtempSync(path.join(os.tmpdir(), "sec-bundle-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const { graph, batch } = referenceNets()[0] as ReturnType<typeof referenceNets>[number];
  const diagnostics = new Diagnostics();
  const options = parseBackendOptions(backend, {}, diagnostics);
  const source = { backend, graph, options, weights: sampleWeights, batch, level: 2, diagnostics, source: "net.se" } as const;
  const files = emitTarget(source).artifacts.filter((f) => !f.path.includes("/"));
  for (const file of files) writeFileSync(path.join(folder, file.path), file.contents);
  writeFileSync(path.join(folder, "page.js"), `import { load } from "./${graph.name}.js";\nload({}).then(console.log);\n`);

  const built = await build({
    root: folder,
    configFile: false,
    logLevel: "silent",
    // small files would become data: URLs
    build: { write: false, assetsInlineLimit: 0, rolldownOptions: { input: path.join(folder, "page.js") } },
  });
  const { output } = built as { output: readonly { readonly type: string; readonly source?: string | Uint8Array }[] };
  const bundled = output.flatMap((o) => (o.type === "asset" && o.source !== undefined ? [Buffer.from(o.source)] : []));
  const binary = files.filter((f) => typeof f.contents !== "string");
  expect(binary.map((f) => f.path)).toContain(`${graph.name}.weights`);
  for (const { path: name, contents } of binary)
    expect(
      bundled.some((bytes) => bytes.equals(Buffer.from(contents as Uint8Array))),
      name,
    ).toBe(true);
});
