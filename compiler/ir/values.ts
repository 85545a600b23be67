/** Values of a tensor: in memory, or made when they are wanted from what a file stores of them. */

/** Whether this machine keeps numbers as files do. */
export const LITTLE = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

export interface Deferred {
  readonly length: number;
  /** One value, before it is rounded to f32. */
  at(index: number): number;
  /** Fills `into` with the values from `from` on. */
  fill(into: Float32Array, from: number): void;
}

export type TensorValues = Float32Array | Deferred;

/** The values from `from` on, as many as `into` takes. */
export function copyValues(values: TensorValues, into: Float32Array, from = 0): void {
  if (values instanceof Float32Array) into.set(values.subarray(from, from + into.length));
  else values.fill(into, from);
}
