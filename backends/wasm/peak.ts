/**
 * The peak that kernels are measured against (`sec bench`, bench/): as many 128-bit multiply-adds as one thread of this engine can do,
 * with operands at hand and no sum waiting for another. It is run beside what is measured, because clocks change while a machine works.
 */
import { encodeModule } from "./encoder.ts";
import { FunctionWriter } from "./function-writer.ts";

/** Independent sums: more than latency times throughput (4 cycles, 2 a cycle), and few enough for 16 registers. */
const CHAINS = 10;
/** Operands of the separate products and sums, in memory. */
const LEFT = 2;
const RIGHT = CHAINS / LEFT;
const VECTOR = 16;

/** Floating-point operations in one round of `peak(rounds)`. */
export const FLOPS_A_ROUND = CHAINS * 4 * 2;

/** A module that exports `peak(rounds: i32)`; with fused multiply-adds, or with products and sums apart. */
export function peakModule(relaxed: boolean): Uint8Array<ArrayBuffer> {
  const f = new FunctionWriter(["i32"], relaxed);
  const [sums, round] = [f.locals("v128", CHAINS), f.local("i32")];
  f.i32(0).set(round);
  if (relaxed) {
    const [a, b] = [f.local("v128"), f.local("v128")];
    f.f32x4(1).set(a).f32x4(1e-9).set(b);
    f.until(round, f.param(0), 1, () => {
      for (const sum of sums) f.get(a).get(b).get(sum).op("f32x4.relaxed_madd").set(sum);
    });
  } else {
    // read in every round, each pair once: an engine computes an equal product only once, and one that never changes before the loop
    const left = f.locals("v128", LEFT);
    const right = f.local("v128");
    f.until(round, f.param(0), 1, () => {
      left.forEach((x, i) => {
        f.i32(0)
          .memory("v128.load", (1 + i) * VECTOR)
          .set(x);
      });
      for (let j = 0; j < RIGHT; j++) {
        f.i32(0)
          .memory("v128.load", (1 + LEFT + j) * VECTOR)
          .set(right);
        left.forEach((x, i) => {
          const sum = sums[j * LEFT + i] as (typeof sums)[number];
          f.get(sum).get(x).get(right).op("f32x4.mul").op("f32x4.add").set(sum);
        });
      }
      // a store keeps the loads where they are
      f.i32(0)
        .get(right)
        .memory("v128.store", (1 + LEFT + RIGHT) * VECTOR);
    });
  }
  f.i32(0).f32x4(0);
  for (const sum of sums) f.get(sum).op("f32x4.add");
  f.memory("v128.store");
  return encodeModule({ imports: [], memory: { pages: 1, shared: false }, exports: [{ name: "peak", body: f.finish("peak") }] });
}
