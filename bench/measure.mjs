/** Runs a command line of `sec` several times as a whole process and gives the medians: CPU time, wall time, peak memory. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));
export const root = path.dirname(here);
export const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];

/** Node reads the certificates that this names whenever it starts, before any program: 80 ms for the 140 of a usual system. */
const { NODE_EXTRA_CA_CERTS: _, ...ENVIRONMENT } = process.env;

/** `args` of node, or what gives those of the next run; with `runs` repetitions after one that does not count. */
export function measureNode(args, { runs = 5, cwd = root, warmup = 1 } = {}) {
  const folder = mkdtempSync(path.join(os.tmpdir(), "sec-bench-"));
  const usage = path.join(folder, "usage.json");
  const samples = [];
  for (let i = -warmup; i < runs; i++) {
    const line = typeof args === "function" ? args() : args;
    const started = performance.now();
    const { status, stdout, stderr } = spawnSync(process.execPath, ["--require", path.join(here, "usage.cjs"), ...line], {
      cwd,
      env: { ...ENVIRONMENT, SEC_USAGE_FILE: usage },
      encoding: "utf8",
      maxBuffer: 1 << 28,
    });
    if (status !== 0) throw new Error(`${line.join(" ")} ended with ${status}\n${stderr}`);
    if (i >= 0) samples.push({ wall: performance.now() - started, stdout, ...JSON.parse(readFileSync(usage, "utf8")) });
  }
  rmSync(folder, { recursive: true });
  return {
    cpu: median(samples.map((s) => s.cpu)),
    wall: median(samples.map((s) => s.wall)),
    peak: median(samples.map((s) => s.peak)),
    stdout: samples.at(-1).stdout,
  };
}

export const sec = path.join(root, "dist/cli/main.cjs");
export const ms = (x) => `${x.toFixed(0)} ms`;
