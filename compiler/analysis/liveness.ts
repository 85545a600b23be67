/** When values are alive: from the kernel that first writes them to the last that reads them. */
import type { Value } from "../ir/graph.ts";
import type { Program, Storage } from "../ir/kernel.ts";

export interface LiveValue {
  readonly value: Value;
  readonly bytes: number;
  /** First and last kernel that touch it. Inputs are alive from the first kernel, outputs to the last. */
  readonly live: readonly [first: number, last: number];
}

/** Bytes of a value as stored, padding lanes and halo included. */
export function storedBytes(value: Value, storage: Storage): number {
  const shape = value.type.shape as readonly number[];
  if (shape.length === 4) {
    const [n = 1, , h = 1, w = 1] = shape;
    return n * (h + 2 * storage.halo) * (w + 2 * storage.halo) * storage.channels * 4;
  }
  return shape.slice(0, -1).reduce((bytes, d) => bytes * d, storage.channels * 4);
}

/** In order of first use; inputs first. */
export function liveValues(program: Program): LiveValue[] {
  const last = Math.max(program.kernels.length - 1, 0);
  const ranges = new Map<Value, [number, number]>();
  const touch = (value: Value, at: number): void => {
    const range = ranges.get(value);
    if (!range) ranges.set(value, [at, at]);
    else {
      range[0] = Math.min(range[0], at);
      range[1] = Math.max(range[1], at);
    }
  };
  for (const { value } of program.inputs) touch(value, 0);
  program.kernels.forEach((k, at) => {
    for (const { value } of k.buffers) if (program.storage.has(value)) touch(value, at);
  });
  for (const { value } of program.outputs) if (program.storage.has(value)) touch(value, last);
  return [...ranges].map(([value, live]) => ({ value, live, bytes: storedBytes(value, program.storage.get(value) as Storage) }));
}

/** Largest number of bytes alive during one kernel. */
export function peakBytes(values: readonly LiveValue[]): number {
  const length = values.reduce((n, v) => Math.max(n, v.live[1] + 1), 0);
  const change = new Float64Array(length + 1);
  for (const { bytes, live } of values) {
    change[live[0]]! += bytes;
    change[live[1] + 1]! -= bytes;
  }
  let now = 0;
  let peak = 0;
  for (const c of change) {
    now += c;
    peak = Math.max(peak, now);
  }
  return peak;
}
