/** The wasm target: WebAssembly for the net's exact shapes, once for relaxed SIMD and once without, and the module that runs it. */
import * as z from "zod";
import { messages } from "../../compiler/diagnostics/messages.gen.ts";
import { must } from "../../compiler/invariant.ts";
import type { Kernel, Program } from "../../compiler/ir/kernel.ts";
import { borrowed } from "../../compiler/weights/source.ts";
import { API_VERSION, type Artifact, defineBackend, type EmitContext, type Emitted, WRITTEN_BY } from "../backend.ts";
import { declarations, type Signature, signatureOf, signatureText } from "../module/dts.ts";
import { prelude } from "../module/prelude.gen.ts";
import { commentText, fileName, stringLiteral } from "../module/text.ts";
import { f32Section, packWeights, weightsText } from "../module/weights-file.ts";
import { type Assembled, assemble } from "./assemble.ts";
import { contractSteps } from "./contract-steps.ts";
import { depthwiseSteps } from "./depthwise.ts";
import { host, worker } from "./host.gen.ts";
import type { PackedTensor } from "./kernel-code.ts";
import { kernelFiles } from "./kernel-files.ts";
import { addressOf, CONTROL, MOST_BYTES, memoryPlan, PAGE } from "./memory.ts";
import { type Port, type StepList, stepsOf } from "./steps.ts";
import { lateOf, placeOf, weightsLayout } from "./weights-layout.ts";

const options = z.strictObject({
  inline: z.boolean().default(false).meta({ description: "put the WebAssembly into the .js file, as base64" }),
  threads: z
    .boolean()
    .default(true)
    .meta({ description: "write <net>.worker.js, so that `load({ threads: n })` can use a pool of workers" }),
});
type Options = z.output<typeof options>;

function dts(signature: Signature, threads: boolean): string {
  const place = "ArrayBuffer | Uint8Array | URL | string";
  return declarations(signature, {
    options: [
      {
        text: `wasm?: { plain?: ${place}; relaxed?: ${place} }`,
        doc: "The WebAssembly, when it is not beside this module; `relaxed` is taken where relaxed SIMD pays.",
      },
      ...(threads
        ? [
            { text: "threads?: number", doc: "Default 1. More need shared memory: in a page, cross-origin isolation." },
            { text: "worker?: URL | string", doc: "The worker file, when it is not beside this module." },
          ]
        : []),
      { text: "onProgress?: (done: number, total: number) => void", doc: "Files read, then ready." },
    ],
    net: [
      {
        text: `profile(inputs: Parameters<Net["run"]>[0]): Promise<{ readonly layer: string; readonly ms: number }[]>`,
        doc: "Runs once and measures every layer.",
      },
      { text: "readonly relaxed: boolean", doc: "Whether it runs the binary for relaxed SIMD." },
      { text: "readonly threads: number", doc: "Threads that share each layer." },
    ],
  });
}

function base64(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 4095) text += btoa(String.fromCharCode(...bytes.subarray(i, i + 4095)));
  return text;
}

function emit(program: Program, context: EmitContext<Options>): Emitted {
  const lists = [stepsOf(program, { relaxed: false }), stepsOf(program, { relaxed: true })] as const;
  const layout = weightsLayout(lists);
  const { packings, late, offsets } = layout;
  const plan = memoryPlan(program, layout.bytes, lists);
  if (plan.bytes > MOST_BYTES) {
    const need = `${(plan.bytes / 2 ** 30).toFixed(1)} GiB`;
    context.diagnostics.report(messages.SE503.memory({ target: "wasm", net: program.name, need, limit: "4 GiB" }));
    return { artifacts: [], metrics: {} };
  }
  const packed = packWeights(
    packings.map((p) => {
      const fill = (into: Float32Array): void => {
        // the small ones first: what is borrowed is overwritten by the next one read
        const others = (p.others ?? []).map((w) => context.weights.read(w));
        p.fill(borrowed(context.weights, p.weight), into, ...others);
      };
      return f32Section(p.elements, fill, p.whole);
    }),
    context.store,
  );
  const [plain, relaxed] = lists.map((list) => assemble(list, plan, program, layout)) as [Assembled, Assembled];
  const signature = signatureOf(program.name, program.inputs, program.outputs);
  const file = fileName(program.name);
  const { inline, threads } = context.options;

  const layers = [...new Set(lists.flatMap((l) => l.steps.map((s) => s.layer)))];
  const at = new Map(layers.map((layer, i) => [layer, i]));
  const lateSteps = (list: StepList): string => list.steps.map((s) => lateOf(s, layout)).join(", ");
  const layerOf = (list: StepList): string => list.steps.map((s) => at.get(s.layer)).join(", ");
  const lateRow = (p: PackedTensor, i: number): string => {
    const parts = p.expansion?.parts ?? 0;
    const from = must(packed.offsets[packings.length - late.length + i], "offset");
    return `[${[plan.weights + placeOf(p, layout), from, (p.elements * 4) / Math.max(1, parts), parts].join(", ")}]`;
  };
  const range = (p: Port): string => `[${addressOf(p.place, plan, program, offsets)}, ${p.elements}]`;
  const url = (name: string): string => `new URL(${stringLiteral(`./${name}`)}, import.meta.url)`;
  const binary = (assembled: Assembled, name: string): string =>
    inline ? `() => "base64,${base64(assembled.bytes)}"` : `() => ${url(name)}`;
  const first = lists[0];
  const text = `// ${WRITTEN_BY} from ${commentText(context.source.split("/").at(-1) ?? "")}: ${commentText(program.name)} for WebAssembly. Do not edit.
// Tables of this net come first; what follows them is the same for all nets. The kernels are in the .wasm files; kernels/*.wat is their text.

${signatureText(signature)}

const TABLES = {
  net: ${stringLiteral(program.name)},
  /** Of 64 KiB each, with the scratch memory of one thread. */
  pages: ${plan.bytes / PAGE},
  scratch: ${plan.scratch},
  scratchPages: ${plan.scratchBytes / PAGE},
  weights: ${plan.weights},
  digest: ${CONTROL.digest},
  /** Bytes of the payload that are copied while loading. */
  copied: ${packed.offsets[packings.length - late.length] ?? packed.payloadBytes},
  /** What comes later: place in memory, place in the payload, bytes of a part, parts that are expanded (0: as they are). */
  late: [${late.map(lateRow).join(", ")}],
  /** The late one whose place is the window. */
  window: ${layout.window},
  /** Where the caller's numbers go: byte offset, f32 elements. */
  inputs: [${first.inputs.map(range).join(", ")}],
  outputs: [${first.outputs.map(range).join(", ")}],
  layers: [
${layers.map((layer) => `    ${stringLiteral(layer)},`).join("\n")}
  ],
  /** The layer of every step. */
  steps: {
    plain: [${layerOf(lists[0])}],
    relaxed: [${layerOf(lists[1])}],
  },
  /** The late weights that each step reads, or -1. */
  reads: {
    plain: [${lateSteps(lists[0])}],
    relaxed: [${lateSteps(lists[1])}],
  },
  flags: { plain: ${plain.sharedFlag}, relaxed: ${relaxed.sharedFlag} },
  binaries: {
    plain: ${binary(plain, `${file}.wasm`)},
    relaxed: ${binary(relaxed, `${file}.relaxed.wasm`)},
  },
};

${weightsText(`${file}.weights`, packed)}
${
  threads
    ? `
const WORKER = {
  url: () => ${url(`${file}.worker.js`)},
  start: () => new Worker(${url(`${file}.worker.js`)}, { type: "module" }),
};
`
    : "\nconst WORKER = undefined;\n"
}
/**
 * @param {{ weights?: ArrayBuffer | Uint8Array | URL | string, wasm?: any, threads?: number, worker?: URL | string, onProgress?: (done: number, total: number) => void }} [options]
 */
export function load(options = {}) {
  return makeWasmNet(TABLES, signature, import.meta.url, options, () => findWeights(signature.name, options.weights, WEIGHTS), WORKER);
}

${prelude}
${host}`;
  const artifact = (path: string, contents: string | Uint8Array, mediaType: string): Artifact => ({ path, contents, mediaType });
  return {
    artifacts: [
      artifact(`${file}.js`, text, "text/javascript"),
      artifact(`${file}.d.ts`, dts(signature, threads), "text/typescript"),
      artifact(`${file}.weights`, packed.file, "application/octet-stream"),
      artifact(`${file}.wasm`, plain.bytes, "application/wasm"),
      artifact(`${file}.relaxed.wasm`, relaxed.bytes, "application/wasm"),
      ...(threads ? [artifact(`${file}.worker.js`, `// ${WRITTEN_BY}. Do not edit.\n${worker}`, "text/javascript")] : []),
      ...kernelFiles(plain.functions, relaxed.functions).map((k) => artifact(`kernels/${k.name}.wat`, k.text, "text/plain")),
    ],
    metrics: { dispatches: program.kernels.length, arenaBytes: program.memory.arenas.reduce((a, b) => a + b, 0) },
  };
}

/** Of the binary for relaxed SIMD; the other has lower tiles. */
function schedule(program: Program): Program {
  const kernels = program.kernels.map((k): Kernel => {
    const steps =
      k.kind === "contract"
        ? contractSteps(program, k, { relaxed: true })
        : k.kind === "depthwise"
          ? depthwiseSteps(program, k, { relaxed: true })
          : undefined;
    const main = steps?.find((s) => s.algorithm.tile !== undefined);
    return main && (k.kind === "contract" || k.kind === "depthwise") ? { ...k, schedule: main.algorithm } : k;
  });
  return { ...program, kernels };
}

export const wasm = defineBackend({
  name: "wasm",
  apiVersion: API_VERSION,
  level: "kernel",
  summary: "WebAssembly SIMD for the net's exact shapes, one thread or several, no dependencies",
  options,
  wholeNetLimit: 1e-5,
  capabilities: {
    order: "nhwc",
    channelMultiple: 4,
    halo: true,
    winograd: true,
    kinds: ["contract", "depthwise", "excite"],
    arenas: "single",
    alignment: 256,
    maxBuffers: Number.MAX_SAFE_INTEGER,
  },
  emit,
  schedule,
  runner: async (files, net, given) => (await import("./run.ts")).wasmRunner(files, net, given),
  judge: async (files) => (await import("./run.ts")).judgeBinaries(files),
});
