/**
 * What both schedules of a contraction share: geometry, the walk over output rows, the text of the epilogue.
 * A "row" is one output pixel of one image (n * H * W + y * W + x), a "column" four output channels.
 */
import { invariant, must } from "../../compiler/invariant.ts";
import type { ContractKernel, DepthwiseKernel, Window } from "../../compiler/ir/kernel.ts";
import { indent } from "../module/text.ts";
import { inQuads } from "./layout.ts";
import { type Blocks, blocksOf, contractPacking, depthwisePacking } from "./pack.ts";
import { type Declared, declare, type Frame, stored } from "./shader.ts";
import { type Operand, printExprs, type Scope, sum } from "./wgsl.ts";

export interface Geometry {
  readonly window: Window;
  readonly blocks: Blocks;
  /** vec4s of input and output channels of one block. */
  readonly inQuads: number;
  readonly outQuads: number;
  /** Output pixels of one image; of all images. */
  readonly pixels: number;
  readonly rows: number;
  /** Whether some tap of some window lies outside of the input. */
  readonly clipped: boolean;
  /** Whether rows are the input's own pixels: 1x1, stride 1, no padding. */
  readonly pointwise: boolean;
  /** One dispatch layer (z) per image, or per tile of an image when there are channel sums. */
  readonly layers: number;
  readonly tiles: number;
  readonly tilePixels: number;
  readonly declared: Declared;
  readonly input: Operand;
  readonly weight: Operand;
  readonly output: Operand;
  /** Channel of the output value that is channel 0 of the window. */
  readonly firstChannel: number;
  readonly gate?: Operand;
  readonly sums?: Operand;
}

const clips = (size: number, out: number, kernel: number, stride: number, dilation: number, before: number): boolean =>
  before > 0 || (out - 1) * stride + (kernel - 1) * dilation - before >= size;

export function geometryOf(frame: Frame, kernel: ContractKernel | DepthwiseKernel): Geometry {
  const w = kernel.window;
  const depthwise = kernel.kind === "depthwise";
  const gateBuffer = kernel.kind === "contract" ? kernel.gate : undefined;
  const names = new Map([
    [kernel.input, "input"],
    [kernel.weight, "weight"],
    [kernel.output, "result"],
    ...(gateBuffer === undefined ? [] : [[gateBuffer, "gate"] as const]),
    ...(kernel.squeeze ? [[kernel.squeeze.buffer, "sums"] as const] : []),
  ]);
  const packing = depthwise ? depthwisePacking(w, frame.half) : contractPacking(w, frame.half);
  const lanesInQuads = (b: number): boolean => {
    const layout = frame.layout(b);
    return b === kernel.weight || (inQuads(layout) && (layout.lanes % 4 === 0 || frame.isWeight(frame.value(b))));
  };
  const declared = declare(frame, names, lanesInQuads, new Map([[kernel.weight, packing]]));
  const operand = (b: number): Operand => must(declared.operands.get(b), `operand ${b} of ${kernel.name}`);
  const input = operand(kernel.input);
  invariant(input.quads && input.layout.unit !== 3, `${kernel.name}: the input is not stored four channels at a time`);
  const blocks = depthwise ? { count: 1, joined: 1, inputs: w.in[0], outputs: w.out[0] } : blocksOf(w);
  const pixels = w.out[1] * w.out[2];
  const tiles = kernel.squeeze?.tiles ?? 1;
  const perImage = kernel.squeeze !== undefined || (gateBuffer !== undefined && w.batch > 1);
  return {
    window: w,
    blocks,
    inQuads: Math.ceil(blocks.inputs / 4),
    outQuads: Math.ceil(blocks.outputs / 4),
    pixels,
    rows: pixels * w.batch,
    clipped:
      clips(w.in[1], w.out[1], w.kernel[0], w.stride[0], w.dilation[0], w.pad[0]) ||
      clips(w.in[2], w.out[2], w.kernel[1], w.stride[1], w.dilation[1], w.pad[1]),
    pointwise: w.kernel.every((k) => k === 1) && w.stride.every((s) => s === 1) && w.pad.every((p) => p === 0) && input.layout.base === 0,
    layers: perImage ? w.batch * tiles : 1,
    tiles,
    tilePixels: Math.ceil(pixels / tiles),
    declared,
    input,
    weight: operand(kernel.weight),
    output: operand(kernel.output),
    firstChannel: kernel.firstChannel ?? 0,
    ...(gateBuffer === undefined ? {} : { gate: operand(gateBuffer) }),
    ...(kernel.squeeze ? { sums: operand(kernel.squeeze.buffer) } : {}),
  };
}

/** "3x3, stride 2, 56x56x64 -> 28x28x128, gate on the inputs, channel sums". */
export function describe(kernel: ContractKernel | DepthwiseKernel): string {
  const { in: i, out: o, kernel: k, stride, dilation, groups, batch } = kernel.window;
  const pair = ([a, b]: readonly [number, number]): string => (a === b ? String(a) : `${a}x${b}`);
  return [
    k.join("x"),
    ...(pair(stride) === "1" ? [] : [`stride ${pair(stride)}`]),
    ...(pair(dilation) === "1" ? [] : [`dilation ${pair(dilation)}`]),
    ...(groups === 1 || kernel.kind === "depthwise" ? [] : [`${groups} groups`]),
    `${batch > 1 ? `${batch} of ` : ""}${i[1]}x${i[2]}x${i[0]} -> ${o[1]}x${o[2]}x${o[0]}`,
    ...(kernel.kind === "contract" && kernel.gate !== undefined ? ["gate on the inputs"] : []),
    ...(kernel.squeeze ? [`channel sums over ${kernel.squeeze.tiles} tiles`] : []),
  ].join(", ");
}

/** `let first`, `let limit`: the rows of this dispatch layer, from the text of z. */
export function layerRows(g: Geometry, z: string): string[] {
  if (g.layers === 1 && g.tiles === 1) return ["let first = 0;", `let limit = ${g.rows};`];
  if (g.tiles === 1) return [`let first = ${z} * ${g.pixels};`, `let limit = first + ${g.pixels};`];
  return [
    `let image = ${z} / ${g.tiles} * ${g.pixels};`,
    `let first = image + ${z} % ${g.tiles} * ${g.tilePixels};`,
    `let limit = min(first + ${g.tilePixels}, image + ${g.pixels});`,
  ];
}

/** Address in quads of the first channel of input pixel (line = n * H + y, x). */
export function pixelAddress(g: Geometry, line: string, column: string): string {
  const [sn, , sy, sx] = g.input.layout.strides as [number, number, number, number];
  invariant(sn === sy * g.window.in[1] && g.input.layout.base === 0, "inputs with a halo");
  return sum(
    [
      [sy / 4, line],
      [sx / 4, column],
    ],
    0,
  );
}

/**
 * `fn window(row)`: where the window of an output row starts: (n * H, y, x) of its first tap, which may be negative;
 * `fn tap(at, dy, dx)`: address in quads of one tap, -1 outside of the input.
 */
export function windowFunctions(g: Geometry): string[] {
  const w = g.window;
  const [, h, width] = w.out;
  const place = (text: string, stride: number, pad: number): string => sum([[stride, text]], -pad);
  const n = w.batch === 1 ? "0" : `row / ${g.pixels} * ${w.in[1]}`;
  const y = w.batch === 1 ? `row / ${width}` : `row / ${width} % ${h}`;
  const address = pixelAddress(g, "at.x + y", "x");
  // one return and no short-circuits: software adapters take minutes over branches that are inlined into nested loops.
  // A negative coordinate is a large u32
  const inside = `(u32(y) < ${w.in[1]}u) & (u32(x) < ${w.in[2]}u)`;
  return [
    "fn window(row: i32) -> vec3i {",
    `  return vec3i(${n}, ${place(h === 1 ? "0" : y, w.stride[0], w.pad[0])}, ${place(width === 1 ? "0" : `row % ${width}`, w.stride[1], w.pad[1])});`,
    "}",
    "fn tap(at: vec3i, dy: i32, dx: i32) -> i32 {",
    "  let y = at.y + dy;",
    "  let x = at.z + dx;",
    `  return ${g.clipped ? `select(-1, ${address}, ${inside})` : address};`,
    "}",
  ];
}

/**
 * `fn finish(acc, row, c4)`: epilogue and store of four channels of one row; returns what goes into the channel sums, if any do.
 * Padding lanes are stored and summed as 0.
 */
export function finishFunction(g: Geometry, kernel: ContractKernel | DepthwiseKernel): string[] {
  const w = g.window;
  const channels = w.out[0];
  const map = [w.out[1], w.out[2]] as const;
  const axis = (name: string): string => (name === "c" ? "(c4 * 4)" : name);
  const scope: Scope = {
    operands: g.declared.operands,
    axis,
    wide: { axis: "c", quad: "c4", size: channels },
    acc: "acc",
    pixel: { text: "row", map },
    prefix: "t",
  };
  const { lets, parts } = printExprs([kernel.epilogue, ...(kernel.squeeze ? [kernel.squeeze.of] : [])], scope);
  const wide = (p: { text: string; wide: boolean }): string => (p.wide ? p.text : `vec4f(${p.text})`);
  const [value, summed] = parts.map(wide);
  const masked = (text: string): string =>
    channels % 4 === 0 ? text : `select(vec4f(), ${text}, vec4i(c4 * 4) + vec4i(0, 1, 2, 3) < vec4i(${channels}))`;
  const body = [...lets];
  const same = summed === value;
  body.push(`let value = ${masked(must(value, "epilogue"))};`);
  body.push(...storeLines(g));
  if (g.sums) body.push(`return ${same ? "value" : masked(must(summed, "sum"))};`);
  const text = body.join("\n");
  const uses = (name: string): boolean => new RegExp(`\\b${name}\\b`).test(text);
  const coordinates = [
    ...(uses("n") ? [`let n = ${w.batch === 1 ? "0" : g.pixels === 1 ? "row" : `row / ${g.pixels}`};`] : []),
    ...(uses("y") ? [`let y = ${map[0] === 1 ? "0" : w.batch === 1 ? `row / ${map[1]}` : `row / ${map[1]} % ${map[0]}`};`] : []),
    ...(uses("x") ? [`let x = ${map[1] === 1 ? "0" : `row % ${map[1]}`};`] : []),
  ];
  return [`fn finish(acc: vec4f, row: i32, c4: i32)${g.sums ? " -> vec4f" : ""} {`, indent([...coordinates, ...body].join("\n"), 2), "}"];
}

function storeLines(g: Geometry): string[] {
  const { layout, name, quads } = g.output;
  invariant(layout.base === 0, "outputs with a halo");
  const column = g.firstChannel === 0 ? "c4" : `c4 + ${g.firstChannel / 4}`;
  if (quads) return [`${name}[row * ${layout.lanes / 4} + ${column}] = ${stored(g.output, "value", true)};`];
  invariant(g.firstChannel === 0, "a part of a value that is not stored four channels at a time");
  // [n][channels] of a count that is no multiple of 4: one element at a time
  return [0, 1, 2, 3].map(
    (k) =>
      `if (c4 * 4 + ${k} < ${layout.lanes}) { ${name}[row * ${layout.lanes} + c4 * 4 + ${k}] = ${stored(g.output, `value[${k}]`, false)}; }`,
  );
}

/** Address in quads of the sums of dispatch layer `z`, columns `c4`. */
export function sumsAddress(sums: Operand, z: string, c4: string): string {
  invariant(sums.quads, "channel sums are not stored four channels at a time");
  return `${z} * ${sums.layout.lanes / 4} + ${c4}`;
}
