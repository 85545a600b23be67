/** Emitted files in a folder of the temporary directory, and a Python that has torch. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { TestContext } from "vitest";
import type { Artifact, Backend } from "../../backends/backend.ts";
import { emitTarget } from "../../backends/emit.ts";
import { pytorch } from "../../backends/pytorch/index.ts";
import { sampleWeights } from "../../backends/testing-samples.ts";
import { Diagnostics } from "../../compiler/diagnostics/diagnostic.ts";
import type { CheckedNet } from "../../compiler/frontend.ts";
import type { WeightReader } from "../../compiler/weights/source.ts";

/** Debian's first: a version manager's python3 before it in PATH does not see Debian's packages. */
export const findPython = (modules = "torch, numpy"): string | undefined => {
  const known = found.get(modules);
  if (known) return known.python;
  const python = ["/usr/bin/python3", "python3"].find((p) => spawnSync(p, ["-c", `import ${modules}`], { stdio: "ignore" }).status === 0);
  found.set(modules, { python });
  return python;
};

/** Importing PyTorch takes seconds: each question is asked once in a process. */
const found = new Map<string, { readonly python: string | undefined }>();

/** Undefined, after skipping the test, where there is no PyTorch; an error in CI. */
export function pythonFor(context: TestContext): string {
  const python = findPython();
  if (python !== undefined) return python;
  const reason = "python module torch is not installed";
  if (process.env.CI) throw new Error(reason);
  return context.skip(reason);
}

export function filesOf({ graph, tree }: CheckedNet, weights: WeightReader = sampleWeights, train = false): readonly Artifact[] {
  const diagnostics = new Diagnostics();
  const backend = pytorch as unknown as Backend;
  const { artifacts } = emitTarget({
    backend,
    graph,
    tree,
    options: { train },
    weights,
    batch: 1,
    level: 2,
    diagnostics,
    source: "net.se",
  });
  if (diagnostics.all.length > 0) throw new Error(diagnostics.all.map((d) => d.title).join("\n"));
  return artifacts;
}

export const temporary = (): string => mkdtempSync(path.join(tmpdir(), "sec-test-"));

export function writeFiles(folder: string, files: readonly Artifact[]): string {
  mkdirSync(folder, { recursive: true });
  for (const f of files) writeFileSync(path.join(folder, f.path), f.contents);
  return folder;
}

const SCRIPTS = fileURLToPath(new URL("../python/", import.meta.url));

/** Standard output of a script of test/python. */
export function runScript(python: string, script: string, args: readonly string[]): string {
  const result = spawnSync(python, [path.join(SCRIPTS, script), ...args], { encoding: "utf8", maxBuffer: 2 ** 28 });
  if (result.status !== 0) throw new Error(`${script} failed: ${result.stderr}`);
  return result.stdout;
}
