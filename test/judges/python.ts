/** Emitted files in a folder of the temporary directory, and a Python that has torch. */
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { TestContext } from "vitest";
import type { Artifact, Backend } from "../../backends/backend.ts";
import { emitTarget } from "../../backends/emit.ts";
import { pytorch } from "../../backends/pytorch/index.ts";
import { sampleWeights } from "../../backends/testing-samples.ts";
import { Diagnostics } from "../../compiler/diagnostics/diagnostic.ts";
import type { CheckedNet } from "../../compiler/frontend.ts";
import type { WeightReader } from "../../compiler/weights/source.ts";

/**
 * A Python that has these modules, which are not imported: that would take seconds. Debian's first: a version manager's python3 before it in
 * PATH does not see Debian's packages.
 */
export function findPython(modules: readonly string[] = ["torch", "numpy"]): string | undefined {
  const has = "import importlib.util as u, sys; sys.exit(not all(map(u.find_spec, sys.argv[1:])))";
  return ["/usr/bin/python3", "python3"].find((p) => spawnSync(p, ["-c", has, ...modules], { stdio: "ignore" }).status === 0);
}

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

/** A script of test/python that answers lines of standard input by lines. */
export interface Answering {
  ask(line: string): Promise<string>;
  close(): void;
}

export function startScript(python: string, script: string): Answering {
  const child = spawn(python, [path.join(SCRIPTS, script)]);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    errors += text;
  });
  // a script that died is told by the missing answer
  child.stdin.on("error", () => undefined);
  return {
    async ask(line) {
      child.stdin.write(`${line}\n`);
      const { value, done } = await lines.next();
      if (done) throw new Error(`${script} failed: ${errors}`);
      return value;
    },
    close: () => void child.kill(),
  };
}

/** Standard output of a script of test/python. */
export function runScript(python: string, script: string, args: readonly string[]): string {
  const result = spawnSync(python, [path.join(SCRIPTS, script), ...args], { encoding: "utf8", maxBuffer: 2 ** 28 });
  if (result.status !== 0) throw new Error(`${script} failed: ${result.stderr}`);
  return result.stdout;
}
