/** How weights lie in the `.weights` file: panels of 8 output channels (4 at an odd end), each its starting values, then [k][8]. */
import type { Weight } from "../../compiler/ir/graph.ts";
import type { Window } from "../../compiler/ir/kernel.ts";
import { interleave } from "../../compiler/vectors/kernels.ts";
import type { PackedTensor } from "./kernel-code.ts";

/** Groups of a convolution; neighbours are joined (their cross weights are 0) until their outputs are whole vectors. */
export interface Groups {
  readonly count: number;
  readonly joined: number;
  /** Channels of one joined group. */
  readonly inputs: number;
  readonly outputs: number;
}

export function groupsOf(w: Window): Groups {
  const inputs = w.in[0] / w.groups;
  const outputs = w.out[0] / w.groups;
  let joined = 1;
  while (joined < w.groups && (w.groups % joined !== 0 || (joined * outputs) % 4 !== 0)) joined++;
  return { count: w.groups / joined, joined, inputs: joined * inputs, outputs: joined * outputs };
}

/** Panels of one group: `wide` of 8 columns, then one of 4 when `narrow`. */
export interface Panels {
  readonly wide: number;
  readonly narrow: boolean;
}

export function panelsOf(outputs: number): Panels {
  const rest = outputs % 8;
  return rest > 0 && rest <= 4 ? { wide: (outputs - rest) / 8, narrow: true } : { wide: Math.ceil(outputs / 8), narrow: false };
}

/** f32 elements of one panel of `columns`, `products` deep. */
export const panelElements = (columns: number, products: number): number => columns * (1 + products);

/** f32 elements of all panels of one group. */
export function groupElements(outputs: number, products: number): number {
  const { wide, narrow } = panelsOf(outputs);
  return wide * panelElements(8, products) + (narrow ? panelElements(4, products) : 0);
}

/** [group][panel][bias, then (kh, kw, c)][columns] */
export function panelPacking(w: Window, weight: Weight, bias: Weight | undefined): PackedTensor {
  const groups = groupsOf(w);
  const taps = w.kernel[0] * w.kernel[1];
  const products = taps * groups.inputs;
  const perGroup = groupElements(groups.outputs, products);
  const ins = w.in[0] / w.groups;
  const outs = w.out[0] / w.groups;
  const { wide } = panelsOf(groups.outputs);
  return {
    weight,
    key: `panels ${[w.groups, ...w.kernel].join(" ")}`,
    elements: perGroup * groups.count,
    ...(bias ? { others: [bias] } : {}),
    whole: groups.joined === 1 && outs % 4 === 0 && bias !== undefined,
    fill: (from, into, start) => {
      if (groups.joined === 1) {
        fillPanels(from, into, w, start);
        return;
      }
      for (let o = 0; o < w.out[0]; o++) {
        const group = Math.floor(o / groups.outputs);
        const column = o % groups.outputs;
        const panel = Math.floor(column / 8);
        const columns = panel < wide ? 8 : 4;
        const base = group * perGroup + panel * panelElements(8, products) + (column % 8);
        if (start) into[base] = start[o] as number;
        // place of this output's own inputs in the joined group
        const first = (Math.floor(o / outs) % groups.joined) * ins;
        for (let i = 0; i < ins; i++) {
          const row = (o * ins + i) * taps;
          const at = base + columns * (1 + first + i);
          for (let t = 0; t < taps; t++) into[at + t * groups.inputs * columns] = from[row + t] as number;
        }
      }
    },
  };
}

/** Groups that are panels by themselves: most of a net's weights. */
function fillPanels(from: Float32Array, into: Float32Array, w: Window, start: Float32Array | undefined): void {
  const taps = w.kernel[0] * w.kernel[1];
  const inputs = w.in[0] / w.groups;
  const outputs = w.out[0] / w.groups;
  const pitch = inputs * taps;
  const { wide } = panelsOf(outputs);
  for (let group = 0, base = 0; group < w.groups; group++) {
    for (let o = 0; o < outputs; o += 8) {
      const columns = o / 8 < wide ? 8 : 4;
      const first = group * outputs + o;
      const count = Math.min(columns, outputs - o);
      if (start) into.set(start.subarray(first, first + count), base);
      const walk = { taps, tap: inputs * columns, inners: inputs, step: columns, groups: 1, far: 0, beside: 4 };
      interleave({ from, first: first * pitch, pitch, count }, into, base + columns, walk);
      base += panelElements(columns, pitch);
    }
  }
}

/** A vector over channels, zeros up to whole panels: read four or eight at a time. */
export function channelPacking(weight: Weight, channels: number): PackedTensor {
  return { weight, key: "channels", elements: Math.ceil(channels / 8) * 8, fill: (from, into) => into.set(from) };
}

/** [channels / 4][bias, then taps][4] */
export function depthwisePacking(w: Window, weight: Weight, bias: Weight | undefined): PackedTensor {
  const taps = w.kernel[0] * w.kernel[1];
  return {
    weight,
    key: "depthwise",
    elements: Math.ceil(w.out[0] / 4) * 4 * (1 + taps),
    ...(bias ? { others: [bias] } : {}),
    fill: (from, into, start) => {
      for (let c = 0; c < w.out[0]; c++) {
        const base = (c >> 2) * 4 * (1 + taps) + (c & 3);
        if (start) into[base] = start[c] as number;
        for (let t = 0; t < taps; t++) into[base + 4 * (1 + t)] = from[c * taps + t] as number;
      }
    },
  };
}
