/** Zeros that kernels do not write: the halo of a map, and the lanes between its channels and the stored ones. */
import type { Layout } from "./addressing.ts";
import { FunctionWriter } from "./function-writer.ts";
import type { KernelCode } from "./kernel-code.ts";

const why = { algorithm: "zeros", why: "the place held other values earlier in the run" };

/** One unit an image. `halo` pixels around a map of h rows and w columns, `pixel` bytes each. */
export function haloCode(buffer: number, images: number, [h, w]: readonly [number, number], halo: number, pixel: number): KernelCode {
  const f = new FunctionWriter(["i32", "i32", "i32"]);
  const row = (w + 2 * halo) * pixel;
  const at = f.local("i32");
  const stop = f.local("i32");
  const u = f.param(0);
  // left of the first row as well, and, after each row, what is right of it and left of the next
  const edge = halo * row + halo * pixel;
  const sides = 2 * halo * pixel;
  f.while(u, f.param(1), 1, () => {
    f.get(u)
      .i32((h + 2 * halo) * row)
      .op("i32.mul")
      .get(f.param(2))
      .op("i32.add")
      .tee(at);
    f.i32(0).i32(edge).op("memory.fill");
    f.increase(at, edge + w * pixel);
    f.get(at)
      .i32((h - 1) * row)
      .op("i32.add")
      .set(stop);
    f.while(at, stop, row, () => {
      f.get(at).i32(0).i32(sides).op("memory.fill");
    });
    f.get(at).i32(0).i32(edge).op("memory.fill");
  });
  return {
    name: "zero-halo",
    body: f.finish("zero-halo"),
    units: images,
    addresses: [{ kind: "value", buffer }],
    packed: [],
    algorithm: why,
  };
}

/** One unit a run of stored lanes. */
export function paddingCode(buffer: number, layout: Layout): KernelCode {
  const f = new FunctionWriter(["i32", "i32", "i32"]);
  const at = f.local("i32");
  const u = f.param(0);
  f.while(u, f.param(1), 1, () => {
    f.get(u)
      .i32(layout.lanes * 4)
      .op("i32.mul")
      .get(f.param(2))
      .op("i32.add")
      .set(at);
    for (let lane = layout.sizes[layout.unit] as number; lane < layout.lanes; lane++)
      f.get(at)
        .i32(0)
        .memory("i32.store", lane * 4);
  });
  return {
    name: "zero-padding",
    body: f.finish("zero-padding"),
    units: layout.elements / layout.lanes,
    addresses: [{ kind: "value", buffer }],
    packed: [],
    algorithm: why,
  };
}
