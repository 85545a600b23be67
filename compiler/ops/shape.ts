/** Arithmetic of windows, padding and ranks that several op records share (language.md section 11). */
import { messages } from "../diagnostics/messages.gen.ts";
import type { Window } from "../ir/kernel.ts";
import { type Dim, numel, shapeText, type TensorType } from "../ir/type.ts";
import type { Problem } from "./op.ts";

export type Pair = readonly [number, number];
/** Kernel, stride, dilation as a user may write them. */
export type Size = number | readonly number[];
/** [top, left, bottom, right]. */
export type Pads = readonly [number, number, number, number];
export type Pad = number | readonly number[] | "half" | "valid" | "same";

export const pairOf = (v: Size): Pair => (typeof v === "number" ? [v, v] : [v[0] ?? 1, v[1] ?? v[0] ?? 1]);

export function channels(t: TensorType): number {
  return t.shape[1] as number;
}
export function spatial(t: TensorType): Pair {
  return [t.shape[2] as number, t.shape[3] as number];
}
export const batchOf = (t: TensorType): Dim => t.shape[0] ?? 1;

/** Elements of one image: the shape without its batch. */
export const perImage = (t: TensorType): number => numel(t.shape.slice(1));

export const sizeText = (v: Size): string => (typeof v === "number" ? `${v}` : v.join("x"));

/** SE205 unless the value is a feature map. */
export function notMap(layer: string, t: TensorType): Problem | undefined {
  return t.shape.length === 4 ? undefined : { problem: messages.SE205.map({ layer, shape: shapeText(t.shape) }) };
}

/** SE205 unless the value is [N, F]. */
export function notVector(layer: string, t: TensorType): Problem | undefined {
  return t.shape.length === 2 ? undefined : { problem: messages.SE205.vector({ layer, shape: shapeText(t.shape) }) };
}

/** "1, 2, 4": what divides every number given. */
export function divisorsText(...of: readonly number[]): string {
  const top = Math.min(...of);
  const found: number[] = [];
  for (let d = 1; d <= top; d++) if (of.every((n) => n % d === 0)) found.push(d);
  return found.join(", ");
}

/** SE203 unless `parts` equal runs of channels exist. */
export function notSplit(layer: string, t: TensorType, parts: number, arg: string): Problem | undefined {
  const c = channels(t);
  if (c % parts === 0) return undefined;
  return { problem: messages.SE203.split({ layer, channels: c, parts, divisors: divisorsText(c) }), arg };
}

/** SE203 unless `groups` divides both numbers of channels. */
export function wrongGroups(groups: number, inputs: number, out: number): Problem | undefined {
  if (inputs % groups === 0 && out % groups === 0) return undefined;
  const p = { groups, channels: inputs, out, divisors: divisorsText(inputs, out) };
  return { problem: inputs % groups === 0 ? messages.SE203.out(p) : messages.SE203.channels(p), arg: "groups" };
}

/** Resolves a written padding for an input of size `hw`. "same" is TensorFlow's rule, the smaller half before. */
export function resolvePad(pad: Pad, hw: Pair, kernel: Pair, stride: Pair, dilation: Pair): Pads {
  const reach = (i: 0 | 1): number => dilation[i] * (kernel[i] - 1) + 1;
  if (pad === "valid") return [0, 0, 0, 0];
  if (pad === "half") {
    const [h, w] = [Math.floor((reach(0) - 1) / 2), Math.floor((reach(1) - 1) / 2)];
    return [h, w, h, w];
  }
  if (pad === "same") {
    const total = ([0, 1] as const).map((i) => Math.max((Math.ceil(hw[i] / stride[i]) - 1) * stride[i] + reach(i) - hw[i], 0));
    const [h = 0, w = 0] = total;
    return [Math.floor(h / 2), Math.floor(w / 2), Math.ceil(h / 2), Math.ceil(w / 2)];
  }
  if (typeof pad === "number") return [pad, pad, pad, pad];
  const [a = 0, b = 0, c, d] = pad;
  return c === undefined || d === undefined ? [a, b, a, b] : [a, b, c, d];
}

/** Output length of one axis: floor((n + pads - reach) / stride) + 1; may be < 1, which the caller reports (SE206). */
export function windowLength(n: number, before: number, after: number, kernel: number, stride: number, dilation: number): number {
  return Math.floor((n + before + after - (dilation * (kernel - 1) + 1)) / stride) + 1;
}

/** SE206: nothing is left of the map. */
export function nothingLeft(hw: Pair, kernel: Size): Problem {
  return { problem: messages.SE206.window({ size: sizeText(hw), kernel: sizeText(kernel) }), arg: "kernel" };
}

/** The geometry of a convolution whose output type is known. Batch must be bound. */
export function convWindow(
  input: TensorType,
  output: TensorType,
  a: { readonly kernel: Size; readonly stride: Size; readonly dilation: Size; readonly pad: Pad; readonly groups: number },
): Window {
  const [kernel, stride, dilation] = [pairOf(a.kernel), pairOf(a.stride), pairOf(a.dilation)];
  const [h, w] = spatial(input);
  const [oh, ow] = spatial(output);
  return {
    batch: batchOf(output) as number,
    groups: a.groups,
    in: [channels(input), h, w],
    out: [channels(output), oh, ow],
    kernel,
    stride,
    dilation,
    pad: resolvePad(a.pad, [h, w], kernel, stride, dilation),
  };
}
