/**
 * The wasm target's convolutions alone: GFLOP/s and the share of the in-run multiply-add peak, in both binaries.
 *
 *   node --import tsx bench/kernels.ts [part of a name]        (Node 24 or later for relaxed SIMD)
 */
import { performance } from "node:perf_hooks";
import { contractSteps } from "../backends/wasm/contract-steps.ts";
import { depthwiseSteps } from "../backends/wasm/depthwise.ts";
import { encodeModule } from "../backends/wasm/encoder.ts";
import { FunctionWriter } from "../backends/wasm/function-writer.ts";
import type { Address } from "../backends/wasm/kernel-code.ts";
import { winogradSteps } from "../backends/wasm/winograd.ts";
import { storedBytes } from "../compiler/analysis/liveness.ts";
import { must } from "../compiler/invariant.ts";
import * as x from "../compiler/ir/expr.ts";
import type { Expr } from "../compiler/ir/kernel.ts";
import { engine } from "../test/wasm/engine.ts";
import { build, type Case } from "../test/wasm/kernel-case.ts";

const relu = (e: Expr): Expr => x.max(e, 0);
const silu = (e: Expr): Expr => x.div(e, x.add(x.exp(x.neg(x.max(e, -87))), 1));
const ONE = [1, 1, 1, 1] as const;
const window = { kernel: [3, 3], pad: ONE, bias: true, act: relu } as const;
const pointwise = { bias: true, act: relu } as const;
const depthwise = { kind: "depthwise", kernel: [3, 3], pad: ONE, bias: true } as const;

const CASES: Readonly<Record<string, Case & { readonly winograd?: boolean }>> = {
  "Winograd 3x3, 56x56, 64 to 64": { ...window, in: [64, 56, 56], out: 64, winograd: true },
  "Winograd 3x3, 28x28, 128 to 128": { ...window, in: [128, 28, 28], out: 128, winograd: true },
  "Winograd 3x3, 14x14, 256 to 256": { ...window, in: [256, 14, 14], out: 256, winograd: true },
  "Winograd 3x3, 7x7, 512 to 512": { ...window, in: [512, 7, 7], out: 512, winograd: true },
  "3x3, 56x56, 64 to 64": { ...window, in: [64, 56, 56], out: 64 },
  "3x3, 28x28, 128 to 128": { ...window, in: [128, 28, 28], out: 128 },
  "3x3, 14x14, 256 to 256": { ...window, in: [256, 14, 14], out: 256 },
  "3x3, 7x7, 512 to 512": { ...window, in: [512, 7, 7], out: 512 },
  "3x3 stride 2, 56x56, 128 to 128": { ...window, in: [128, 56, 56], out: 128, stride: [2, 2] },
  "1x1, 56x56, 64 to 256, residual": { ...pointwise, in: [64, 56, 56], out: 256, residual: true },
  "1x1, 56x56, 256 to 64, halo": { ...pointwise, in: [256, 56, 56], out: 64, halo: [1, 0] },
  "1x1, 14x14, 1024 to 256, halo": { ...pointwise, in: [1024, 14, 14], out: 256, halo: [1, 0] },
  "1x1, 14x14, 256 to 1024, residual": { ...pointwise, in: [256, 14, 14], out: 1024, residual: true },
  "1x1, 7x7, 512 to 2048, residual": { ...pointwise, in: [512, 7, 7], out: 2048, residual: true },
  "1x1 stride 2, 56x56, 256 to 512": { in: [256, 56, 56], out: 512, stride: [2, 2], bias: true },
  "7x7 stride 2, 224x224, 3 to 64": {
    in: [3, 224, 224],
    out: 64,
    kernel: [7, 7],
    stride: [2, 2],
    pad: [3, 3, 3, 3],
    bias: true,
    act: relu,
  },
  "linear, 2048 to 1000": { in: [2048, 1, 1], out: 1000, bias: true, linear: true },
  "32 groups, 56x56, 128": { ...window, groups: 32, in: [128, 56, 56], out: 128 },
  "32 groups, 14x14, 512": { ...window, groups: 32, in: [512, 14, 14], out: 512 },
  "1x1, 112x112, 16 to 96, silu": { in: [16, 112, 112], out: 96, bias: true, act: silu, halo: [1, 0] },
  "1x1, 14x14, 672 to 112, gate": { in: [672, 14, 14], out: 112, bias: true, gate: true },
  "depthwise 3x3, 56x56, 144": { ...depthwise, in: [144, 56, 56], out: 144, act: relu },
  "depthwise 3x3, 112x112, 32, silu, sums": { ...depthwise, in: [32, 112, 112], out: 32, act: silu, squeeze: true },
  "depthwise 5x5, 14x14, 672, sums": {
    ...depthwise,
    kernel: [5, 5],
    pad: [2, 2, 2, 2],
    in: [672, 14, 14],
    out: 672,
    act: relu,
    squeeze: true,
  },
};

/** Milliseconds of the quickest call within `budget`. */
function quickest(call: () => void, budget: number): number {
  call();
  let best = Number.POSITIVE_INFINITY;
  for (const start = performance.now(); performance.now() - start < budget; ) {
    const from = performance.now();
    call();
    best = Math.min(best, performance.now() - from);
  }
  return best;
}

/** GFLOP/s of independent multiply-adds in registers. */
function peak(relaxed: boolean): number {
  const CHAINS = 10;
  const ROUNDS = 200_000;
  const f = new FunctionWriter(["i32"], relaxed);
  const [sums, a, b, i] = [f.locals("v128", CHAINS), f.local("v128"), f.local("v128"), f.local("i32")];
  f.f32x4(1).set(a).f32x4(1e-9).set(b).i32(0).set(i);
  f.until(i, f.param(0), 1, () => {
    for (const sum of sums) {
      if (relaxed) f.get(a).get(b).get(sum).op("f32x4.relaxed_madd").set(sum);
      else f.get(sum).get(a).get(b).op("f32x4.mul").op("f32x4.add").set(sum);
    }
  });
  f.i32(0).f32x4(0);
  for (const sum of sums) f.get(sum).op("f32x4.add");
  f.memory("v128.store");
  const bytes = encodeModule({
    imports: [],
    memory: { pages: 1, shared: false },
    exports: [{ name: "peak", body: f.finish("peak") }],
  });
  const { peak: run } = new engine.Instance(new engine.Module(bytes)).exports as { peak: (rounds: number) => void };
  return (CHAINS * 8 * ROUNDS) / quickest(() => run(ROUNDS), 100) / 1e6;
}

function measure(
  c: Case & { readonly winograd?: boolean },
  relaxed: boolean,
): { readonly gflops: number; readonly ms: number; readonly bytes: number; readonly why: string } {
  const { program, kernel } = build(c);
  const steps = must(
    kernel.kind === "depthwise"
      ? depthwiseSteps(program, kernel, { relaxed })
      : c.winograd
        ? winogradSteps(program, kernel, { relaxed })
        : contractSteps(program, kernel, { relaxed }),
    "a schedule",
  );
  let top = 256;
  const take = (bytes: number): number => {
    const at = top;
    top += Math.ceil(bytes / 256) * 256 + 256;
    return at;
  };
  const places = new Map([...program.storage].map(([v, s]) => [v, take(storedBytes(v, s))]));
  const packed = steps.map((s) => s.packed.map((p) => take((p.expansion?.elements ?? p.elements) * 4)));
  const shared = take(Math.max(0, ...steps.map((s) => s.sharedBytes ?? 0)));
  const scratch = take(Math.max(0, ...steps.map((s) => s.scratchBytes ?? 0)));
  const at = (a: Address, step: number): number => {
    const offset = a.offset ?? 0;
    if (a.kind === "value") return offset + must(places.get(must(kernel.buffers[a.buffer], "buffer").value), "place");
    if (a.kind === "packed") return offset + must(packed[step]?.[a.index], "packing");
    return offset + (a.kind === "shared" ? shared : scratch);
  };
  const bytes = encodeModule({
    imports: [],
    memory: { pages: Math.ceil(top / 65536), shared: false },
    exports: steps.map((s, i) => ({ name: `step${i}`, body: s.body })),
    exportMemory: "memory",
  });
  const exports = new engine.Instance(new engine.Module(bytes)).exports as Record<string, (...a: number[]) => void> & {
    readonly memory: { readonly buffer: ArrayBuffer };
  };
  new Float32Array(exports.memory.buffer).fill(0.01);
  const calls = steps.map((s, i) => {
    const run = must(exports[`step${i}`], "step");
    const addresses = s.addresses.map((a) => at(a, i));
    return () => run(0, s.units, ...addresses);
  });
  const { batch, out, in: from, groups, kernel: size } = kernel.window;
  const flops = 2 * batch * out[0] * out[1] * out[2] * (from[0] / groups) * size[0] * size[1];
  const all = (): void => {
    for (const call of calls) call();
  };
  // until the optimising compiler is done
  quickest(all, 100);
  const ms = quickest(all, 250);
  const main = steps.find((s) => s.algorithm.tile !== undefined);
  return { gflops: flops / ms / 1e6, ms, bytes: bytes.length, why: `${main?.algorithm.tile ?? ""}: ${main?.algorithm.why ?? ""}` };
}

const part = process.argv[2] ?? "";
for (const relaxed of [true, false]) {
  console.log(`${relaxed ? "relaxed" : "plain"}, peak ${peak(relaxed).toFixed(1)} GFLOP/s`);
  for (const [name, c] of Object.entries(CASES)) {
    if (!name.includes(part)) continue;
    const { gflops, ms, bytes, why } = measure(c, relaxed);
    const share = `${Math.round((100 * gflops) / peak(relaxed))} %`;
    console.log(
      `${name.padEnd(40)} ${gflops.toFixed(1).padStart(5)} ${share.padStart(5)} ${ms.toFixed(2).padStart(6)} ms ${bytes} bytes, ${why}`,
    );
  }
}
