/** The first step of a Winograd convolution: every 4x4 tile of the input, overlapping by two, becomes 16 values (winograd.ts). */
import type { Stream } from "./contract-plan.ts";
import type { FunctionWriter, Local } from "./function-writer.ts";
import { F32 } from "./layout.ts";
import type { WinogradPlan } from "./winograd-plan.ts";

/**
 * V = B' d B of every tile of a strip, four channels at a time, to [point][tile][channel] at `to`. A gate's factors, one a channel from the
 * address in `gate`, are multiplied into V: the transform does not mix channels.
 */
export function transformInput(
  f: FunctionWriter,
  plan: WinogradPlan,
  s: Stream,
  base: Local,
  strip: Local,
  to: Local,
  gate: Local | undefined,
): void {
  const { tileRows, tileColumns, stripRows, channels, vStride, oddRows, oddColumns } = plan;
  const [row, column, line, pixel, v, stop, lower, right] = f.locals("i32", 8) as [Local, Local, Local, Local, Local, Local, Local, Local];
  const gating = gate && { at: f.local("i32"), factors: f.local("v128") };
  f.get(base).set(line).get(to).set(v).i32(0).set(row);
  f.until(row, stripRows, 1, () => {
    f.get(line).set(pixel);
    // beyond an odd edge only outputs that nobody stores depend on what is read: the last line that is there serves
    f.i32(3 * s.row).set(lower);
    if (oddRows) {
      f.i32(2 * s.row)
        .i32(3 * s.row)
        .get(row);
      f.get(strip).i32(stripRows).op("i32.mul").op("i32.add");
      f.i32(tileRows - 1)
        .op("i32.eq")
        .op("select")
        .set(lower);
    }
    f.i32(0).set(column);
    f.until(column, tileColumns, 1, () => {
      f.i32(3 * s.pixel).set(right);
      if (oddColumns)
        f.i32(2 * s.pixel)
          .i32(3 * s.pixel)
          .get(column)
          .i32(tileColumns - 1)
          .op("i32.eq")
          .op("select")
          .set(right);
      f.get(pixel)
        .i32(channels * F32)
        .op("i32.add")
        .set(stop);
      if (gate && gating) f.get(gate).set(gating.at);
      f.until(pixel, stop, 16, () => {
        if (gating) {
          f.get(gating.at).memory("v128.load").set(gating.factors);
          f.increase(gating.at, 16);
        }
        transformTile(f, s, pixel, lower, oddColumns ? right : undefined, v, vStride, gating?.factors);
        f.increase(v, 16);
      });
      f.increase(pixel, 2 * s.pixel - channels * F32);
    });
    f.increase(line, 2 * s.row);
  });
  f.release(row, column, line, pixel, v, stop, lower, right);
  if (gating) f.release(gating.at, gating.factors);
}

/** One 4x4 tile of four channels. Rows of the result one after another, so that few vectors live at a time. */
function transformTile(
  f: FunctionWriter,
  s: Stream,
  at: Local,
  lower: Local,
  right: Local | undefined,
  v: Local,
  vStride: number,
  factors: Local | undefined,
): void {
  const last = right ? f.local("i32") : undefined;
  const under = f.local("i32");
  const underLast = last ? f.local("i32") : undefined;
  if (last && right) f.get(at).get(right).op("i32.add").set(last);
  f.get(at).get(lower).op("i32.add").set(under);
  if (underLast && right) f.get(under).get(right).op("i32.add").set(underLast);
  const load = (y: number, x: number): void => {
    const row = y === 3 ? 0 : y * s.row;
    if (x === 3 && last && underLast) f.get(y === 3 ? underLast : last).memory("v128.load", row);
    else f.get(y === 3 ? under : at).memory("v128.load", row + x * s.pixel);
  };
  const store = (y: number, t: readonly Local[]): void => {
    const [t0, t1, t2, t3] = t as [Local, Local, Local, Local];
    const point = (x: number, a: Local, fn: "f32x4.add" | "f32x4.sub", b: Local): void => {
      f.get(v).get(a).get(b).op(fn);
      if (factors) f.get(factors).op("f32x4.mul");
      f.memory("v128.store", (4 * y + x) * vStride);
    };
    point(0, t0, "f32x4.sub", t2);
    point(1, t1, "f32x4.add", t2);
    point(2, t2, "f32x4.sub", t1);
    point(3, t1, "f32x4.sub", t3);
  };
  const [first, second] = [f.locals("v128", 4), f.locals("v128", 4)];
  const [a, b] = f.locals("v128", 2) as [Local, Local];
  for (let x = 0; x < 4; x++) {
    load(0, x);
    load(2, x);
    f.op("f32x4.sub").set(first[x] as Local);
  }
  store(0, first);
  for (let x = 0; x < 4; x++) {
    load(1, x);
    f.set(a);
    load(2, x);
    f.set(b);
    f.get(a)
      .get(b)
      .op("f32x4.add")
      .set(first[x] as Local);
    f.get(b)
      .get(a)
      .op("f32x4.sub")
      .set(second[x] as Local);
  }
  store(1, first);
  store(2, second);
  for (let x = 0; x < 4; x++) {
    load(1, x);
    load(3, x);
    f.op("f32x4.sub").set(first[x] as Local);
  }
  store(3, first);
  f.release(...first, ...second, a, b, under);
  if (last && underLast) f.release(last, underLast);
}
