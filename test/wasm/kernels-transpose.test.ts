/** Between planes and maps in the wasm target: every width from 4 on, every count of channels, both directions, any split of the rows. */
import { expect, it } from "vitest";
import { layoutOf } from "../../backends/wasm/addressing.ts";
import { encodeModule } from "../../backends/wasm/encoder.ts";
import { transposeCode } from "../../backends/wasm/transpose.ts";
import { must } from "../../compiler/invariant.ts";
import type { Value } from "../../compiler/ir/graph.ts";
import { f32 } from "../../compiler/ir/type.ts";
import { numbers } from "../kernels/run.ts";
import { engine } from "./engine.ts";

type Shape = readonly [n: number, c: number, h: number, w: number];

const mapLayout = (shape: Shape, halo: number) => {
  const value: Value = { id: 0, name: "map", type: f32(...shape) };
  return layoutOf(value, { order: "nhwc", channels: Math.ceil(shape[1] / 4) * 4, halo });
};

/** Runs the code on memory that is not a number elsewhere; the planes lie at 1024, the map behind them. */
function run(shape: Shape, halo: number, direction: "into map" | "out of map") {
  const [n, c, h, w] = shape;
  const layout = mapLayout(shape, halo);
  const code = must(transposeCode(layout, direction), "code");
  const planes = 1024;
  const map = planes + Math.ceil((n * c * h * w * 4) / 256) * 256 + 256;
  const bytes = encodeModule({
    imports: [],
    memory: { pages: Math.ceil((map + layout.elements * 4 + 256) / 65536), shared: false },
    exports: [{ name: "step", body: code.body }],
    exportMemory: "memory",
  });
  const exports = new engine.Instance(new engine.Module(bytes)).exports as {
    memory: { buffer: ArrayBuffer };
    step: (...a: number[]) => void;
  };
  const memory = new Float32Array(exports.memory.buffer).fill(Number.NaN);
  const values = Float32Array.from(numbers(7, n * c * h * w));
  const places = Array.from(values, (_, i) => {
    const at = [Math.floor(i / (c * h * w)), Math.floor(i / (h * w)) % c, Math.floor(i / w) % h, i % w];
    return map / 4 + layout.base + at.reduce((sum, k, axis) => sum + k * must(layout.strides[axis], "stride"), 0);
  });
  const into = direction === "into map";
  values.forEach((v, i) => {
    memory[into ? planes / 4 + i : must(places[i], "place")] = v;
  });
  const [from, to] = into ? [planes, map] : [map, planes];
  for (let u = 0; u < code.units; u++) exports.step(u, u + 1, from, to);
  const got = values.map((_, i) => memory[into ? must(places[i], "place") : planes / 4 + i] as number);
  return { memory, values, got, code, layout, map, written: new Set(into ? places : values.map((_, i) => planes / 4 + i)) };
}

it.each([
  [1, 3, 5, 4],
  [2, 3, 4, 7],
  [1, 4, 3, 8],
  [1, 1, 2, 5],
  [2, 7, 3, 6],
  [1, 10, 2, 9],
  [1, 12, 1, 13],
] as const satisfies Shape[])("%s x %s x %s x %s", (...shape) => {
  for (const halo of [0, 2])
    for (const direction of ["into map", "out of map"] as const) {
      const { got, values } = run(shape, halo, direction);
      expect(got).toEqual(values);
    }
});

it("zeroes the lanes of each pixel that no channel has, and touches nothing else", () => {
  const { memory, layout, map, written } = run([1, 3, 3, 5], 1, "into map");
  const lanes = new Set<number>();
  for (let y = 0; y < 3; y++)
    for (let x = 0; x < 5; x++)
      lanes.add(map / 4 + layout.base + y * must(layout.strides[2], "row") + x * must(layout.strides[3], "pixel") + 3);
  for (const at of lanes) expect(memory[at]).toBe(0);
  for (let i = 0; i < layout.elements; i++) if (!written.has(map / 4 + i) && !lanes.has(map / 4 + i)) expect(memory[map / 4 + i]).toBeNaN();
});

it("leaves narrow maps and other ranks to loops", () => {
  expect(transposeCode(mapLayout([1, 8, 3, 3], 0), "into map")).toBeUndefined();
  const vector: Value = { id: 0, name: "vector", type: f32(2, 8) };
  expect(transposeCode(layoutOf(vector, { order: "nhwc", channels: 8, halo: 0 }), "into map")).toBeUndefined();
});
