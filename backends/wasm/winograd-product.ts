/** The second step of a Winograd convolution: 16 matrix products with the register tiles of every contraction (winograd.ts). */
import { must } from "../../compiler/invariant.ts";
import { emitTile, linesAhead } from "./contract-tile.ts";
import type { FunctionWriter, Local } from "./function-writer.ts";
import { F32 } from "./layout.ts";
import { type Binary, tileRuns } from "./tiles.ts";
import { POINTS, type WinogradPlan } from "./winograd-plan.ts";

/** M = U V at each of the 16 points: [tiles x inputs] . [inputs x chunk], to [point][tile][chunk] behind V. */
export function multiply(f: FunctionWriter, plan: WinogradPlan, binary: Binary, chunk: Local, weights: Local, scratch: Local): void {
  const { tiles, rows, channels, chunkPanels, vStride, mStride } = plan;
  const [point, panel, a, b, m, input, output] = f.locals("i32", 7) as [Local, Local, Local, Local, Local, Local, Local];
  const walks = [
    { pixel: channels * F32, row: 0 },
    { pixel: chunkPanels * 32, row: 0 },
  ];
  f.get(weights).get(chunk);
  f.i32(POINTS * chunkPanels * channels * 32)
    .op("i32.mul")
    .op("i32.add")
    .set(b);
  f.get(scratch).set(a);
  f.get(scratch)
    .i32(POINTS * vStride)
    .op("i32.add")
    .set(m);
  const early = linesAhead(channels, rows.length);
  const ahead = early && { at: f.local("i32"), ...early };
  f.i32(0).set(point);
  f.until(point, POINTS, 1, () => {
    f.i32(0).set(panel);
    f.until(panel, chunkPanels, 1, () => {
      f.get(a).set(input).get(m).set(output);
      // past the last panel lies other memory of the module: the scratch memory alone, which comes last, is larger than a panel
      if (ahead)
        f.get(b)
          .i32(channels * 32)
          .op("i32.add")
          .set(ahead.at);
      for (const run of tileRuns(1, tiles, rows, walks)) {
        const tile = (): void => {
          const sums = emitTile(
            f,
            {
              rows: run.rows,
              vectors: 2,
              offsets: must(run.offsets[0], "offsets"),
              levels: [{ count: channels, stride: F32 }],
              binary,
              start: "zero",
              ahead,
            },
            { input, panel: b },
          );
          sums.forEach((row, r) => {
            row.forEach((sum, v) => {
              f.get(output)
                .get(sum)
                .memory("v128.store", (run.offsets[1]?.[r] ?? 0) + v * 16);
            });
            f.release(...row);
          });
          walks.forEach((walk, i) => {
            f.increase(i === 0 ? input : output, run.rows * walk.pixel);
          });
        };
        if (run.count === 1) tile();
        else {
          const counter = f.local("i32");
          f.i32(0).set(counter);
          f.until(counter, run.count, 1, tile);
          f.release(counter);
        }
      }
      f.increase(b, channels * 32).increase(m, 32);
    });
    f.increase(a, vStride).increase(m, mStride - chunkPanels * 32);
  });
  f.release(point, panel, a, b, m, input, output);
  if (ahead) f.release(ahead.at);
}
