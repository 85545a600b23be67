/**
 * exp, log, tanh and pow on four f32 at a time, from and to the stack. WebAssembly has none of them, and a call of Math costs more than the
 * polynomial. Bounds below are the largest errors found by test/wasm/kernels-math.test.ts over the stated ranges, rounded up.
 */
import type { FunctionWriter, Local as L } from "./function-writer.ts";

/** ln 2 in two parts; the first has few digits, so that n times it is exact (Cody and Waite). */
const LN2_HIGH = 0.693359375;
const LN2_LOW = -2.1219444e-4;
/** Beyond these 2^n leaves the normal range: results are held there (1.2e-38 and 2.1e38). */
const EXP_LEAST = -87.33;
const EXP_MOST = 88.37;
/** e^r on abs(r) <= ln 2 / 2 with the least relative error, 2e-9, for a constant term of 1 (Lawson's algorithm on Chebyshev nodes). */
const EXP_SERIES = [0.0013843607, 0.0083741955, 0.0416680053, 0.1666643023, 0.4999999404, 1, 1];
/** 1.5 * 2^23: added to a number it rounds it to an integer, which the low bits of the sum then hold. */
const ROUNDER = 12582912;
/** Minimax polynomial of Cephes, logf (S. Moshier, 1992). */
const LOG_SERIES = [
  7.0376836292e-2, -1.151461031e-1, 1.167699874e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1,
  3.3333331174e-1,
];

/** Horner's scheme in `x`; leaves the value on the stack. */
function polynomial(f: FunctionWriter, coefficients: readonly number[], x: () => void): void {
  coefficients.forEach((c, i) => {
    if (i === 0) {
      f.pooled(c);
      return;
    }
    x();
    f.timesPlus(() => f.pooled(c));
  });
}

/** e^x within 2 ULP for -87.33 <= x <= 88.37, held outside. */
export function emitExp(f: FunctionWriter): void {
  const [x, r, n] = f.locals("v128", 3) as [L, L, L];
  f.pooled(EXP_LEAST).op("f32x4.pmax").pooled(EXP_MOST).op("f32x4.pmin").tee(x);
  f.pooled(Math.LOG2E)
    .timesPlus(() => f.pooled(ROUNDER))
    .tee(n);
  f.pooled(ROUNDER).op("f32x4.sub").tee(r);
  f.pooled(-LN2_LOW)
    .get(r)
    .pooled(-LN2_HIGH)
    .timesPlus(() => f.get(x))
    .set(x);
  f.timesPlus(() => f.get(x)).set(r);
  polynomial(f, EXP_SERIES, () => f.get(r));
  // times 2^n: n more in the exponent's bits
  f.get(n).i32(23).op("i32x4.shl").op("i32x4.add");
  f.release(x, r, n);
}

/** ln x within 2 ULP (1e-7 near 1) for normal x > 0; not a number below 0, minus infinity at 0. */
export function emitLog(f: FunctionWriter): void {
  const [x, e, m, z, low] = f.locals("v128", 5) as [L, L, L, L, L];
  f.set(x);
  // x = m * 2^e with m in [0.5, 1), then in [sqrt 0.5, sqrt 2)
  f.get(x).i32(23).op("i32x4.shr_u").pooled(126, "i32").op("i32x4.sub").op("f32x4.convert_i32x4_s").set(e);
  f.get(x).pooled(0x7fffff, "i32").op("v128.and").pooled(0x3f000000, "i32").op("v128.or").tee(m);
  f.pooled(Math.SQRT1_2).op("f32x4.lt").set(low);
  f.get(e).get(low).pooled(1).op("v128.and").op("f32x4.sub").set(e);
  f.get(m).pooled(1).op("f32x4.sub").get(m).get(low).op("v128.and").op("f32x4.add").set(m);
  f.get(m).get(m).op("f32x4.mul").set(z);
  polynomial(f, LOG_SERIES, () => f.get(m));
  f.get(m).op("f32x4.mul").get(z).op("f32x4.mul");
  f.get(e).pooled(LN2_LOW).op("f32x4.mul").op("f32x4.add");
  f.get(z).pooled(0.5).op("f32x4.mul").op("f32x4.sub");
  f.get(m).op("f32x4.add").get(e).pooled(LN2_HIGH).op("f32x4.mul").op("f32x4.add").set(m);
  f.pooled(Number.NEGATIVE_INFINITY).get(m).get(x).pooled(0).op("f32x4.eq").op("v128.bitselect");
  f.get(x).pooled(0).op("f32x4.lt").op("v128.or");
  f.release(x, e, m, z, low);
}

/** tanh x as 1 - 2 / (e^2x + 1): within 2e-7 absolutely everywhere. */
export function emitTanh(f: FunctionWriter): void {
  const x = f.local("v128");
  f.pooled(2).op("f32x4.mul");
  emitExp(f);
  f.pooled(1).op("f32x4.add").set(x);
  f.pooled(1).pooled(2).get(x).op("f32x4.div").op("f32x4.sub");
  f.release(x);
}

/** base^exponent as e^(exponent ln base), for base >= 0; relative error 3 ULP + ULP of abs(exponent ln base). */
export function emitPow(f: FunctionWriter): void {
  const exponent = f.local("v128");
  f.set(exponent);
  emitLog(f);
  f.get(exponent).op("f32x4.mul");
  emitExp(f);
  f.release(exponent);
}
