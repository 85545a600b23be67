/**
 * Weights of a Winograd convolution. The file holds the 3x3 kernels, ordered for four lanes at a time; at load they become the 16 values
 * U = G g G' of each (Lavin and Gray, section 4.1), 16/9 as many bytes.
 */

import type { Weight } from "../../compiler/ir/graph.ts";
import type { Window } from "../../compiler/ir/kernel.ts";
import { interleave } from "../../compiler/vectors/kernels.ts";
import { FunctionWriter, type Local } from "./function-writer.ts";
import type { PackedTensor } from "./kernel-code.ts";
import { F32 } from "./layout.ts";
import { POINTS } from "./winograd-plan.ts";

const TAPS = 9;
/** Bytes of one input channel of a panel: nine taps of eight output channels. */
const KERNEL_BYTES = TAPS * 8 * F32;

/** Bytes of one part, which is one panel. */
export const partBytes = (w: Window): number => w.in[0] * KERNEL_BYTES;

/** In the file [panel][input][9 taps][8 outputs]; expanded [chunk of panels][16 points][panel of the chunk][input][8 outputs]. */
export function winogradPacking(w: Window, chunkPanels: number, weight: Weight): PackedTensor {
  const [inputs, outputs] = [w.in[0], w.out[0]];
  return {
    weight,
    key: `winograd ${chunkPanels}`,
    elements: TAPS * inputs * outputs,
    whole: true,
    fill: (from, into) => {
      const pitch = TAPS * inputs;
      const walk = { taps: pitch, tap: 8, inners: 1, step: 0, groups: 1, far: 0, beside: 4 };
      for (let o = 0; o < outputs; o += 8) interleave({ from, first: o * pitch, pitch, count: 8 }, into, o * pitch, walk);
    },
    expansion: { elements: POINTS * inputs * outputs, parts: outputs / 8, body: expand(inputs, chunkPanels) },
  };
}

function expand(inputs: number, chunkPanels: number) {
  const f = new FunctionWriter(["i32", "i32", "i32", "i32"]);
  const [part, end, from, to] = [f.param(0), f.param(1), f.param(2), f.param(3)];
  const [u, stop] = f.locals("i32", 2) as [Local, Local];
  const panelBytes = inputs * 8 * F32;
  const pointBytes = chunkPanels * panelBytes;
  /** (a, b, c) -> (a, (a + b + c) / 2, (a - b + c) / 2, c): one row or column of G. */
  const transform = (a: Local, b: Local, c: Local): [Local, Local, Local, Local] => {
    const [plus, minus, half] = f.locals("v128", 3) as [Local, Local, Local];
    f.get(a).get(c).op("f32x4.add").pooled(0.5).op("f32x4.mul").set(minus);
    f.get(b).pooled(0.5).op("f32x4.mul").set(half);
    f.get(minus).get(half).op("f32x4.add").set(plus);
    f.get(minus).get(half).op("f32x4.sub").set(minus);
    f.release(half);
    return [a, plus, minus, c];
  };
  f.while(part, end, 1, () => {
    f.get(to);
    f.get(part)
      .i32(chunkPanels)
      .op("i32.div_u")
      .i32(POINTS * pointBytes)
      .op("i32.mul")
      .op("i32.add");
    f.get(part).i32(chunkPanels).op("i32.rem_u").i32(panelBytes).op("i32.mul").op("i32.add").tee(u);
    f.i32(panelBytes).op("i32.add").set(stop);
    f.until(u, stop, 8 * F32, () => {
      for (const vector of [0, 16]) {
        const columns = [0, 1, 2].map((x) => {
          const taps = f.locals("v128", 3) as [Local, Local, Local];
          taps.forEach((tap, y) => {
            f.get(from)
              .memory("v128.load", (3 * y + x) * 32 + vector)
              .set(tap);
          });
          const column = transform(...taps);
          f.release(taps[1]);
          return column;
        });
        for (let y = 0; y < 4; y++) {
          const [a, b, c] = columns.map((column) => column[y]) as [Local, Local, Local];
          const row = transform(a, b, c);
          row.forEach((value, x) => {
            f.get(u)
              .get(value)
              .memory("v128.store", (4 * y + x) * pointBytes + vector);
          });
          f.release(b, ...row);
        }
      }
      f.increase(from, KERNEL_BYTES);
    });
  });
  return f.finish("winograd-weights");
}
