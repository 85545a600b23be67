/** Writes every generated file; `--check` fails when one on disk differs. Add a generator as one line of `outputs`. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { schemaFiles } from "../cli/output-schemas.ts";
import { jsonSchema } from "../compiler/syntax/schema.ts";
import { embedTexts } from "./generate-embedded.ts";
import { generateLibrary } from "./generate-library.ts";
import { generateMessages, readMessageFiles } from "./generate-messages.ts";

const outputs: Record<string, () => string> = {
  "specs/schema.json": jsonSchema,
  "compiler/semantics/library.gen.ts": () => generateLibrary(),
  "compiler/diagnostics/messages.gen.ts": () => generateMessages(readMessageFiles()),
  "backends/module/prelude.gen.ts": () => embedTexts({ prelude: "backends/module/prelude.js", layout: "backends/module/layout.js" }),
  "backends/cpu/scratch.gen.ts": () => embedTexts({ scratchFunctions: "backends/cpu/scratch.js" }),
  "backends/tfjs/host.gen.ts": () => embedTexts({ layers: "backends/tfjs/layers.js", net: "backends/tfjs/net.js" }),
  "backends/pytorch/host.gen.ts": () =>
    embedTexts({
      layers: "backends/pytorch/python/layers.py",
      serve: "backends/pytorch/python/serve.py",
      train: "backends/pytorch/python/train.py",
      weights: "backends/pytorch/python/weights.py",
    }),
  "backends/webgpu/host.gen.ts": () => embedTexts({ host: "backends/webgpu/host.js" }),
  ...Object.fromEntries(Object.entries(schemaFiles()).map(([path, text]) => [path, () => text])),
};

mkdirSync("specs/schemas", { recursive: true });
const check = process.argv.includes("--check");
const stale: string[] = [];
for (const [path, make] of Object.entries(outputs)) {
  const text = make();
  let current = "";
  try {
    current = readFileSync(path, "utf8");
  } catch {
    // first run: the file is not there yet
  }
  if (current === text) continue;
  stale.push(path);
  if (!check) writeFileSync(path, text);
}
if (check && stale.length > 0) {
  console.error(`stale: ${stale.join(", ")}; run \`npm run generate\``);
  process.exitCode = 1;
}
