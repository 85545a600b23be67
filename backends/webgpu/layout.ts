/**
 * Addresses: where the elements of a value or weight lie in its buffer. Kernels speak in logical coordinates ([n, c, y, x]); only this
 * file and the packings know bytes. All numbers count elements, never bytes.
 */
import { invariant } from "../../compiler/invariant.ts";
import type { Value } from "../../compiler/ir/graph.ts";
import type { Storage } from "../../compiler/ir/kernel.ts";

export interface Layout {
  /** One stride per axis of the value. */
  readonly strides: readonly number[];
  /** Address of the element whose coordinates are all 0 (the halo lies before it). */
  readonly base: number;
  /** The axis whose stride is 1. */
  readonly unit: number;
  /** Stored length of that axis, at least its size; the padding always holds 0. */
  readonly lanes: number;
  /** Stored elements, padding and halo included. */
  readonly elements: number;
}

export function sizesOf(value: Value): number[] {
  return value.type.shape.map((d) => {
    invariant(typeof d === "number", `${value.name}: open batch in a kernel`);
    return d;
  });
}

/** Row-major strides of `stored` sizes. */
function rowMajor(stored: readonly number[]): number[] {
  const strides = stored.map(() => 1);
  for (let i = stored.length - 2; i >= 0; i--) strides[i] = (strides[i + 1] as number) * (stored[i + 1] as number);
  return strides;
}

const product = (sizes: readonly number[]): number => sizes.reduce((p, s) => p * s, 1);

/**
 * Layout of a value by its storage; weights (no storage) are row-major as PyTorch keeps them. Rank-2 values are [n][channels];
 * other ranks are row-major with their last axis stored `channels` long (partial sums: [batch][tiles][channels]).
 */
export function layoutOf(value: Value, storage: Storage | undefined): Layout {
  const sizes = sizesOf(value);
  const rank = sizes.length;
  if (rank === 4 && storage) {
    const [n, , h, w] = sizes as [number, number, number, number];
    const rows = h + 2 * storage.halo;
    const columns = w + 2 * storage.halo;
    const channels = storage.channels;
    const elements = n * rows * columns * channels;
    if (storage.order === "nhwc") {
      const strides = [rows * columns * channels, 1, columns * channels, channels];
      return { strides, base: storage.halo * (columns + 1) * channels, unit: 1, lanes: channels, elements };
    }
    const strides = [channels * rows * columns, rows * columns, columns, 1];
    return { strides, base: storage.halo * (columns + 1), unit: 3, lanes: columns, elements };
  }
  const last = sizes[rank - 1] ?? 1;
  // vectors of weights are filled up to whole vec4s by their packing
  const lanes = storage || rank !== 1 ? Math.max(last, storage?.channels ?? 0) : Math.ceil(last / 4) * 4;
  const stored = [...sizes.slice(0, -1), lanes];
  return { strides: rowMajor(stored), base: 0, unit: Math.max(rank - 1, 0), lanes, elements: product(stored) };
}

/** Whether every run of the unit axis can be read four elements at a time. */
export function inQuads(layout: Layout): boolean {
  const others = layout.strides.filter((_, i) => i !== layout.unit);
  return layout.base % 4 === 0 && others.every((s) => s % 4 === 0);
}
