/** A Program as one readable JavaScript module: a function per distinct layer shape, and a list of calls. */
import { invariant, must, unreachable } from "../../compiler/invariant.ts";
import type { Value, Weight } from "../../compiler/ir/graph.ts";
import type { Kernel, Program } from "../../compiler/ir/kernel.ts";
import { numel } from "../../compiler/ir/type.ts";
import { position } from "../../compiler/source.ts";
import { readInto } from "../../compiler/weights/source.ts";
import type { EmitContext, Emitted } from "../backend.ts";
import { declarations, signatureOf, signatureText } from "../module/dts.ts";
import { prelude } from "../module/prelude.gen.ts";
import { commentText, fileName, identifier, indent, propertyKey, stringLiteral } from "../module/text.ts";
import { f32Section, packWeights, weightsText } from "../module/weights-file.ts";
import { emitContraction } from "./contract.ts";
import { emitExcite } from "./excite.ts";
import { type Call, type Functions, functionTable } from "./functions.ts";
import { emitLoop } from "./loop.ts";
import { scratchFunctions } from "./scratch.gen.ts";

/** Names of the module's own text; no function or variable of a net may take them. */
const MODULE_NAMES =
  "SEEDS digest f32 findWeights hashText kindOf load loadWeights makeNet pad portSize readBytes signature takeInputs arena compute inputs options padded payload rows tensor weight weights";

const sizeOf = (value: Value): number => numel(value.type.shape);

function emitKernel(kernel: Kernel, functions: Functions, isWeight: (value: Value) => boolean): Call {
  switch (kernel.kind) {
    case "loop":
      return emitLoop(kernel, functions, isWeight);
    case "contract":
    case "depthwise":
      return emitContraction(kernel, functions, isWeight);
    case "excite":
      return emitExcite(kernel, functions, isWeight);
    default:
      return unreachable(kernel);
  }
}

/** "layer1.0.conv3 + relu · net.se:12": what a call is and where it was written. */
function remark(kernel: Kernel): string {
  const origin = kernel.from[0]?.origin;
  const name = kernel.name.split("+").join(" + ");
  if (!origin) return commentText(name);
  const file = origin.span.file.name.split("/").at(-1) ?? "";
  return commentText(`${name} · ${file}:${position(origin.span.file, origin.span.start).line}`);
}

export function emitModule(program: Program, { weights, source, store }: EmitContext<unknown>): Emitted {
  const taken = new Set(MODULE_NAMES.split(" "));
  const functions = functionTable(taken);
  const tensors = new Map<Value, Weight>(program.weights.map((w) => [w.value, w]));
  const isWeight = (value: Value): boolean => tensors.has(value);
  for (const [value, storage] of program.storage) {
    invariant(storage.order === "nchw" && storage.halo === 0, `${value.name} is not plain NCHW`);
  }
  const calls = program.kernels.map((kernel) => ({ kernel, call: emitKernel(kernel, functions, isWeight) }));

  const sections = program.weights.map((w) => f32Section(sizeOf(w.value), (into) => readInto(weights, w, into), true));
  const packed = packWeights(sections, store);
  const names = new Map<Value, string>();
  const declared: string[] = [];
  program.weights.forEach((w, i) => {
    // a folded tensor is called after the first it was made of; its comment says all
    const name = identifier(w.path.split(/[+*]/)[0] ?? "", taken);
    names.set(w.value, name);
    const shape = w.value.type.shape.join("×");
    declared.push(
      `const ${name} = weight(${must(packed.offsets[i], "offset") / 4}, ${sizeOf(w.value)}); // ${commentText(w.path)} ${shape}`,
    );
  });
  const arena = arenaPlan(program);
  const inputs = new Map(program.inputs.map((p) => [p.value, p.name]));
  const activations: string[] = [];
  for (const value of valuesOf(program)) {
    if (isWeight(value) || inputs.has(value)) continue;
    const name = identifier(value.name, taken);
    names.set(value, name);
    activations.push(
      `const ${name} = tensor(${must(arena.offsets.get(value), `place of ${value.name}`)}, ${sizeOf(value)}); // ${commentText(value.name)} ${value.type.shape.join("×")}`,
    );
  }
  const argument = (value: Value): string => {
    const input = inputs.get(value);
    return input === undefined ? must(names.get(value), `name of ${value.name}`) : inputText(input);
  };
  const steps = calls.flatMap(({ kernel, call }) => [
    `// ${remark(kernel)}`,
    `${call.fn}(${[...call.values.map(argument), ...call.scratch].join(", ")});`,
  ]);
  const results = program.outputs.map((o) => `${propertyKey(o.name)}: ${argument(o.value)}.slice()`);
  const scratch: string[] = [];
  const rows = functions.scratch.get("rows");
  if (rows)
    scratch.push(`const rows = Array.from({ length: 4 }, () => new Float64Array(${rows})); // sums of a run of pixels, one per channel`);
  const padded = functions.scratch.get("padded");
  if (padded) scratch.push(`const padded = new Float32Array(${padded}); // an input map with its padding`);

  const net = program.name;
  const file = fileName(net);
  const text = `// ${commentText(net)}: compiled from ${commentText(source.split("/").at(-1) ?? "")} for cpu. Written by sec. Do not edit.
//
// Maps are flat Float32Arrays in the order [image][channel][row][column]. Sums of products are kept in f64; every other
// operation is rounded to f32, here by f32() or by the store, so that a layer gives the same bits alone or fused into another.

${signatureText(signatureOf(net, program.inputs, program.outputs))}

const f32 = Math.fround;

${weightsText(`${file}.weights`, packed)}

/**
 * Loads the weights and makes a net that owns its memory; nets are independent of each other.
 * @param {{ weights?: ArrayBuffer | Uint8Array | URL | string }} [options]
 */
export async function load(options = {}) {
  const payload = await loadWeights(signature.name, options.weights, WEIGHTS);
  const weights = new Float32Array(payload.buffer, payload.byteOffset, ${packed.payloadBytes / 4});
  const arena = new Float32Array(${arena.length}); // all activations: a place is used again when its value is dead
  const weight = (/** @type {number} */ from, /** @type {number} */ size) => weights.subarray(from, from + size);
  const tensor = (/** @type {number} */ from, /** @type {number} */ size) => arena.subarray(from, from + size);
${indent(layers(declared, activations, scratch, steps, results), 2)}
}

${functions.list.map((f) => f.text).join("\n\n")}

${functions.shared.has("pad") ? `${scratchFunctions}\n` : ""}${prelude}`;
  return {
    artifacts: [
      { path: `${file}.js`, contents: text, mediaType: "text/javascript" },
      { path: `${file}.d.ts`, contents: declarations(signatureOf(net, program.inputs, program.outputs)), mediaType: "text/x-typescript" },
      { path: `${file}.weights`, contents: packed.file, mediaType: "application/octet-stream" },
    ],
    metrics: { dispatches: program.kernels.length, arenaBytes: arena.length * 4 },
  };
}

const inputText = (name: string): string => (/^[A-Za-z_$][\w$]*$/.test(name) ? `inputs.${name}` : `inputs[${stringLiteral(name)}]`);

function layers(
  declared: readonly string[],
  activations: readonly string[],
  scratch: readonly string[],
  steps: readonly string[],
  results: readonly string[],
): string {
  const section = (title: string, lines: readonly string[]): string[] => (lines.length ? ["", `// ${title}`, ...lines] : []);
  return [
    ...section("Tensors: offset into the weights, size.", declared),
    ...section("Activations: offset into the arena, size.", activations),
    ...section("Scratch memory.", scratch),
    "",
    "/** @param {Record<string, Float32Array>} inputs */",
    "const compute = (inputs) => {",
    ...steps.map((s) => `  ${s}`),
    `  return { ${results.join(", ")} };`,
    "};",
    "return makeNet(signature.name, signature.inputs, compute);",
  ].join("\n");
}

/** Every value a kernel or an output touches, in order of first use. */
function valuesOf(program: Program): Set<Value> {
  const values = new Set<Value>();
  for (const kernel of program.kernels) for (const use of kernel.buffers) values.add(use.value);
  for (const output of program.outputs) values.add(output.value);
  return values;
}

/** Offsets in elements: the program's own plan where there is one, else one place after another. */
function arenaPlan(program: Program): { readonly offsets: ReadonlyMap<Value, number>; readonly length: number } {
  const offsets = new Map<Value, number>();
  const bases: number[] = [];
  let end = 0;
  for (const bytes of program.memory.arenas) {
    bases.push(end);
    end += bytes / 4;
  }
  const elsewhere = new Set([...program.weights.map((w) => w.value), ...program.inputs.map((p) => p.value)]);
  for (const value of valuesOf(program)) {
    if (elsewhere.has(value)) continue;
    const place = program.memory.places.get(value);
    if (place) offsets.set(value, must(bases[place.arena], "arena") + place.offset / 4);
    else {
      offsets.set(value, end);
      end += sizeOf(value);
    }
  }
  return { offsets, length: end };
}
