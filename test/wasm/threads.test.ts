/** Both binaries and one, two and three threads: within bounds of the reference, and the same bits whatever the number of threads. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { netFaults, referenceNets, type TestNet } from "../../backends/testing-nets.ts";
import { graphInputs, sampleFaults, sampleGraph, sampleInputs } from "../../backends/testing-samples.ts";
import { judgeBinaries, runModule } from "../../backends/wasm/run.ts";
import { must } from "../../compiler/invariant.ts";
import { allOps } from "../../compiler/ops/index.ts";
import { buildNet } from "../kernels/nets.ts";
import { emit, start } from "./emitted.ts";
import { engine } from "./engine.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

describe.each(referenceNets().map((net) => [net.graph.name, net] as const))("%s", (name, net) => {
  const files = emit(net.graph, net.batch);
  const inputs = graphInputs(net.graph, net.batch, "threads");

  test.each(["plain", "relaxed"] as const)("%s binary: within bounds, the same bits with 1, 2 and 3 threads", async (binary) => {
    const single = await start(files, name, { binary });
    const alone = await single.run(inputs);
    expect(netFaults(net, inputs, alone)).toEqual([]);
    // the first runs cut the steps of a single thread as well
    for (let run = 0; run < 2; run++) expect(await single.run(inputs)).toEqual(alone);
    for (const threads of [2, 3]) {
      const runner = await start(files, name, { binary, threads });
      expect(runner.runtime).toBe(`${binary === "relaxed" ? "relaxed simd" : "simd"}, ${threads} threads`);
      for (let run = 0; run < 3; run++) expect(await runner.run(inputs)).toEqual(alone);
    }
  });
});

test.each(["wasm", "relaxed.wasm"])("what warms the kernels of %s up writes nothing", (binary) => {
  const pen = buildNet("winograd");
  let x = pen.input("image", "N", 64, 14, 14);
  for (let i = 0; i < 12; i++) x = pen.op("conv", x, { out: 64, kernel: 3 }, `conv${i}`);
  const expanded = pen.finish(x);
  expect(emit(expanded, 1).find((f) => f.path === "winograd.js")?.contents).toMatch(/late: \[\[/);
  for (const net of [...referenceNets(), { graph: expanded, batch: 1 }]) {
    const files = emit(net.graph, net.batch);
    const file = (path: string) => must(files.find((f) => f.path === `${net.graph.name}.${path}`)?.contents, path);
    const pages = Number(must(/\bpages: (\d+)/.exec(file("js") as string)?.[1], "pages"));
    const memory = new engine.Memory({ initial: pages, maximum: pages });
    const words = new Uint32Array(memory.buffer).fill(0x4049_0fdb);
    const { exports } = new engine.Instance(new engine.Module(file(binary) as Uint8Array), { env: { memory } });
    (exports as { warm(): void }).warm();
    expect(words.every((w) => w === 0x4049_0fdb)).toBe(true);
  }
});

test("the engine accepts both binaries", async () => {
  for (const net of referenceNets()) expect(await judgeBinaries(emit(net.graph, net.batch))).toEqual([]);
});

describe("relaxed binary: samples of", () => {
  for (const [name, op] of allOps()) {
    test(name, async () => {
      const graph = sampleGraph(name, op);
      const inputs = sampleInputs(name, op);
      const files = emit(graph, 1);
      const outputs = await (await start(files, graph.name, { binary: "relaxed" })).run(inputs);
      expect(sampleFaults(graph, inputs, outputs)).toEqual([]);
    });
  }
});

test("a pool: profile names every layer, dispose ends a run, and 1,000 runs need no more memory", async () => {
  const net = referenceNets()[0] as TestNet;
  const files = emit(net.graph, net.batch);
  const inputs = graphInputs(net.graph, net.batch, "profile");
  for (const threads of [1, 2]) {
    const runner = await start(files, "plain", { threads });
    const profile = await runner.profile(inputs);
    expect(profile.map((p) => p.layer).filter((l) => l.startsWith("stem") || l.startsWith("body"))).toHaveLength(2);
    expect(profile.every((p) => p.ms >= 0)).toBe(true);
    await runner.run(inputs);
    // buffers are freed beside the program, some time after the collection that found them dead: what stays after several is held
    const inUse = async (): Promise<number> => {
      for (let i = 0; i < 5; i++) {
        collectGarbage();
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      return process.memoryUsage().arrayBuffers;
    };
    const before = await inUse();
    for (let i = 0; i < 1000; i++) await runner.run(inputs);
    // the copies of the inputs alone came to 2.3 MB
    expect((await inUse()) - before).toBeLessThan(2 ** 17);
    const running = runner.run(inputs);
    await runner.close();
    await expect(running).rejects.toThrow(/plain: .*dispose/);
    await expect(runner.profile(inputs)).rejects.toThrow("plain: profile after dispose");
  }
}, 60_000);

test("a wrong number of threads is a TypeError, a net without a worker says so", async () => {
  const net = referenceNets()[0] as TestNet;
  const files = emit(net.graph, net.batch);
  await expect(runModule(files, "plain", { threads: 2.5 })).rejects.toThrow("plain: threads must be a whole number from 1 to 64, got 2.5");
});
