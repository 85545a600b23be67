/** `sec bench`: its arithmetic by a clock that the test holds, layers, what is skipped and why. No number here depends on the machine. */
import { expect, test } from "vitest";
import { quantile } from "../../backends/bench.ts";
import { cpu } from "../../backends/cpu/index.ts";
import { outputSchemas } from "../../cli/output-schemas.ts";
import { installBackend, PLAIN, type Project, project, TINY } from "./project.ts";

/** Every look at it is `step` milliseconds later: a timed run takes just that. */
function clock(step = 2): () => number {
  let at = 0;
  return () => {
    at += step;
    return at;
  };
}

async function bench(p: Project, args: readonly string[], now = clock()) {
  const ran = await p.sec(["bench", ...args, "--json"], { now });
  expect(ran.code, ran.out + ran.err).toBe(0);
  const [result] = ran.json().map((v) => outputSchemas.bench.parse(v));
  if (!result) throw new Error("no result");
  return result;
}

test("GFLOP/s are two operations a multiply-add over the median, the share is that over the peak of as many threads", async () => {
  const p = project({ "net.se": PLAIN });
  const { macs, results, peaks, skipped } = await bench(p, ["net.se", "-t", "wasm,cpu", "--runs", "7"]);
  expect(macs).toBe(5604992);
  expect(skipped).toEqual([]);
  expect(results.map((r) => [r.target, r.runs, r.threads, r.medianMs, r.p95Ms])).toEqual([
    ["wasm", 7, 1, 2, 2],
    ["cpu", 7, 1, 2, 2],
  ]);
  expect(peaks).toHaveLength(1);
  const peak = peaks[0]?.gflops ?? 0;
  expect(peak).toBeGreaterThan(0);
  for (const r of results) {
    expect(r.gflops).toBeCloseTo((2 * macs) / 2e6, 4);
    expect(r.peakShare).toBeCloseTo(r.gflops / peak, 3);
  }
});

test("layers of wasm are its kernels in order, with path and op; cpu has none", async () => {
  const p = project({ "net.se": PLAIN });
  const { results } = await bench(p, ["net.se", "-t", "wasm,cpu", "--runs", "1"]);
  const inspected = (await p.sec(["inspect", "net.se", "-t", "wasm", "--json"])).json().map((v) => outputSchemas.inspect.parse(v));
  const layers = results[0]?.layers ?? [];
  expect(layers.map((l) => l.kernel).filter((k) => !/^(take|give)/.test(k))).toEqual(inspected[0]?.kernels?.map((k) => k.name));
  expect(layers.map((l) => [l.path, l.op]).filter(([, op]) => op === "conv" || op === "maxpool")).toEqual([
    ["conv1", "conv"],
    ["3", "maxpool"],
    ["conv2", "conv"],
    ["att.fc1", "conv"],
    ["8", "maxpool"],
  ]);
  for (const l of layers) expect(l.ms).toBeGreaterThanOrEqual(0);
  expect(results[1]?.layers).toEqual([]);
});

test("quantiles are measurements by nearest rank: one slow run in twenty is no p95, two are", () => {
  const times = (slow: number): number[] => Array.from({ length: 20 }, (_, i) => (i < slow ? 100 + i : 1));
  expect([quantile(times(1), 0.5), quantile(times(1), 0.95)]).toEqual([1, 1]);
  expect([quantile(times(2), 0.5), quantile(times(2), 0.95)]).toEqual([1, 100]);
  expect(quantile([7], 0.95)).toBe(7);
});

test("a target that cannot run, differs or fails is skipped with the reason, and the others are measured", async () => {
  const p = project({ "tiny.se": TINY });
  const runner = cpu.runner;
  if (!runner) throw new Error("cpu has no runner");
  installBackend(p, "absent", { ...cpu, name: "absent", runner: async () => ({ unavailable: "the package absent is not installed" }) });
  installBackend(p, "wrong", {
    ...cpu,
    name: "wrong",
    runner: async (...given: Parameters<typeof runner>) => {
      const made = await runner(...given);
      if ("unavailable" in made) return made;
      return { ...made, run: async (x: Parameters<typeof made.run>[0]) => ({ logits: (await made.run(x)).logits?.map((v) => v * 1.01) }) };
    },
  });
  installBackend(p, "broken", {
    ...cpu,
    name: "broken",
    runner: async () => {
      throw new Error("tiny: this net needs a larger device\nand more");
    },
  });
  const { results, skipped } = await bench(p, ["tiny.se", "-t", "cpu,absent,wrong,broken", "--runs", "1"]);
  expect(results.map((r) => r.target)).toEqual(["cpu"]);
  expect(skipped).toEqual([
    { target: "absent", reason: "the package absent is not installed" },
    { target: "wrong", reason: "its outputs differ from those of cpu by 1.0e-2 of the largest; sec verify says which is wrong" },
    { target: "broken", reason: "it does not run: tiny: this net needs a larger device" },
  ]);
  const none = await p.sec(["bench", "tiny.se", "-t", "absent"]);
  expect(none.code).toBe(2);
  expect(none.out).toContain("skipped: the package absent is not installed");
  expect(none.err).toContain("nothing was measured");
});

test("--threads: wasm shares its layers among them and is held to their peak; not without its worker", async () => {
  const p = project({ "tiny.se": TINY });
  const { results, peaks } = await bench(p, ["tiny.se", "--threads", "2", "--runs", "1"]);
  expect(results[0]).toMatchObject({ target: "wasm", threads: 2 });
  expect(results[0]?.runtime).toContain("2 threads");
  expect(peaks.map((k) => k.threads)).toEqual([2]);
  const refused = await p.sec(["bench", "tiny.se", "--threads", "2", "--set", "wasm.threads=false"]);
  expect(refused.code).toBe(2);
  expect(refused.out).toContain("compiled with wasm.threads=false");
});

test("for people: a row a target, the peak, a bar a layer", async () => {
  const p = project({ "net.se": PLAIN });
  const { out, code } = await p.sec(["bench", "net.se", "-t", "wasm", "--runs", "1", "--batch", "2"], { now: clock() });
  expect(code).toBe(0);
  expect(out).toContain("plain    image 2×3×32×32 · 22.4 MFLOP a run");
  expect(out).toMatch(/^ {2}wasm +2\.00 +2\.00 +11\.2 +[\d.]+ % +1 {2}.*1 thread$/m);
  expect(out).toMatch(/^ {2}peak [\d.]+ GFLOP\/s on 1 thread: /m);
  expect(out).toMatch(/^ {2}conv2\+relu\+squeeze +conv +[\d.]+ +[\d.]+ +[\d.]+ % {2}[█▏▎▍▌▋▊▉]+$/m);
});
