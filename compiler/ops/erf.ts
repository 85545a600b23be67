/** The error function, exact for the reference and as the polynomial the kernels use. */
import * as x from "../ir/expr.ts";
import type { Expr } from "../ir/kernel.ts";

/**
 * erf by Kummer's series 2/sqrt(pi) e^(-x^2) sum 2^n x^(2n+1) / (1*3*...*(2n+1)) (Abramowitz & Stegun 7.1.6):
 * every term has one sign, so nothing cancels. From 6 on it is 1 in f64.
 */
export function erf(v: number): number {
  if (Math.abs(v) >= 6) return Math.sign(v);
  let term = v;
  let sum = v;
  for (let n = 1; Math.abs(term) > Math.abs(sum) * 2 ** -54; n++) {
    term *= (2 * v * v) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-v * v) * sum;
}

/** Abramowitz & Stegun 7.1.26: absolute error below 1.5e-7 = 1.3 eps. */
const P = 0.3275911;
const A = [1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592] as const;

export function erfExpr(v: Expr): Expr {
  // beyond 9 the exponential is 0 in f32; the clamp keeps the square finite
  const a = x.min(x.abs(v), 9);
  const t = x.div(x.constant(1), x.add(x.mul(a, P), 1));
  let polynomial: Expr = x.constant(A[0]);
  for (const k of A.slice(1)) polynomial = x.add(x.mul(polynomial, t), k);
  const tail = x.mul(x.mul(polynomial, t), x.exp(x.neg(x.mul(a, a))));
  const positive = x.sub(x.constant(1), tail);
  return x.select(x.lt(v, 0), x.neg(positive), positive);
}
