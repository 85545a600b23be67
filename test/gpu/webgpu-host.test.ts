/** The module's host on a device of this machine: devices of the caller, f16 modules where there is no shader-f16, large weights. */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Artifact, Backend } from "../../backends/backend.ts";
import { emitTarget } from "../../backends/emit.ts";
import { importModule } from "../../backends/module/import-module.ts";
import { netFaults, referenceNets } from "../../backends/testing-nets.ts";
import { graphInputs, referenceInputs, sampleWeights } from "../../backends/testing-samples.ts";
import { webgpu } from "../../backends/webgpu/index.ts";
import { type GpuNet, openDevice } from "../../backends/webgpu/run.ts";
import { Diagnostics } from "../../compiler/diagnostics/diagnostic.ts";
import { must } from "../../compiler/invariant.ts";
import { rounded, runReference } from "../../compiler/reference/run.ts";
import { buildNet } from "../kernels/nets.ts";

const net = must(
  referenceNets().find((n) => n.graph.name === "se_mobile"),
  "se_mobile",
);
const inputs = graphInputs(net.graph, net.batch, "host");
const want = must(
  runReference(net.graph, referenceInputs(net.graph, net.batch, inputs), rounded(sampleWeights), { batch: net.batch }).logits,
  "logits",
).data;
const scale = Math.max(...want.map(Math.abs));

const files = (options: unknown, of = net): readonly Artifact[] =>
  emitTarget({
    backend: webgpu as unknown as Backend,
    graph: of.graph,
    options,
    weights: sampleWeights,
    batch: of.batch,
    level: 2,
    diagnostics: new Diagnostics(),
    source: "net.se",
  }).artifacts;

let device: GPUDevice;
beforeAll(async () => {
  const opened = await openDevice();
  if ("unavailable" in opened) throw new Error(opened.unavailable);
  device = opened.device;
});
afterAll(() => device.destroy());

async function start(artifacts: readonly Artifact[], given: object, name = "se_mobile"): Promise<GpuNet> {
  const module = await importModule(artifacts, name);
  return (await module.load({ device: given, weights: module.weights })) as GpuNet;
}
const distance = (logits: Float32Array): number => Math.max(...[...logits].map((v, i) => Math.abs(v - (want[i] as number)))) / scale;

/** The device with some properties answered otherwise. */
const disguised = (changes: Readonly<Record<string, unknown>>): object =>
  new Proxy(device, {
    get(target, key) {
      if (typeof key === "string" && key in changes) return changes[key];
      const value = Reflect.get(target, key);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });

test("an f16 module runs its f32 kernels where there is no shader-f16, on weights rounded to f16", async () => {
  const artifacts = files({ variant: "auto", f16: true });
  const plain = files({ variant: "auto", f16: false });
  const size = (list: readonly Artifact[]): number => must(list[2], "weights").contents.length;
  expect(size(artifacts)).toBeLessThan(size(plain));
  const loaded = await start(artifacts, device);
  expect(loaded.adapter).toMatchObject({ f16: device.features.has("shader-f16"), variant: "register" });
  const logits = must((await loaded.run(inputs)).logits, "logits");
  loaded.dispose();
  expect(distance(logits)).toBeLessThanOrEqual(5e-3);
  // rounding is visible: these are not the f32 weights
  expect(distance(logits)).toBeGreaterThan(1e-6);
});

test("weights that exceed maxBufferSize are spread over several buffers", async () => {
  const small = must(
    referenceNets().find((n) => n.graph.name === "se_bottleneck"),
    "se_bottleneck",
  );
  const artifacts = files({ variant: "register", f16: false }, small);
  const sizes: number[] = [];
  const createBuffer = (descriptor: GPUBufferDescriptor): GPUBuffer => {
    if (descriptor.label === "weights") sizes.push(descriptor.size);
    return device.createBuffer(descriptor);
  };
  const limit = 5120;
  const limits = new Proxy(device.limits, { get: (target, key) => (key === "maxBufferSize" ? limit : Reflect.get(target, key)) });
  const given = graphInputs(small.graph, small.batch, "host");
  const outcomes: Float32Array[] = [];
  for (const on of [device, disguised({ createBuffer, limits })]) {
    const loaded = await start(artifacts, on, "se_bottleneck");
    outcomes.push(must((await loaded.run(given)).logits, "logits"));
    loaded.dispose();
  }
  expect(sizes.length).toBeGreaterThan(1);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(limit);
  expect(outcomes[1]).toEqual(outcomes[0]);
});

test("without subgroups a quad shares through workgroup memory, with the same result", async () => {
  const artifacts = files({ variant: "register", f16: false });
  expect(must(artifacts[0], "module").contents).toContain("quadBroadcast");
  const texts: string[] = [];
  const createShaderModule = (descriptor: GPUShaderModuleDescriptor): GPUShaderModule => {
    texts.push(descriptor.code);
    return device.createShaderModule(descriptor);
  };
  const features = new Set([...device.features].filter((f) => String(f) !== "subgroups"));
  const outcomes: Float32Array[] = [];
  for (const on of [device, disguised({ features, createShaderModule })]) {
    const loaded = await start(artifacts, on);
    outcomes.push(must((await loaded.run(inputs)).logits, "logits"));
    loaded.dispose();
  }
  expect(texts.some((code) => code.includes("four[lane] = v"))).toBe(true);
  expect(texts.filter((code) => /subgroup|quadBroadcast/.test(code))).toEqual([]);
  expect(outcomes[1]).toEqual(outcomes[0]);
});

test("a map of more rows than a dispatch has workgroups in one dimension", async () => {
  const side = 1028;
  const pen = buildNet("wide");
  const graph = pen.finish(
    pen.op("relu", pen.op("conv", pen.input("image", "N", 1, side, side), { out: 1, kernel: 1, pad: 0, bias: true })),
  );
  const given = graphInputs(graph, 1, "wide");
  const expected = must(runReference(graph, referenceInputs(graph, 1, given), rounded(sampleWeights), { batch: 1 }).out, "out").data;
  const artifacts = files({ variant: "register", f16: false }, { graph, batch: 1 });
  const module = must(artifacts[0], "module").contents as string;
  expect(Math.ceil(side ** 2 / 16)).toBeGreaterThan(65_535);
  expect(module).toContain("quad 16x16");
  const loaded = await start(artifacts, device, "wide");
  const out = must((await loaded.run(given)).out, "out");
  loaded.dispose();
  expect(out.reduce((most, y, i) => Math.max(most, Math.abs(y - (expected[i] as number))), 0)).toBeLessThanOrEqual(1e-6);
});

test("a device that is too small is refused with the limit it lacks", async () => {
  const limits = new Proxy(device.limits, {
    get: (target, key) => (key === "maxStorageBufferBindingSize" ? 256 : Reflect.get(target, key)),
  });
  await expect(start(files({ variant: "auto", f16: false }), disguised({ limits }))).rejects.toThrow(
    /^se_mobile: this net needs maxStorageBufferBindingSize \d+, the given device has 256/,
  );
});

test("a kernel that does not compile is reported with its layer", async () => {
  const artifacts = files({ variant: "register", f16: false });
  const broken = artifacts.map((a) =>
    a.path === "se_mobile.js" ? { ...a, contents: (a.contents as string).replace("fn finish(acc: vec4f", "fn finish(acc: vec3f") } : a,
  );
  await expect(start(broken, device)).rejects.toThrow(/^se_mobile: expand\.conv.*: /);
});

test("layers of real size compile in seconds and are right: a bottleneck of SE-ResNet's third stage", async () => {
  const pen = buildNet("bottleneck");
  const x = pen.input("image", "N", 128, 14, 14);
  const narrow = pen.op("relu", pen.op("conv", x, { out: 64, kernel: 1, pad: 0, bias: true }));
  const v = pen.op("relu", pen.op("conv", narrow, { out: 64, kernel: 3, stride: 1, pad: 1, bias: true }));
  const u = pen.op("conv", v, { out: 128, kernel: 1, pad: 0, bias: true });
  const hidden = pen.op("relu", pen.op("conv", pen.op("gap", u), { out: 8, kernel: 1, pad: 0, bias: true }));
  const gate = pen.op("sigmoid", pen.op("conv", hidden, { out: 128, kernel: 1, pad: 0, bias: true }));
  const graph = pen.finish(pen.op("relu", pen.op("add", [pen.op("mul", [u, gate]), x])));
  const given = graphInputs(graph, 1, "real");
  // minutes, when branches were inlined into the loops over taps
  const start0 = process.cpuUsage();
  const loaded = await start(files({ variant: "register", f16: false }, { graph, batch: 1 }), device, "bottleneck");
  const { user, system } = process.cpuUsage(start0);
  const out = must((await loaded.run(given)).out, "out");
  loaded.dispose();
  expect((user + system) / 1e6).toBeLessThan(10);
  expect(netFaults({ graph, batch: 1 }, given, { out })).toEqual([]);
});

test("profile: every dispatch by the device's clock, and without one each on its own; not after dispose", async () => {
  const artifacts = files({ variant: "register", f16: false });
  expect(device.features.has("timestamp-query")).toBe(true);
  let queries = 0;
  const createQuerySet = (descriptor: GPUQuerySetDescriptor): GPUQuerySet => {
    queries++;
    return device.createQuerySet(descriptor);
  };
  const without = new Set([...device.features].filter((f) => f !== "timestamp-query"));
  const names: string[][] = [];
  for (const [changes, used] of [
    [{ createQuerySet }, 1],
    [{ createQuerySet, features: without }, 0],
  ] as const) {
    queries = 0;
    const loaded = await start(artifacts, disguised(changes));
    const started = performance.now();
    const profile = await loaded.profile(inputs);
    const took = performance.now() - started;
    expect(queries).toBe(used);
    // parts of the whole, whatever the machine: a wrong unit is off by a thousand
    expect(profile.every((p) => p.ms >= 0)).toBe(true);
    const sum = profile.reduce((n, p) => n + p.ms, 0);
    expect(sum).toBeGreaterThan(0);
    expect(sum).toBeLessThanOrEqual(took);
    names.push(profile.map((p) => p.layer));
    // a profile changes no result
    expect(distance(must((await loaded.run(inputs)).logits, "logits"))).toBeLessThanOrEqual(1e-4);
    const pending = loaded.profile(inputs);
    loaded.dispose();
    await expect(pending).rejects.toThrow(/^se_mobile: .*dispose/);
    await expect(loaded.profile(inputs)).rejects.toThrow("se_mobile: profile after dispose");
  }
  expect(names[1]).toEqual(names[0]);
  expect(names[0]?.length).toBe(new Set(names[0]).size);
});

test("hardware gets the tiled kernels; the caller's device outlives the net", async () => {
  const adapterInfo = { vendor: "maker", architecture: "chip", isFallbackAdapter: false };
  const loaded = await start(files({ variant: "auto", f16: false }), disguised({ adapterInfo }));
  expect(loaded.adapter).toEqual({ vendor: "maker", architecture: "chip", isFallbackAdapter: false, variant: "tiled", f16: false });
  expect(distance(must((await loaded.run(inputs)).logits, "logits"))).toBeLessThanOrEqual(1e-4);
  loaded.dispose();
  const again = await start(files({ variant: "register", f16: false }), device);
  expect((await again.run(inputs)).logits).toHaveLength(want.length);
  again.dispose();
});
