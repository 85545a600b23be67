/** Vector functions against the engine's own, in ULP of the result. */
import { describe, expect, it } from "vitest";
import { encodeModule } from "../../backends/wasm/encoder.ts";
import { FunctionWriter } from "../../backends/wasm/function-writer.ts";
import { emitExp, emitLog, emitPow, emitTanh } from "../../backends/wasm/vector-math.ts";
import { engine } from "./engine.ts";

const LANES = 4;

/** Runs `emit` over all of `inputs`, whose length is a multiple of 4. */
function mappedBy(relaxed: boolean, emit: (f: FunctionWriter) => void, inputs: Float32Array): Float32Array {
  const f = new FunctionWriter(["i32", "i32"], relaxed);
  const at = f.param(0);
  f.until(at, f.param(1), 16, () => {
    f.get(at).get(at).memory("v128.load");
    emit(f);
    f.memory("v128.store");
  });
  const bytes = encodeModule({
    imports: [],
    memory: { pages: Math.ceil(inputs.byteLength / 65536), shared: false },
    exports: [{ name: "map", body: f.finish("map") }],
    exportMemory: "memory",
  });
  const instance = new engine.Instance(new engine.Module(bytes));
  const { map, memory } = instance.exports as { map: (from: number, to: number) => void; memory: { buffer: ArrayBuffer } };
  const values = new Float32Array(memory.buffer, 0, inputs.length);
  values.set(inputs);
  map(0, inputs.byteLength);
  return values.slice();
}

function ulp(v: number): number {
  const exponent = Math.max(Math.floor(Math.log2(Math.abs(v))), -126);
  return 2 ** (exponent - 23);
}

/** Evenly over [from, to]. */
const ramp = (from: number, to: number, count = 65536): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => from + ((to - from) * i) / (count - 1));

function worst(inputs: Float32Array, got: Float32Array, exact: (v: number) => number, unit: (v: number) => number): number {
  let most = 0;
  inputs.forEach((x, i) => {
    const y = exact(x);
    const error = Math.abs((got[i] as number) - y) / unit(y);
    most = Math.max(most, Number.isNaN(error) ? Number.POSITIVE_INFINITY : error);
  });
  return most;
}

describe.each([
  ["plain", false],
  ["relaxed", true],
] as const)("vector functions, %s", (_, relaxed) => {
  const mapped = (emit: (f: FunctionWriter) => void, inputs: Float32Array): Float32Array => mappedBy(relaxed, emit, inputs);

  it("exp within 2 ULP, held at the ends of its range", () => {
    const x = ramp(-87.33, 88.37);
    expect(worst(x, mapped(emitExp, x), Math.exp, ulp)).toBeLessThan(2);
    const small = ramp(-2, 2);
    expect(worst(small, mapped(emitExp, small), Math.exp, ulp)).toBeLessThan(2);
    const [a, b, c, d] = mapped(emitExp, Float32Array.of(-1000, 1000, 0, Number.NEGATIVE_INFINITY)) as unknown as number[];
    expect([c, (a as number) < 1.3e-38, (b as number) > 2e38, (d as number) < 1.3e-38]).toEqual([1, true, true, true]);
  });

  it("log within 2 ULP, absolutely near 1", () => {
    const x = ramp(1e-3, 50);
    expect(worst(x, mapped(emitLog, x), Math.log, (v) => Math.max(ulp(v), 2 ** -24))).toBeLessThan(2);
    const far = Float32Array.from({ length: 248 }, (_, i) => 1.1 * 2 ** (i - 124));
    expect(worst(far, mapped(emitLog, far), Math.log, ulp)).toBeLessThan(2);
    expect([...mapped(emitLog, Float32Array.of(0, -1, 1, 1))]).toEqual([Number.NEGATIVE_INFINITY, Number.NaN, 0, 0]);
  });

  it("tanh within 2e-7", () => {
    const x = ramp(-20, 20);
    expect(worst(x, mapped(emitTanh, x), Math.tanh, () => 1)).toBeLessThan(2e-7);
    expect([...mapped(emitTanh, Float32Array.of(-200, 200, 0, -0))].map(Math.abs)).toEqual([1, 1, 0, 0]);
  });

  it("pow within 3 ULP plus ULP of its logarithm", () => {
    for (const exponent of [0.75, -0.75, 2, 0.5]) {
      const x = ramp(0.01, 40);
      const got = mapped((f) => void emitPow(f.f32x4(exponent)), x);
      expect(
        worst(
          x,
          got,
          (v) => v ** exponent,
          (y) => ulp(y) * (3 + Math.abs(Math.log(y))),
        ),
      ).toBeLessThan(1);
    }
  });

  it("handles all four lanes alike", () => {
    const x = ramp(-5, 5, LANES * 16);
    const shifted = mapped(emitExp, Float32Array.of(0, 0, 0, ...x.subarray(0, x.length - 3)));
    const straight = mapped(emitExp, x);
    expect([...shifted.subarray(3)]).toEqual([...straight.subarray(0, x.length - 3)]);
  });
});
