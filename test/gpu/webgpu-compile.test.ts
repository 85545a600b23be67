/**
 * Every WGSL text the backend prints for the op samples and small nets, in all variants: accepted by Tint (Dawn's null adapter, which checks
 * pipelines against the default limits too), by naga, and clean under our own lint. No GPU runs here.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { beforeAll, describe, expect, test } from "vitest";
import type { Backend } from "../../backends/backend.ts";
import { emitTarget } from "../../backends/emit.ts";
import { importText } from "../../backends/module/import-module.ts";
import { referenceNets } from "../../backends/testing-nets.ts";
import { sampleGraph, sampleWeights } from "../../backends/testing-samples.ts";
import { host } from "../../backends/webgpu/host.gen.ts";
import { webgpu } from "../../backends/webgpu/index.ts";
import { lint } from "../../backends/webgpu/lint.ts";
import { Diagnostics } from "../../compiler/diagnostics/diagnostic.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
import { allOps } from "../../compiler/ops/index.ts";
import type { OptimizeLevel } from "../../compiler/passes/pass.ts";

interface Naga {
  compileShader(wgsl: string, format: string): string;
}

const naga: { open?: Promise<Naga> } = {};
/** One for all tests: its glue keeps views of the first instance's memory. */
const openNaga = (): Promise<Naga> => {
  naga.open ??= wireNaga();
  return naga.open;
};

/** The package is made for bundlers; its WebAssembly is wired by hand here. */
async function wireNaga(): Promise<Naga> {
  const folder = createRequire(import.meta.url)
    .resolve("wgsl-wasm-transpiler-bundler")
    .replace(/[^/\\]+$/, "");
  const glue = (await import(`${folder}wgsl_wasm_transpiler_bg.js`)) as Naga & { __wbg_set_wasm(exports: unknown): void };
  // the types of Node leave WebAssembly out when the DOM library is not there
  const { instantiate } = (
    globalThis as unknown as {
      WebAssembly: { instantiate(bytes: Uint8Array, imports: object): Promise<{ instance: { exports: object } }> };
    }
  ).WebAssembly;
  const { instance } = await instantiate(readFileSync(`${folder}wgsl_wasm_transpiler_bg.wasm`), {
    "./wgsl_wasm_transpiler_bg.js": glue,
  });
  glue.__wbg_set_wasm(instance.exports);
  (instance.exports as { __wbindgen_start?: () => void }).__wbindgen_start?.();
  return glue;
}

const held = globalThis as { secNullGpu?: GPU };
async function openNull(): Promise<GPUDevice> {
  const dawn = (await import("webgpu")) as unknown as { create(flags: string[]): GPU; globals: object };
  Object.assign(globalThis, dawn.globals);
  // must outlive its devices
  held.secNullGpu ??= dawn.create(["backend=null"]);
  const adapter = await held.secNullGpu.requestAdapter();
  if (!adapter) throw new Error("Dawn has no null adapter");
  return adapter.requestDevice({ requiredFeatures: ["shader-f16", "subgroups"] as GPUFeatureName[] });
}

function shadersOf(graph: Graph, batch: number, level: OptimizeLevel, variant: string, f16: boolean): Map<string, string> {
  const emitted = emitTarget({
    backend: webgpu as unknown as Backend,
    graph,
    options: { variant, f16 },
    weights: sampleWeights,
    batch,
    level,
    diagnostics: new Diagnostics(),
    source: "net.se",
  });
  const texts = emitted.artifacts.filter((a) => a.path.endsWith(".wgsl"));
  return new Map(texts.map((a) => [a.contents as string, `${graph.name} ${a.path}`]));
}

function everyShader(variant: string, f16: boolean): Map<string, string> {
  const all = new Map<string, string>();
  const add = (texts: Map<string, string>): void => {
    for (const [text, name] of texts) if (!all.has(text)) all.set(text, name);
  };
  for (const level of f16 ? ([2] as const) : ([0, 2] as const)) {
    for (const [name, op] of allOps()) add(shadersOf(sampleGraph(name, op), 1, level, variant, f16));
    for (const net of referenceNets()) add(shadersOf(net.graph, net.batch, level, variant, f16));
  }
  return all;
}

/** What Tint and Dawn say; nothing for a sound text. */
async function refusal(device: GPUDevice, code: string): Promise<string | undefined> {
  const access = [...code.matchAll(/@binding\((\d+)\) var<storage, (read|read_write)>/g)];
  device.pushErrorScope("validation");
  const module = device.createShaderModule({ code });
  const { messages } = await module.getCompilationInfo();
  const layout = device.createBindGroupLayout({
    entries: access.map(([, binding, mode]) => ({
      binding: Number(binding),
      visibility: 4,
      buffer: { type: mode === "read" ? ("read-only-storage" as const) : ("storage" as const) },
    })),
  });
  device.createComputePipeline({
    layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
    compute: { module, entryPoint: "main" },
  });
  const error = await device.popErrorScope();
  return error?.message ?? messages.map((m) => m.message)[0];
}

describe.each([
  ["register", false],
  ["tiled", false],
  ["auto", true],
] as const)("%s kernels, f16 %s", (variant, f16) => {
  let shaders: Map<string, string>;
  beforeAll(() => {
    shaders = everyShader(variant, f16);
  });

  test("Tint accepts them within the default limits", async () => {
    const device = await openNull();
    const refused: string[] = [];
    for (const [code, name] of shaders) {
      const why = await refusal(device, code);
      if (why !== undefined) refused.push(`${name}: ${why}`);
    }
    device.destroy();
    expect(shaders.size).toBeGreaterThan(100);
    expect(refused).toEqual([]);
  });

  test("naga accepts them", async () => {
    const { compileShader } = await openNaga();
    const { withoutSubgroups } = await importText<{ withoutSubgroups: (code: string) => string }>(`${host}\nexport { withoutSubgroups };`);
    const refused: string[] = [];
    for (const [code, name] of shaders) {
      // a refusal leaves this build unusable: what follows would say nothing
      if (refused.length > 0) break;
      // this build of naga has no f16
      if (code.startsWith("enable f16") || code.includes("\nenable f16")) continue;
      try {
        // nor subgroups: it judges what the host makes of such a text
        compileShader(withoutSubgroups(code), "spirv");
      } catch (error) {
        refused.push(`${name}: ${String((error as Error).message ?? error).slice(0, 300)}`);
      }
    }
    expect(refused).toEqual([]);
  });

  test("the lint finds nothing", () => {
    expect([...shaders].flatMap(([code, name]) => lint(code).map((finding) => `${name}: ${finding}`))).toEqual([]);
  });

  test(f16 ? "f16 texts are among them" : "no text asks for f16", () => {
    expect([...shaders.keys()].some((code) => code.includes("enable f16;"))).toBe(f16);
  });
});

test("the judges judge: a wrong text is refused by each", async () => {
  const device = await openNull();
  const wrong = "@group(0) @binding(0) var<storage, read_write> r: array<f32>;\n@compute @workgroup_size(1) fn main() { r[0] = 1i; }";
  expect(await refusal(device, wrong)).toMatch(/i32/);
  const { compileShader } = await openNaga();
  expect(() => compileShader(wrong, "spirv")).toThrow();
  device.destroy();
});

test("lint finds each trap", () => {
  const main = (body: string): string => `@group(0) @binding(0) var<storage, read_write> r: array<f32, 4>;\nfn main() {\n${body}\n}`;
  const cases: readonly (readonly [string, RegExp])[] = [
    ["r[0] = tanh(r[1]);", /tanh/],
    ["r[0] = exp(r[1]);", /unbounded/],
    ["r[0] = 1.5;", /without a type/],
    ["let x = r[0]; if (x != x) { r[1] = 0.0f; }", /NaN/],
    ["if (r[0] > 0.0f) { return; }\nworkgroupBarrier();", /never reach/],
    ["if (lx == 0) {\n  workgroupBarrier();\n}\nr[0] = 0.0f;", /condition of the thread/],
  ];
  for (const [body, finding] of cases) expect(lint(main(body)).join("\n")).toMatch(finding);
  expect(lint("@group(0) @binding(0) var<storage, read> unused: array<f32, 4>;\nfn main() {}").join()).toMatch(/unused is never used/);
  expect(lint(main("r[0] = exp(min(r[1], 88.0f)) + 1.5f;"))).toEqual([]);
});
