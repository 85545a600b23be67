/** Runs emitted WebGPU modules in Node, through the npm package `webgpu` (Dawn). */
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import type { Artifact, LayerTime, Runner, Unavailable } from "../backend.ts";
import { importModule, type LoadedNet } from "../module/import-module.ts";

interface Dawn {
  create(flags: string[]): GPU;
  readonly globals: object;
}

/** What `load` of a WebGPU module returns beyond the common part. */
export interface GpuNet extends LoadedNet {
  profile(inputs: Readonly<Record<string, Float32Array>>): Promise<readonly LayerTime[]>;
  readonly adapter: {
    readonly vendor: string;
    readonly architecture: string;
    readonly isFallbackAdapter: boolean;
    readonly variant: string;
    readonly f16: boolean;
  };
}

const held = globalThis as { secWebgpu?: GPU; secNullGpu?: GPU };

/**
 * Dawn's entry object. It must outlive every device, or the process dies: so it is made once and kept on globalThis.
 * The null backend compiles shaders without any driver, and runs nothing.
 */
async function openGpu(backend?: "null"): Promise<GPU | Unavailable> {
  const key = backend ? "secNullGpu" : "secWebgpu";
  const known = held[key];
  if (known) return known;
  const places = [createRequire(path.join(process.cwd(), "package.json")), createRequire(import.meta.url)];
  for (const require of places) {
    let entry: string;
    try {
      entry = require.resolve("webgpu");
    } catch {
      continue;
    }
    try {
      const { importUrl } = await import("../module/import-url.ts");
      const dawn = await importUrl<Dawn>(pathToFileURL(entry).href);
      Object.assign(globalThis, dawn.globals);
      const gpu = dawn.create(backend ? [`backend=${backend}`] : []);
      held[key] = gpu;
      return gpu;
    } catch (error) {
      return { unavailable: `the package webgpu is installed but does not load: ${(error as Error).message.split("\n")[0]}` };
    }
  }
  return { unavailable: "the package webgpu is not installed" };
}

/** A device of the machine's adapter, with what its kernels can use; `unavailable` says what is missing. */
export async function openDevice(): Promise<{ readonly device: GPUDevice; readonly info: GPUAdapterInfo } | Unavailable> {
  const gpu = await openGpu();
  if ("unavailable" in gpu) return gpu;
  const adapter = await gpu.requestAdapter();
  if (!adapter) {
    const icd = process.env.VK_ICD_FILENAMES;
    return { unavailable: `no WebGPU adapter (VK_ICD_FILENAMES is ${icd ? `"${icd}"` : "not set"})` };
  }
  // the type of feature names is older than subgroups
  const wanted = ["timestamp-query", "shader-f16", "subgroups"] as GPUFeatureName[];
  const features = wanted.filter((f) => adapter.features.has(f));
  const { maxBufferSize, maxStorageBufferBindingSize } = adapter.limits;
  const device = await adapter.requestDevice({
    requiredFeatures: features,
    requiredLimits: { maxBufferSize, maxStorageBufferBindingSize },
  });
  return { device, info: adapter.info };
}

/** Tint as judge of every kernel; f16 and subgroups included. */
export async function judgeShaders(files: readonly Artifact[]): Promise<readonly string[] | Unavailable> {
  const gpu = await openGpu("null");
  if ("unavailable" in gpu) return gpu;
  const adapter = await gpu.requestAdapter();
  if (!adapter) return { unavailable: "the package webgpu has no null adapter" };
  const wanted = ["shader-f16", "subgroups"] as GPUFeatureName[];
  const device = await adapter.requestDevice({ requiredFeatures: wanted.filter((f) => adapter.features.has(f)) });
  const wrong: string[] = [];
  for (const file of files.filter((f) => f.path.endsWith(".wgsl"))) {
    const { messages } = await device.createShaderModule({ code: file.contents as string }).getCompilationInfo();
    for (const m of messages) if (m.type === "error") wrong.push(`${file.path}:${m.lineNum}:${m.linePos}: ${m.message}`);
  }
  device.destroy();
  return wrong;
}

export async function webgpuRunner(files: readonly Artifact[], net: string): Promise<Runner | Unavailable> {
  const opened = await openDevice();
  if ("unavailable" in opened) return opened;
  const module = await importModule(files, net);
  const loaded = (await module.load({ device: opened.device, weights: module.weights })) as GpuNet;
  const { adapter } = loaded;
  const kind = adapter.isFallbackAdapter ? " (software adapter)" : "";
  return {
    runtime: `${adapter.architecture || adapter.vendor || "WebGPU"}${kind}, ${adapter.variant} kernels${adapter.f16 ? ", f16" : ""}`,
    half: adapter.f16,
    software: adapter.isFallbackAdapter,
    run: (inputs) => loaded.run(inputs),
    profile: (inputs) => loaded.profile(inputs),
    close: async () => {
      loaded.dispose();
      opened.device.destroy();
    },
  };
}
