/** The webgpu target: one ES module with WGSL kernels for fixed shapes, weights beside it, no dependencies. */
import * as z from "zod";
import { messages } from "../../compiler/diagnostics/messages.gen.ts";
import type { Program } from "../../compiler/ir/kernel.ts";
import { numel } from "../../compiler/ir/type.ts";
import { borrowed } from "../../compiler/weights/source.ts";
import { API_VERSION, type Artifact, defineBackend, type EmitContext, type Emitted, WRITTEN_BY } from "../backend.ts";
import { declarations, type Signature, signatureOf, signatureText } from "../module/dts.ts";
import { layout, prelude } from "../module/prelude.gen.ts";
import { commentText, stringLiteral, templateLiteral } from "../module/text.ts";
import { f32Section, packWeights, type Section, weightsText } from "../module/weights-file.ts";
import { toHalf } from "./half.ts";
import { host } from "./host.gen.ts";
import { memoryTable } from "./memory-table.ts";
import { type Plan, type PortEntry, planOf, type Resource } from "./plan.ts";
import { modesOf } from "./variants.ts";

const options = z.strictObject({
  variant: z
    .enum(["auto", "tiled", "register"])
    .default("auto")
    .meta({ description: "kernels for hardware (tiled), for software adapters (register), or both, chosen when the module loads (auto)" }),
  f16: z.boolean().default(false).meta({
    description: "store activations and weights in f16 where the device has shader-f16; sums stay f32; f32 kernels are kept beside",
  }),
});
type Options = z.output<typeof options>;

const TYPES = `type Device = typeof globalThis extends { GPUDevice: { prototype: infer D } } ? D : object;
`;

function dts(signature: Signature): string {
  return declarations(signature, {
    types: TYPES,
    options: [
      { text: "device?: Device", doc: "The caller's GPUDevice; by default one is requested, and freed by `dispose`." },
      { text: "onProgress?: (done: number, total: number) => void", doc: "Pipelines compiled so far." },
    ],
    net: [
      {
        text: `profile(inputs: Parameters<Net["run"]>[0]): Promise<{ readonly layer: string; readonly ms: number }[]>`,
        doc: "Runs once and measures every dispatch.",
      },
      {
        text: `readonly adapter: { readonly vendor: string; readonly architecture: string; readonly isFallbackAdapter: boolean; readonly variant: "register" | "tiled"; readonly f16: boolean }`,
        doc: "Where it runs; a fallback adapter is software, where the cpu may be as fast.",
      },
    ],
  });
}

const portRow = (p: PortEntry): string => `{ arena: ${p.arena}, offset: ${p.offset}, lanes: ${p.lanes}, halo: ${p.halo} }`;
const resourceText = (r: Resource): string => ("slice" in r ? String(r.slice) : `[${r.arena}, ${r.offset}, ${r.bytes}]`);

function tablesText(name: string, plan: Plan, offsets: readonly number[]): string {
  const modes = plan.modes.map((m) => `["${m.variant}", ${m.half}]`).join(", ");
  const steps = plan.steps.map((s) => {
    const dispatch = s.dispatch.map((d) => `[${[d.shader, ...d.groups].join(", ")}]`).join(", ");
    return `  [${stringLiteral(s.name)}, [${dispatch}], [${s.bindings.map(resourceText).join(", ")}]],`;
  });
  const slices = plan.slices.map((s, i) => `[${offsets[i]}, ${s.packing.elements}, ${s.packing.half}]`);
  return `/** Kernel texts: access of each binding (r read, w write), WGSL. */
const SHADERS = [
${plan.shaders.map((s) => `  ["${s.access}", ${templateLiteral(s.code)}],`).join("\n")}
];

/** One dispatch each: layer, [shader, workgroups x, y, z] by mode, bindings (a slice of weights, or [arena, offset, bytes]). */
const STEPS = [
${steps.join("\n")}
];

const TABLES = {
  net: ${stringLiteral(name)},
  /** [variant, f16]; the first that fits the device is taken. */
  modes: [${modes}],
  shaders: SHADERS,
  steps: STEPS,
  /** Weights: byte offset in the file, elements, f16. */
  slices: [${slices.join(", ")}],
  arenas: [${plan.arenas.join(", ")}],
  inputs: [${plan.inputs.map(portRow).join(", ")}],
  outputs: [${plan.outputs.map(portRow).join(", ")}],
};`;
}

function sectionsOf(plan: Plan, context: EmitContext<Options>): Section[] {
  return plan.slices.map(({ weight, packing }): Section => {
    if (!packing.half) return f32Section(packing.elements, (into) => packing.fill(borrowed(context.weights, weight), into), packing.whole);
    return {
      bytes: packing.elements * 2,
      fill: (bytes) => {
        const packed = new Float32Array(packing.elements);
        packing.fill(borrowed(context.weights, weight), packed);
        const into = new Uint16Array(bytes.buffer, bytes.byteOffset, packing.elements);
        packed.forEach((v, i) => {
          into[i] = toHalf(v);
        });
      },
    };
  });
}

/** No browser grants a binding of 2 GiB or more, and shaders address with i32. */
const MAX_BINDING = 2 ** 31 - 4;

/** SE503 at every map and weight that no device could bind. */
function fits(program: Program, context: EmitContext<Options>): boolean {
  const maps = [...program.memory.places].map(([value, place]) => ({ path: value.name, bytes: place.bytes }));
  const weights = program.weights.map((w) => ({ path: w.path, bytes: 4 * numel(w.value.type.shape) }));
  const wrong = [...maps, ...weights].filter((b) => b.bytes > MAX_BINDING);
  for (const { path, bytes } of wrong) {
    context.diagnostics.report(
      messages.SE503.buffer({ target: "webgpu", path, need: `${(bytes / 2 ** 30).toFixed(1)} GiB`, limit: "2 GiB" }),
    );
  }
  return wrong.length === 0;
}

function emit(program: Program, context: EmitContext<Options>): Emitted {
  if (!fits(program, context)) return { artifacts: [], metrics: {} };
  const plan = planOf(program, modesOf(context.options.variant, context.options.f16));
  const packed = packWeights(sectionsOf(plan, context), context.store);
  const signature = signatureOf(program.name, program.inputs, program.outputs);
  const name = stringLiteral(program.name);
  const module = `// ${WRITTEN_BY} from ${commentText(context.source)}: ${commentText(program.name)} for WebGPU. Do not edit.
// Tables and kernels of this net come first; what follows them is the same for all nets.

${signatureText(signature)}

${memoryTable(program)}

${tablesText(program.name, plan, packed.offsets)}

${weightsText(`${program.name}.weights`, packed)}

/**
 * @param {{ weights?: ArrayBuffer | Uint8Array | URL | string, device?: any, onProgress?: (done: number, total: number) => void }} [options]
 */
export function load(options = {}) {
  return makeGpuNet(TABLES, signature, options, () => loadWeights(${name}, options.weights, WEIGHTS));
}

${prelude}
${layout}
${host}`;
  const artifact = (path: string, contents: string | Uint8Array, mediaType: string): Artifact => ({ path, contents, mediaType });
  return {
    artifacts: [
      artifact(`${program.name}.js`, module, "text/javascript"),
      artifact(`${program.name}.d.ts`, dts(signature), "text/typescript"),
      artifact(`${program.name}.weights`, packed.file, "application/octet-stream"),
      ...plan.shaders.map((s) => artifact(`kernels/${s.name}.wgsl`, `// ${WRITTEN_BY}. Do not edit.\n${s.code}`, "text/wgsl")),
    ],
    metrics: { dispatches: plan.steps.length, arenaBytes: plan.arenas.reduce((a, b) => a + b, 0) },
  };
}

export const webgpu = defineBackend({
  name: "webgpu",
  apiVersion: API_VERSION,
  level: "kernel",
  summary: "WGSL kernels for the net's exact shapes in one ES module, no dependencies",
  options,
  wholeNetLimit: 1e-4,
  capabilities: {
    order: "nhwc",
    channelMultiple: 4,
    halo: false,
    kinds: ["contract", "depthwise", "excite"],
    arenas: "colored",
    alignment: 256,
    squeezePixels: 32,
    maxBuffers: 8,
  },
  emit,
  runner: async (files, net) => (await import("./run.ts")).webgpuRunner(files, net),
  judge: async (files) => (await import("./run.ts")).judgeShaders(files),
});
