/**
 * Addresses: where the elements of a value or weight lie. Kernels speak in logical coordinates ([n, c, y, x]); this file and the packings know
 * bytes. All numbers count f32 elements.
 */
import { invariant } from "../../compiler/invariant.ts";
import type { Value } from "../../compiler/ir/graph.ts";
import type { Storage } from "../../compiler/ir/kernel.ts";

export interface Layout {
  readonly sizes: readonly number[];
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

const product = (sizes: readonly number[]): number => sizes.reduce((p, s) => p * s, 1);

/** Row-major with one axis moved to the end and stored `lanes` long. */
export function axisLast(sizes: readonly number[], unit: number, lanes: number): Layout {
  const strides = sizes.map(() => 1);
  let stride = lanes;
  for (let i = sizes.length - 1; i >= 0; i--) {
    if (i === unit) continue;
    strides[i] = stride;
    stride *= sizes[i] as number;
  }
  return { sizes, strides, base: 0, unit, lanes, elements: stride };
}

/** As the caller's arrays and the graph's tensors lie. */
export function rowMajor(sizes: readonly number[]): Layout {
  const last = Math.max(sizes.length - 1, 0);
  return sizes.length === 0
    ? { sizes, strides: [], base: 0, unit: 0, lanes: 1, elements: 1 }
    : axisLast(sizes, last, sizes[last] as number);
}

/** Rank 4: [n][y][x][channels] with the halo around each map; other ranks row-major with the last axis stored `channels` long. */
export function layoutOf(value: Value, storage: Storage): Layout {
  const sizes = sizesOf(value);
  if (sizes.length !== 4) return sizes.length === 0 ? rowMajor(sizes) : axisLast(sizes, sizes.length - 1, storage.channels);
  const [n, , h, w] = sizes as [number, number, number, number];
  invariant(storage.order === "nhwc" || storage.halo === 0, `${value.name}: a halo in NCHW`);
  // -O0 leaves the order of the graph
  if (storage.order === "nchw") return rowMajor(sizes);
  const rows = h + 2 * storage.halo;
  const columns = w + 2 * storage.halo;
  const { channels, halo } = storage;
  const strides = [rows * columns * channels, 1, columns * channels, channels];
  return {
    sizes,
    strides,
    base: halo * (columns + 1) * channels,
    unit: 1,
    lanes: channels,
    elements: product([n, rows, columns, channels]),
  };
}

/** Whether every run of the unit axis can be read four elements at a time. */
export function inQuads({ strides, base, unit, lanes }: Layout): boolean {
  return lanes % 4 === 0 && base % 4 === 0 && strides.every((s, i) => i === unit || s % 4 === 0);
}
