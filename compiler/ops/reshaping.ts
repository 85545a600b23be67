/** The copy kernel of flatten and reshape: the same values in C, H, W order under another shape. */
import * as x from "../ir/expr.ts";
import type { Value } from "../ir/graph.ts";
import type { Expr, LoopKernel } from "../ir/kernel.ts";
import { moveKernel } from "./kernels.ts";

export function reshapeKernel(name: string, input: Value, output: Value): LoopKernel {
  const from = input.type.shape.slice(1) as number[];
  const to = output.type.shape.slice(1) as number[];
  return moveKernel(name, input, output, (n, ...out) => {
    // position inside one image; axes of size 1 add nothing to it
    let flat: Expr = x.int(0);
    for (const [i, size] of to.entries()) {
      flat = x.mul(flat, size);
      if (size > 1) flat = x.add(flat, out[i]!);
    }
    const at: Expr[] = [];
    let step = 1;
    for (let i = from.length - 1; i >= 0; i--) {
      const size = from[i]!;
      const outermost = step * size >= to.reduce((a, b) => a * b, 1);
      const quotient = x.idiv(flat, step);
      at.unshift(size === 1 ? x.int(0) : outermost ? quotient : x.imod(quotient, size));
      step *= size;
    }
    return [n!, ...at];
  });
}
