/** Windows of maps in the wasm target: every edge of the map, each kernel alone, on memory that is not a number outside of the values. */
import { describe, expect, it } from "vitest";
import { layoutOf } from "../../backends/wasm/addressing.ts";
import { loopCode } from "../../backends/wasm/loops.ts";
import { windowTaps } from "../../backends/wasm/window-taps.ts";
import { must } from "../../compiler/invariant.ts";
import type { Value } from "../../compiler/ir/graph.ts";
import type { LoopKernel, Program, Storage } from "../../compiler/ir/kernel.ts";
import { f32, numel } from "../../compiler/ir/type.ts";
import { type PoolAttrs, poolKernel, poolType } from "../../compiler/ops/pool.ts";
import { runFast } from "../kernels/jit.ts";
import { numbers } from "../kernels/run.ts";
import type { Built } from "./kernel-case.ts";
import { instantiate } from "./kernels-harness.ts";

interface Pool {
  readonly in: readonly [n: number, c: number, h: number, w: number];
  readonly attrs: Partial<PoolAttrs> & Pick<PoolAttrs, "kernel">;
  readonly countPad?: boolean;
  readonly halo?: number;
}

const POOLS: Readonly<Record<string, Pool>> = {
  "3x3 at stride 1": { in: [1, 8, 9, 7], attrs: { kernel: 3, stride: 1, pad: 1 } },
  "3x3 at stride 2, a halo around": { in: [2, 12, 11, 12], attrs: { kernel: 3, stride: 2, pad: 1 }, halo: 2 },
  "the padding counted": { in: [1, 4, 6, 6], attrs: { kernel: 3, stride: 1, pad: 1 }, countPad: true },
  "size rounded up": { in: [1, 8, 8, 8], attrs: { kernel: 3, stride: 2, ceil: true } },
  "uneven padding": { in: [1, 4, 7, 7], attrs: { kernel: 2, stride: 2, pad: [1, 0, 0, 1] } },
  "2x2 without padding": { in: [1, 16, 8, 6], attrs: { kernel: 2 } },
  "dilation 2": { in: [1, 4, 10, 9], attrs: { kernel: 3, stride: 1, dilation: 2, pad: 2 } },
  "dilation 3, the window as large as the map": { in: [1, 4, 4, 4], attrs: { kernel: 3, stride: 1, dilation: 3, pad: 3 } },
  "13x13, not written out": { in: [1, 4, 13, 13], attrs: { kernel: 13, stride: 1, pad: 6 } },
  "one row": { in: [1, 8, 1, 9], attrs: { kernel: [1, 3], stride: 1, pad: [0, 1, 0, 1] } },
  "channels of no vector": { in: [1, 7, 5, 5], attrs: { kernel: 3, stride: 2, pad: 1 } },
  "the whole map": { in: [1, 6, 4, 5], attrs: { kernel: [4, 5] } },
};

function poolOf(
  { in: shape, attrs, countPad = false, halo = 0 }: Pool,
  fn: "max" | "mean",
): Built & { loop: LoopKernel; in: Value; out: Value } {
  const a: PoolAttrs = { pad: 0, ceil: false, ...attrs };
  const input: Value = { id: 0, name: "input", type: f32(...shape) };
  const type = poolType("pool", input.type, a);
  if ("problem" in type) throw new Error(String(type.problem));
  const output: Value = { id: 1, name: "output", type };
  const loop = poolKernel("pool", input, output, a, fn, countPad);
  const stored = (halo: number): Storage => ({ order: "nhwc", channels: Math.ceil(shape[1] / 4) * 4, halo });
  const program: Program = {
    name: "one",
    inputs: [],
    outputs: [],
    kernels: [loop],
    weights: [],
    storage: new Map([
      [input, stored(halo)],
      [output, stored(0)],
    ]),
    memory: { arenas: [], places: new Map(), lowerBound: 0, mixed: new Set() },
  };
  return { program, kernel: loop as unknown as Built["kernel"], loop, in: input, out: output };
}

const cutsOf = (units: number): number[] => Array.from({ length: units + 1 }, (_, i) => i);

describe.each(["max", "mean"] as const)("%s", (fn) => {
  // averages have no dilation
  const pools = Object.entries(POOLS).filter(([, { attrs }]) => fn === "max" || attrs.dilation === undefined);
  it.each(pools)("%s", (_name, pool) => {
    const built = poolOf(pool, fn);
    const { loop, program } = built;
    expect(
      windowTaps(loop, "c", (b) =>
        layoutOf(must(loop.buffers[b], "buffer").value, must(program.storage.get(must(loop.buffers[b], "buffer").value), "storage")),
      ),
    ).toBeDefined();
    const values = new Map([[built.in, Float32Array.from(numbers(3, numel(pool.in)))]]);
    const loaded = instantiate(built, [loopCode(loop, { storage: program.storage, weights: new Map() })], values);
    loaded.run();
    const first = loaded.read(built.out);
    loaded.run(cutsOf);
    expect(loaded.read(built.out)).toEqual(first);
    const exact = must(runFast([loop], new Map([[0, Float64Array.from(must(values.get(built.in), "input"))]])).get(1), "output");
    // a sum of k numbers below 1 is off by k roundings of k/2 at the most, divided by k; a maximum is exact
    const taps = [pool.attrs.kernel].flat().reduce((p, k, _i, all) => p * k * (all.length === 1 ? k : 1), 1);
    const bound = fn === "max" ? 0 : (taps + 2) * 2 ** -24;
    first.forEach((v, i) => {
      expect(Math.abs(v - (exact[i] as number))).toBeLessThanOrEqual(bound);
    });
  });

  it("what is not a number stays so, infinities too", () => {
    const pool: Pool = { in: [1, 4, 6, 6], attrs: { kernel: 3, stride: 1, pad: 1 } };
    const built = poolOf(pool, fn);
    const data = Float32Array.from(numbers(5, numel(pool.in)));
    // inside, on the edge and in a corner, each in a channel of its own
    data[2 * 6 + 3] = Number.NaN;
    data[36 + 3 * 6] = Number.NaN;
    data[72 + 35] = Number.POSITIVE_INFINITY;
    data[108] = Number.NaN;
    data[108 + 1] = Number.POSITIVE_INFINITY;
    const loaded = instantiate(
      built,
      [loopCode(built.loop, { storage: built.program.storage, weights: new Map() })],
      new Map([[built.in, data]]),
    );
    loaded.run();
    const exact = must(runFast([built.loop], new Map([[0, Float64Array.from(data)]])).get(1), "output");
    const kind = (v: number): string => (Number.isFinite(v) ? "finite" : String(v));
    expect([...loaded.read(built.out)].map(kind)).toEqual([...exact].map(kind));
  });
});
