/** The pass that adds up a map for a gate, as lowering writes it: `squeeze-sums` moves it into the kernel that computes the map. */
import * as x from "../../ir/expr.ts";
import type { Node, Value } from "../../ir/graph.ts";
import type { LoopKernel } from "../../ir/kernel.ts";

/** sums[n, 0, c] = sum of u[n, c, y, x] over the map. */
export function sumsKernel(name: string, u: Value, sums: Value, from: readonly Node[]): LoopKernel {
  const [n = 1, c = 1, h = 1, w = 1] = u.type.shape as readonly number[];
  return {
    kind: "loop",
    name,
    buffers: [
      { value: u, access: "read" },
      { value: sums, access: "write" },
    ],
    from,
    space: [
      { name: "n", size: n },
      { name: "c", size: c },
    ],
    reduce: {
      over: [
        { name: "y", size: h },
        { name: "x", size: w },
      ],
      fn: "add",
      init: 0,
    },
    body: x.load(0, [x.index("n"), x.index("c"), x.index("y"), x.index("x")]),
    output: 1,
    store: [x.index("n"), x.int(0), x.index("c")],
  };
}
