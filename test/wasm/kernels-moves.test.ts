/** Moves of channels in the wasm target: shuffles, slices and parts of a concat that fall on no whole vector, on maps large enough to be written out. */
import { expect, it } from "vitest";
import { layoutOf } from "../../backends/wasm/addressing.ts";
import { loopCode } from "../../backends/wasm/loops.ts";
import { movedAxis } from "../../backends/wasm/wide-axis.ts";
import { must } from "../../compiler/invariant.ts";
import * as x from "../../compiler/ir/expr.ts";
import type { Value } from "../../compiler/ir/graph.ts";
import type { Expr, LoopKernel, Program, Storage } from "../../compiler/ir/kernel.ts";
import { f32, numel } from "../../compiler/ir/type.ts";
import { axesOf, coordinates, loopKernel } from "../../compiler/ops/kernels.ts";
import { runFast } from "../kernels/jit.ts";
import { numbers } from "../kernels/run.ts";
import type { Built } from "./kernel-case.ts";
import { instantiate } from "./kernels-harness.ts";

interface Move {
  readonly channels: readonly [from: number, moved: number, to: number];
  /** Channel read for channel c, and channel stored. */
  readonly read: (c: Expr) => Expr;
  readonly first?: number;
  readonly halo?: number;
}

const MOVES: Readonly<Record<string, Move>> = {
  "shuffle of two runs of 58": { channels: [116, 116, 116], read: (c) => x.add(x.mul(x.imod(c, 2), 58), x.idiv(c, 2)) },
  "shuffle of three runs of 7": { channels: [21, 21, 21], read: (c) => x.add(x.mul(x.imod(c, 3), 7), x.idiv(c, 3)), halo: 1 },
  "a slice from no whole vector": { channels: [116, 58, 58], read: (c) => x.add(c, 58) },
  "a slice to the last channel": { channels: [13, 7, 7], read: (c) => x.add(c, 6), halo: 2 },
  "a part that starts within a vector": { channels: [58, 58, 116], read: (c) => c, first: 58 },
  "a part that ends within a vector": { channels: [6, 6, 12], read: (c) => c },
  "a part of a part": { channels: [11, 5, 14], read: (c) => x.add(c, 3), first: 7, halo: 1 },
};

it.each(Object.entries(MOVES))("%s", (_name, { channels: [from, moved, to], read, first = 0, halo = 0 }) => {
  const input: Value = { id: 0, name: "input", type: f32(2, from, 6, 5) };
  const output: Value = { id: 1, name: "output", type: f32(2, to, 6, 5) };
  const space = axesOf(output).map((a) => (a.name === "c" ? { ...a, size: moved } : a));
  const at = coordinates(space);
  const place = (e: (c: Expr) => Expr): Expr[] => at.map((c, i) => (i === 1 ? e(c) : c));
  const loop: LoopKernel = loopKernel({
    name: "move",
    reads: [input],
    output,
    space,
    store: place((c) => x.add(c, first)),
    body: x.max(x.load(0, place(read)), -0.25),
  });
  const stored = (n: number): Storage => ({ order: "nhwc", channels: Math.ceil(n / 4) * 4, halo });
  const storage = new Map([
    [input, stored(from)],
    [output, stored(to)],
  ]);
  expect(movedAxis(loop, layoutOf(output, stored(to)), (b) => (b === 0 ? layoutOf(input, stored(from)) : undefined))).toBeDefined();
  const memory = { arenas: [], places: new Map(), lowerBound: 0, mixed: new Set<number>() };
  const program: Program = { name: "one", inputs: [], outputs: [], kernels: [loop], weights: [], storage, memory };
  const code = loopCode(loop, { storage, weights: new Map() });
  const data = Float32Array.from(numbers(9, numel(input.type.shape)));
  const loaded = instantiate({ program, kernel: loop as unknown as Built["kernel"] }, [code], new Map([[input, data]]));
  loaded.run();
  const exact = must(runFast([loop], new Map([[0, Float64Array.from(data)]])).get(1), "output");
  const got = loaded.read(output);
  const plane = 30;
  got.forEach((v, i) => {
    const c = Math.floor(i / plane) % to;
    // what is no part of the move is not touched
    if (c >= first && c < first + moved) expect(v).toBe(exact[i]);
    else expect(v).toBeNaN();
  });
  // only who writes all channels may say that the lanes after them hold zeros
  expect(code.writesPadding).toBe(first === 0 && moved === to);
  loaded.run((units) => Array.from({ length: units + 1 }, (_, i) => i));
  expect(loaded.read(output)).toEqual(got);
});
