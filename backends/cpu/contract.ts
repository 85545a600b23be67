/**
 * Convolutions, depthwise convolutions and linear layers.
 *
 * Up to four output channels at a time, a run of output pixels at a time: the weights of up to eight taps are locals, the innermost loop walks
 * the pixels and adds into one row of f64 sums per channel. (On V8 this shape keeps 2-3 GFLOP/s, twice a register tile: its loads are
 * sequential and its loop has no carried dependency.) Padding and a gate on the input are applied once, to a copy, so no loop tests edges.
 */
import type { Value } from "../../compiler/ir/graph.ts";
import type { ContractKernel, DepthwiseKernel, Window } from "../../compiler/ir/kernel.ts";
import { indent } from "../module/text.ts";
import { type Address, collectAddresses } from "./address.ts";
import { emitEpilogue } from "./epilogue.ts";
import { type Call, type Functions, parameterNames, type ScratchName, shapeOf } from "./functions.ts";

type Contraction = ContractKernel | DepthwiseKernel;

/** Names that emitted contractions use themselves. */
const LOCALS = [
  "rows",
  "padded",
  "totals",
  "sum",
  "value",
  "from",
  "at",
  "row",
  "n",
  "c",
  "c0",
  "i",
  "k",
  "ky",
  "p",
  "x",
  "y",
  "first",
  "acc",
];

/** The largest divisor of `n` that is at most `limit`. */
function divisorUpTo(n: number, limit: number): number {
  let best = 1;
  for (let d = 2; d <= limit; d++) if (n % d === 0) best = d;
  return best;
}

export function emitContraction(kernel: Contraction, functions: Functions, isWeight: (value: Value) => boolean): Call {
  const w = kernel.window;
  const gate = kernel.kind === "contract" ? kernel.gate : undefined;
  const roles = new Map<number, string>([
    [kernel.input, "input"],
    [kernel.weight, "weight"],
    [kernel.output, "output"],
  ]);
  if (gate !== undefined) roles.set(gate, "gate");
  if (kernel.squeeze) roles.set(kernel.squeeze.buffer, "sums");
  const names = parameterNames(kernel, isWeight, roles, LOCALS);
  const plan = planOf(kernel, w);
  const copies = gate !== undefined || w.pad.some((p) => p !== 0);
  const scratch: ScratchName[] = [...(copies ? ["padded" as const] : []), "rows"];
  functions.needScratch("rows", plan.run);

  const [channels, height, width] = w.in;
  const padded = { height: height + w.pad[0] + w.pad[2], width: width + w.pad[1] + w.pad[3] };
  const lines: string[] = [`const [${rowNames(plan.block).join(", ")}] = rows;`];
  const image: string[] = [];
  if (copies) {
    functions.needScratch("padded", channels * padded.height * padded.width);
    functions.shared.add("pad");
    const at = (buffer: number | undefined, size: number): string => {
      if (buffer === undefined) return "null";
      const name = names[buffer] as string;
      return w.batch === 1 ? name : `${name}.subarray(n * ${size}, (n + 1) * ${size})`;
    };
    image.push(
      `pad(${at(kernel.input, channels * height * width)}, ${at(gate, channels)}, ${channels}, ${height}, ${width}, [${w.pad.join(", ")}], padded);`,
    );
  }
  const source: Source = {
    name: copies ? "padded" : (names[kernel.input] as string),
    // the base of image n, where the input is read in place
    base: copies || w.batch === 1 ? "" : `n * ${channels * height * width} + `,
    row: padded.width,
    plane: padded.height * padded.width,
  };
  const sums = sumLines(w, plan, source, names[kernel.weight] as string);
  const epilogue = emitEpilogue(kernel, plan, names);
  const pixels =
    plan.kind === "dot"
      ? [...sums, ...epilogue.lines]
      : [
          plan.merged ? `for (let p = 0; p < ${w.out[1] * w.out[2]}; p += ${plan.run}) {` : `for (let y = 0; y < ${w.out[1]}; y++) {`,
          ...[...sums, ...epilogue.lines].map((l) => `  ${l}`),
          "}",
        ];
  image.push(
    `for (let c0 = 0; c0 < ${w.out[0]}; c0 += ${plan.block}) {`,
    ...[...epilogue.before, ...pixels, ...epilogue.after].map((l) => `  ${l}`),
    "}",
  );
  if (kernel.squeeze && kernel.squeeze.tiles > 1) lines.push(`${names[kernel.squeeze.buffer]}.fill(0);`);
  if (w.batch === 1) lines.push(...image);
  else lines.push(`for (let n = 0; n < ${w.batch}; n++) {`, ...image.map((l) => `  ${l}`), "}");

  return functions.add(nameOf(kernel), kernel, names, scratch, indent(lines.join("\n"), 2), docOf(kernel, epilogue.text));
}

interface Source {
  readonly name: string;
  readonly base: string;
  readonly row: number;
  readonly plane: number;
}

/** How a contraction is cut: `block` output channels by `run` pixels; `taps` weights of each channel per pass over the run. */
export interface Plan {
  /** "row": a kernel row per pass; "window": a whole depthwise window; "channels": several input channels of a 1×1; "dot": one pixel. */
  readonly kind: "row" | "window" | "channels" | "dot";
  readonly block: number;
  readonly run: number;
  /** The run crosses rows of the map: p counts pixels, y and x are not known. */
  readonly merged: boolean;
  readonly taps: number;
}

function planOf(kernel: Contraction, w: Window): Plan {
  const [kh, kw] = w.kernel;
  const outs = w.out[0] / w.groups;
  const ins = w.in[0] / w.groups;
  const block = divisorUpTo(outs, 4);
  const unpadded = w.pad.every((p) => p === 0);
  if (w.out[1] * w.out[2] === 1 && unpadded && kh === w.in[1] && kw === w.in[2])
    return { kind: "dot", block, run: 1, merged: false, taps: 1 };
  const flat = kh * kw === 1 && w.stride[0] * w.stride[1] === 1 && unpadded && walksFlat(kernel);
  // runs of whole rows, short enough that four f64 rows stay in the first-level cache
  const rows = flat ? divisorUpTo(w.out[1], Math.max(1, Math.floor(128 / w.out[2]))) : 1;
  const run = rows * w.out[2];
  if (kh * kw === 1) return { kind: "channels", block, run, merged: flat, taps: divisorUpTo(ins, 4) };
  if (ins === 1 && block === 1 && kh * kw <= 25) return { kind: "window", block, run, merged: false, taps: kh * kw };
  return { kind: "row", block, run, merged: false, taps: Math.min(kw, 8) };
}

/** Whether the epilogue and the squeeze see the map as one run of pixels. */
function walksFlat(kernel: Contraction): boolean {
  const shape = (buffer: number): readonly number[] => shapeOf(kernel.buffers[buffer]!.value);
  const addresses: Address[] = [];
  const byValue = new Set<string>();
  for (const e of [kernel.epilogue, ...(kernel.squeeze ? [kernel.squeeze.of] : [])]) collectAddresses(e, shape, addresses, byValue);
  if (byValue.has("y") || byValue.has("x")) return false;
  const width = kernel.window.out[2];
  return width === 1 || addresses.every((a) => (a.strides.get("y") ?? 0) === (a.strides.get("x") ?? 0) * width);
}

const rowNames = (block: number): string[] => Array.from({ length: block }, (_, k) => `row${k}`);
const plus = (name: string, offset: number): string => (offset === 0 ? name : `${name} + ${offset}`);
const times = (name: string, factor: number): string => (factor === 1 ? name : `${name} * ${factor}`);
const sum = (...terms: string[]): string => terms.filter((t) => t !== "" && t !== "0").join(" + ") || "0";

/** `const a = ..., b = ...;`, four to a line. */
function constants(items: readonly string[]): string[] {
  const lines: string[] = [];
  for (let i = 0; i < items.length; i += 4) lines.push(`const ${items.slice(i, i + 4).join(", ")};`);
  return lines;
}

/** The sums of one run into `row0..`. */
function sumLines(w: Window, plan: Plan, source: Source, weight: string): string[] {
  const [kh, kw] = w.kernel;
  const outs = w.out[0] / w.groups;
  const ins = w.in[0] / w.groups;
  const products = ins * kh * kw;
  const rows = rowNames(plan.block);
  // first input channel of the group that c0 belongs to
  const first = w.groups === 1 ? "" : outs === 1 ? times("c0", ins) : `((c0 / ${outs}) | 0) * ${ins}`;
  const base = source.base.replace(/ \+ $/, "");
  const planeOf = (channel: string): string => (channel === "" ? "" : times(/[ +]/.test(channel) ? `(${channel})` : channel, source.plane));

  if (plan.kind === "dot") {
    return [
      ...rows.map((_, k) => `let sum${k} = 0;`),
      `const from = ${sum(base, planeOf(first))};`,
      `for (let k = 0; k < ${products}; k++) {`,
      `  const value = ${source.name}[from + k];`,
      ...rows.map((_, k) => `  sum${k} += ${weight}[${k === 0 ? "" : "("}c0${k === 0 ? "" : ` + ${k})`} * ${products} + k] * value;`),
      "}",
      ...rows.map((row, k) => `${row}[0] = sum${k};`),
    ];
  }

  /** Offsets of each tap from `from`, and of its weight from `at`. */
  interface Tap {
    readonly input: number;
    readonly weight: number;
  }
  const pass = (taps: readonly Tap[], from: string, at: string, add: boolean): string[] => [
    `const from = ${from};`,
    `const at = ${at};`,
    ...rows.flatMap((_, r) => constants(taps.map((t, k) => `w${r}_${k} = ${weight}[${plus("at", r * products + t.weight)}]`))),
    `for (let x = 0; x < ${plan.run}; x++) {`,
    ...constants(taps.map((t, k) => `v${k} = ${source.name}[${plus(`from + ${times("x", w.stride[1])}`, t.input)}]`)).map((l) => `  ${l}`),
    ...rows.map((row, r) => `  ${row}[x] ${add ? "+=" : "="} ${taps.map((_, k) => `w${r}_${k} * v${k}`).join(" + ")};`),
    "}",
  ];
  const line = plan.merged ? "p" : times("y", w.stride[0] * source.row);
  const at0 = times("c0", products);

  if (plan.kind === "window") {
    const taps = Array.from({ length: kh * kw }, (_, k) => ({
      input: Math.floor(k / kw) * w.dilation[0] * source.row + (k % kw) * w.dilation[1],
      weight: k,
    }));
    return pass(taps, sum(base, planeOf(first), line), at0, false);
  }
  const clear = rows.map((row) => `${row}.fill(0, 0, ${plan.run});`);
  if (plan.kind === "channels") {
    const taps = Array.from({ length: plan.taps }, (_, k) => ({ input: k * source.plane, weight: k }));
    return [
      ...clear,
      `for (let i = 0; i < ${ins}; i += ${plan.taps}) {`,
      ...pass(taps, sum(base, planeOf(sum(first, "i")), line), sum(at0, "i"), true).map((l) => `  ${l}`),
      "}",
    ];
  }
  // a kernel row per pass, wide ones in pieces of eight taps
  const pieces: string[] = [];
  for (let start = 0; start < kw; start += plan.taps) {
    const taps = Array.from({ length: Math.min(plan.taps, kw - start) }, (_, k) => ({
      input: (start + k) * w.dilation[1],
      weight: start + k,
    }));
    const from = sum(base, planeOf(sum(first, "i")), line, times("ky", w.dilation[0] * source.row));
    const lines = pass(taps, from, sum(at0, times("i", kh * kw), times("ky", kw)), true);
    pieces.push(...(kw > plan.taps ? ["{", ...lines.map((l) => `  ${l}`), "}"] : lines));
  }
  return [
    ...clear,
    `for (let i = 0; i < ${ins}; i++) {`,
    `  for (let ky = 0; ky < ${kh}; ky++) {`,
    ...pieces.map((l) => `    ${l}`),
    "  }",
    "}",
  ];
}

function nameOf(kernel: Contraction): string {
  const w = kernel.window;
  if (w.in[1] * w.in[2] * w.out[1] * w.out[2] === 1) return `linear_${w.in[0]}_${w.out[0]}`;
  const kind = kernel.kind === "depthwise" ? "depthwise" : "conv";
  return `${kind}${w.kernel.join("x")}_${w.in.join("x")}_${w.out[0]}`;
}

function docOf(kernel: Contraction, epilogue: string): string {
  const w = kernel.window;
  const size = (s: readonly number[]): string => s.join("×");
  const facts = [
    ...(w.stride.some((s) => s !== 1) ? [`stride ${size(w.stride)}`] : []),
    ...(w.dilation.some((d) => d !== 1) ? [`dilation ${size(w.dilation)}`] : []),
    ...(w.pad.some((p) => p !== 0) ? [`padding ${w.pad.join(", ")}`] : []),
    ...(w.groups !== 1 ? [`${w.groups} groups`] : []),
    ...(kernel.kind === "contract" && kernel.gate !== undefined ? ["input channels scaled by the gate"] : []),
    ...(kernel.squeeze ? ["channel sums kept for the squeeze"] : []),
  ];
  const linear = w.in[1] * w.in[2] * w.out[1] * w.out[2] === 1;
  const head = linear ? `Linear, ${w.in[0]} to ${w.out[0]}` : `${size(w.kernel)} convolution, ${size(w.in)} to ${size(w.out)}`;
  return `${[head, ...facts].join(", ")}: ${epilogue}`;
}
