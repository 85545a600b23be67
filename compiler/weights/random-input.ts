/** Seeded inputs for `sec run`, `sec verify` and tests: the same numbers on every machine, whatever else is made. */
import { initialValues } from "./init.ts";

/** Half of the range of the values: uniform in [-2, 2), like a normalised picture. */
const RANGE = 2;

export function randomInput(name: string, shape: readonly number[], seed: number): Float32Array {
  const count = shape.reduce((a, b) => a * b, 1);
  // the prefix keeps an input apart from a tensor of the same name
  return initialValues({ kind: "uniform", bound: RANGE }, `input ${name}`, count, seed);
}
