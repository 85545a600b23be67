/** The references against PyTorch's float64 results (test/python/ops_fixtures.py). */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { allOps, opOf } from "../../compiler/ops/index.ts";
import type { Tensor } from "../../compiler/ops/op.ts";

interface Case {
  readonly op: string;
  readonly attrs: Record<string, unknown>;
  readonly inputs: readonly (readonly number[])[];
  readonly range: readonly [number, number];
  readonly weights: Readonly<Record<string, readonly number[]>>;
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

const cases = JSON.parse(readFileSync(new URL("../fixtures/torch-ops.json", import.meta.url), "utf8")) as Case[];

/** The same hash as `values` in ops_fixtures.py. */
function hashed(shape: readonly number[], seed: number, low: number, high: number): Tensor {
  const data = Float64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => {
    let h = Math.imul(i + 1 + seed * 7919, 2654435761) >>> 0;
    h ^= h >>> 15;
    h = Math.imul(h, 2246822519) >>> 0;
    h ^= h >>> 13;
    return low + ((h >>> 16) / 65536) * (high - low);
  });
  return { shape, data };
}

describe("references equal PyTorch", () => {
  test.each(cases.map((c, i) => [`${i} ${c.op} ${JSON.stringify(c.attrs)}`, c] as const))("%s", (_, c) => {
    const op = opOf(c.op);
    const inputs = c.inputs.map((shape, i) => hashed(shape, i + 1, ...c.range));
    const weights = Object.fromEntries(
      Object.entries(c.weights).map(([name, shape], i) => [
        name,
        name === "running_var" ? hashed(shape, 100 + i, 0.25, 2) : hashed(shape, 100 + i, -1, 1),
      ]),
    );
    const output = op.reference(inputs, weights, op.attrs.parse(c.attrs) as never);
    expect(output.shape).toEqual(c.shape);
    expect(output.data.length).toBe(c.values.length);
    // 9 digits are stored
    for (const [i, want] of c.values.entries())
      expect(Math.abs((output.data[i] as number) - want), `element ${i}`).toBeLessThanOrEqual(1e-8 * (Math.abs(want) + 0.01));
  });

  test("every layer is compared, save those PyTorch has no result of its own for", () => {
    const own = ["affine", "hsigmoid5", "times", "plus", "identity", "dropout", "droppath"];
    const compared = new Set(cases.map((c) => c.op));
    expect(
      [...allOps()]
        .map(([n]) => n)
        .filter((n) => !compared.has(n))
        .sort(),
    ).toEqual([...own].sort());
  });
});
