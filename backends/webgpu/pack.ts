/** How weights lie in the `.weights` file. Both variants of a kernel read one packing, so that one file serves both. */

import type { Value } from "../../compiler/ir/graph.ts";
import type { Window } from "../../compiler/ir/kernel.ts";
import { numel } from "../../compiler/ir/type.ts";
import { interleave } from "../../compiler/vectors/kernels.ts";

export interface Packing {
  /** Equal keys of one tensor share a slice. */
  readonly key: string;
  readonly elements: number;
  readonly half: boolean;
  readonly fill: (from: Float32Array, into: Float32Array) => void;
  /** `fill` writes every element. Others are zero before. */
  readonly whole: boolean;
}

const quadsUp = (n: number): number => Math.ceil(n / 4);

/** The tensor as it is, rounded up to whole vec4s. */
export function plain(value: Value): Packing {
  const count = numel(value.type.shape);
  return { key: "plain", elements: quadsUp(count) * 4, half: false, fill: (from, into) => into.set(from), whole: count % 4 === 0 };
}

/** Groups of a convolution after joining neighbours until each has whole vec4s on both sides. */
export interface Blocks {
  /** Joined groups. */
  readonly count: number;
  /** Original groups in one joined group. */
  readonly joined: number;
  /** Input and output channels of one joined group. */
  readonly inputs: number;
  readonly outputs: number;
}

/**
 * A group whose channels are no multiple of 4 would straddle vec4s. Neighbours are joined (their cross weights are 0) until both sides
 * are whole vec4s, at worst into one group over all channels.
 */
export function blocksOf(w: Window): Blocks {
  const inputs = w.in[0] / w.groups;
  const outputs = w.out[0] / w.groups;
  let joined = 1;
  while (joined < w.groups && (w.groups % joined !== 0 || (joined * inputs) % 4 !== 0 || (joined * outputs) % 4 !== 0)) joined++;
  return { count: w.groups / joined, joined, inputs: joined * inputs, outputs: joined * outputs };
}

/** [block][kh][kw][in/4][out/4][4 inputs][4 outputs]: the two vec4s a thread multiplies lie side by side. */
export function contractPacking(w: Window, half: boolean): Packing {
  const blocks = blocksOf(w);
  const [kh, kw] = w.kernel;
  const inQuads = quadsUp(blocks.inputs);
  const outQuads = quadsUp(blocks.outputs);
  const taps = kh * kw;
  return {
    key: `contract ${JSON.stringify([w.groups, w.in[0], w.out[0], kh, kw, half])}`,
    elements: blocks.count * taps * inQuads * outQuads * 16,
    half,
    whole: w.groups === 1 && w.in[0] % 4 === 0 && w.out[0] % 4 === 0,
    fill: (from, into) => (w.groups === 1 ? fillDense(from, into, w.out[0], w.in[0], taps) : fillGrouped(from, into, w, blocks, taps)),
  };
}

/** One group: inputs by four, then what is left of them. */
function fillDense(from: Float32Array, into: Float32Array, outputs: number, inputs: number, taps: number): void {
  const far = quadsUp(outputs) * 16;
  const rows = { from, pitch: inputs * taps, count: outputs };
  const walk = { taps, tap: quadsUp(inputs) * far, step: 4, far, beside: 16 };
  interleave({ ...rows, first: 0 }, into, 0, { ...walk, inners: 4, groups: inputs >> 2 });
  const last = inputs & ~3;
  interleave({ ...rows, first: last * taps }, into, (last >> 2) * far, { ...walk, inners: inputs & 3, groups: 1 });
}

function fillGrouped(from: Float32Array, into: Float32Array, w: Window, blocks: Blocks, taps: number): void {
  const inQuads = quadsUp(blocks.inputs);
  const outQuads = quadsUp(blocks.outputs);
  const perGroupIn = w.in[0] / w.groups;
  const perGroupOut = w.out[0] / w.groups;
  for (let o = 0; o < w.out[0]; o++) {
    const group = Math.floor(o / perGroupOut);
    const block = Math.floor(group / blocks.joined);
    const column = o - block * blocks.outputs;
    for (let i = 0; i < perGroupIn; i++) {
      const row = (group - block * blocks.joined) * perGroupIn + i;
      for (let tap = 0; tap < taps; tap++) {
        const quad = ((block * taps + tap) * inQuads + (row >> 2)) * outQuads + (column >> 2);
        into[quad * 16 + (row & 3) * 4 + (column & 3)] = from[(o * perGroupIn + i) * taps + tap] as number;
      }
    }
  }
}

/** [kh][kw][out], out rounded up to whole vec4s. */
export function depthwisePacking(w: Window, half: boolean): Packing {
  const [kh, kw] = w.kernel;
  const channels = quadsUp(w.out[0]) * 4;
  const taps = kh * kw;
  return {
    key: `depthwise ${half}`,
    elements: taps * channels,
    half,
    whole: w.out[0] % 4 === 0,
    fill: (from, into) => {
      for (let c = 0; c < w.out[0]; c++) for (let t = 0; t < taps; t++) into[t * channels + c] = from[c * taps + t] as number;
    },
  };
}

/** A matrix [out, in] as [in][out]: neighbouring threads make neighbouring outputs and read neighbouring weights. */
export function transposed(outputs: number, inputs: number): Packing {
  return {
    key: "transposed",
    elements: quadsUp(outputs * inputs) * 4,
    half: false,
    whole: (outputs * inputs) % 4 === 0,
    fill: (from, into) => {
      const walk = { taps: 1, tap: 0, inners: inputs, step: outputs, groups: 1, far: 0, beside: 4 };
      interleave({ from, first: 0, pitch: inputs, count: outputs }, into, 0, walk);
    },
  };
}
