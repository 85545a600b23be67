/** Deno, whose WebGPU runs on Mesa's lavapipe: the only software adapter with shader-f16. Dawn's and Chromium's, SwiftShader, has none. */
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { Artifact, Tensors } from "../../backends/backend.ts";
import { fileName } from "../../backends/module/text.ts";
import { must } from "../../compiler/invariant.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
import { boundShape } from "../../compiler/reference/run.ts";
import { temporary, writeFiles } from "./python.ts";

const DRIVERS = "/usr/share/vulkan/icd.d";
const SCRIPT = fileURLToPath(new URL("../deno/run-modules.mjs", import.meta.url));

/** Mesa's driver of the processor, as Debian's package mesa-vulkan-drivers lays it. */
function lavapipe(): string | undefined {
  try {
    const file = readdirSync(DRIVERS).find((name) => /^lvp_icd.*\.json$/.test(name));
    return file && path.join(DRIVERS, file);
  } catch {
    return undefined;
  }
}

export interface DenoJob {
  readonly graph: Graph;
  readonly batch: number;
  readonly files: readonly Artifact[];
  readonly inputs: Tensors;
}

export interface DenoOutcome {
  readonly adapter: { readonly architecture: string; readonly variant: string; readonly f16: boolean };
  readonly outputs: Tensors;
}

/** Why this machine cannot: an error in CI. */
export function whyNoDeno(): string | undefined {
  const missing =
    spawnSync("deno", ["--version"], { stdio: "ignore" }).status !== 0
      ? "Deno is not installed"
      : lavapipe() === undefined
        ? "Mesa's lavapipe (mesa-vulkan-drivers) is not installed"
        : undefined;
  if (missing !== undefined && process.env.CI) throw new Error(missing);
  return missing;
}

const bytesOf = (values: Float32Array): Uint8Array => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

/** All modules in one process. An outcome that is a text is an error. */
export function runInDeno(jobs: readonly DenoJob[]): (DenoOutcome | string)[] {
  const root = temporary();
  try {
    const paths = jobs.map(({ graph, files, inputs }, i) => {
      const folder = path.join(root, String(i));
      mkdirSync(folder);
      writeFiles(
        folder,
        files.filter((f) => !f.path.startsWith("kernels/")),
      );
      const given = path.join(folder, "inputs.bin");
      writeFileSync(given, Buffer.concat(graph.inputs.map((v) => bytesOf(must(inputs[v.name], v.name)))));
      return { module: path.join(folder, `${fileName(graph.name)}.js`), inputs: given, outputs: path.join(folder, "outputs.bin") };
    });
    const list = path.join(root, "jobs.json");
    writeFileSync(list, JSON.stringify(paths));
    const env = {
      ...process.env,
      VK_ICD_FILENAMES: lavapipe(),
      XDG_RUNTIME_DIR: root,
      // kernels run once: optimising them takes longer than it saves
      GALLIVM_PERF: "nopt",
      DENO_DIR: path.join(root, "cache"),
      NO_COLOR: "1",
    };
    const ran = spawnSync("deno", ["run", "-A", "--unstable-webgpu", SCRIPT, list], { encoding: "utf8", env, maxBuffer: 2 ** 26 });
    const lines = ran.stdout.split("\n").filter((line) => line.startsWith("{"));
    if (lines.length !== jobs.length) throw new Error(`Deno ran ${lines.length} of ${jobs.length} modules: ${ran.stderr}`);
    return lines.map((line, i) => {
      const { adapter, error } = JSON.parse(line) as { adapter?: DenoOutcome["adapter"]; error?: string };
      if (!adapter) return `${error}`;
      const { graph, batch } = must(jobs[i], "job");
      const { buffer } = new Uint8Array(readFileSync(must(paths[i], "paths").outputs));
      let at = 0;
      const outputs: [string, Float32Array][] = graph.outputs.map(({ name, value }) => {
        const count = boundShape(value.type, batch).reduce((product, n) => product * n, 1);
        const values = new Float32Array(buffer, at, count);
        at += 4 * count;
        return [name, values];
      });
      return { adapter, outputs: Object.fromEntries(outputs) };
    });
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}
