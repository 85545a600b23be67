/** Large weights: one after another in a window for the first run, in their places from the second on; the same bits each time. */
import { expect, test } from "vitest";
import type { Artifact } from "../../backends/backend.ts";
import { netFaults } from "../../backends/testing-nets.ts";
import { graphInputs } from "../../backends/testing-samples.ts";
import { runModule } from "../../backends/wasm/run.ts";
import { must } from "../../compiler/invariant.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
import { buildNet, excitation } from "../kernels/nets.ts";
import { emit, start } from "./emitted.ts";

/** Winograd's weights of two sizes, weights that lie as they are, a gate with two large matrices, and small ones between them. */
function largeNet(): Graph {
  const pen = buildNet("large");
  const x = pen.input("image", "N", 64, 14, 14);
  let y = pen.op("relu", pen.op("conv", x, { out: 64, kernel: 3 }, "first"));
  y = pen.op("conv", y, { out: 192, kernel: 3 }, "second");
  y = pen.op("conv", y, { out: 512, kernel: 1 }, "wide");
  y = pen.op("mul", [y, excitation(pen, y, { hidden: 256 })], {}, "gate");
  y = pen.op("conv", y, { out: 64, kernel: 1, stride: 2 }, "narrow");
  y = pen.op("conv", y, { out: 64, kernel: 3, groups: 64 }, "depthwise");
  return pen.finish(pen.op("linear", pen.op("flatten", y), { out: 10 }, "fc"));
}

const graph = largeNet();
const inputs = graphInputs(graph, 1, "late");

const contents = (files: readonly Artifact[], path: string) => must(files.find((f) => f.path === path)?.contents, path);

const numbers = (text: string): number[] => text.split(",").map(Number);

test("weights are late when they are large or expanded; a step reads one of them at most, and the window is the largest", () => {
  const text = contents(emit(graph, 1), "large.js") as string;
  const late = [...must(/\blate: \[(.*)\],/.exec(text)?.[1], "late").matchAll(/\[([^\]]*)\]/g)].map((m) => numbers(must(m[1], "row")));
  const sizes = late.map(([, , size = 0, parts = 0]) => (parts === 0 ? size : (size * parts * 16) / 9));
  // wide, fc1 or fc2 of the gate and narrow as they are; first and second expanded
  expect(late.filter((row) => row[3] === 0).length).toBeGreaterThanOrEqual(3);
  expect(late.filter((row) => row[3] !== 0).length).toBeGreaterThanOrEqual(2);
  expect(sizes.every((s) => s >= 2 ** 17)).toBe(true);
  const window = Number(must(/\bwindow: (-?\d+)/.exec(text)?.[1], "window"));
  expect(sizes[window]).toBe(Math.max(...sizes));
  for (const kind of ["plain", "relaxed"]) {
    const reads = numbers(must(new RegExp(`reads: \\{[^}]*\\b${kind}: \\[([^\\]]*)\\]`).exec(text)?.[1], kind));
    expect([...new Set(reads.filter((i) => i >= 0))].sort()).toEqual(late.map((_, i) => i));
  }
});

test.each(["plain", "relaxed"] as const)(
  "%s binary: the first three runs give the same bits, within bounds, for 1 and 3 threads",
  async (binary) => {
    const files = emit(graph, 1);
    const single = await start(files, "large", { binary });
    const first = await single.run(inputs);
    expect(netFaults({ graph, batch: 1 }, inputs, first)).toEqual([]);
    for (let run = 0; run < 2; run++) expect(await single.run(inputs)).toEqual(first);
    const pool = await start(files, "large", { binary, threads: 3 });
    for (let run = 0; run < 3; run++) expect(await pool.run(inputs)).toEqual(first);
  },
);

test.each([1, 2])("calls at once, and a profile before, between and after runs: %i threads", async (threads) => {
  const files = emit(graph, 1);
  const runner = await start(files, "large", { binary: "plain", threads });
  const [a, b, c] = await Promise.all([runner.run(inputs), runner.run(inputs), runner.run(inputs)]);
  expect([b, c]).toEqual([a, a]);
  const measured = await start(files, "large", { binary: "plain", threads });
  expect((await measured.profile(inputs)).length).toBeGreaterThan(5);
  expect(await measured.run(inputs)).toEqual(a);
  const between = await start(files, "large", { binary: "plain", threads });
  expect(await between.run(inputs)).toEqual(a);
  await between.profile(inputs);
  expect(await between.run(inputs)).toEqual(a);
});

test("weights that were transferred away before they were used: an error that says so; afterwards they are the caller's again", async () => {
  const taken = (bytes: Uint8Array): unknown => structuredClone(bytes.buffer, { transfer: [bytes.buffer as ArrayBuffer] });
  const early = emit(graph, 1);
  const gone = await start(early, "large", { binary: "plain" });
  taken(contents(early, "large.weights") as Uint8Array);
  await expect(gone.run(inputs)).rejects.toThrow(
    "large: the weights that load was given were transferred before the second run had used them",
  );
  const late = emit(graph, 1);
  const runner = await start(late, "large", { binary: "plain" });
  const first = await runner.run(inputs);
  await runner.run(inputs);
  taken(contents(late, "large.weights") as Uint8Array);
  expect(await runner.run(inputs)).toEqual(first);
});

test.each([1, 3])("disposed during the first run: %i threads", async (threads) => {
  const runner = await runModule(emit(graph, 1), graph.name, { binary: "plain", threads });
  const running = runner.run(inputs);
  const ended = running.then(
    () => "done",
    (error: Error) => error.message,
  );
  // in a pool some steps are done by then
  if (threads > 1) for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
  await runner.close();
  expect(await ended).toBe(`large: ${threads > 1 ? "disposed while running" : "run after dispose"}`);
  await expect(runner.run(inputs)).rejects.toThrow("large: run after dispose");
});
