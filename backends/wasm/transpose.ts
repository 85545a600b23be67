/**
 * Between the caller's arrays, one plane after the other, and maps, channels innermost: four channels of four pixels are a 4x4 matrix, which
 * is transposed in registers. A unit is a row of one image.
 */
import { inQuads, type Layout } from "./addressing.ts";
import { FunctionWriter, type Local } from "./function-writer.ts";
import type { KernelCode } from "./kernel-code.ts";
import { F32 } from "./layout.ts";

type Four = [Local, Local, Local, Local];

/** Buffers 0 and 1 are source and target; undefined for values that are no maps with channels innermost, and for narrow ones. */
export function transposeCode(map: Layout, direction: "into map" | "out of map"): KernelCode | undefined {
  const [images = 1, channels = 1, height = 1, width = 1] = map.sizes;
  if (map.sizes.length !== 4 || map.unit !== 1 || !inQuads(map) || width < 4) return undefined;
  const into = direction === "into map";
  const f = new FunctionWriter(["i32", "i32", "i32", "i32"]);
  const u = f.param(0);
  const [planes, pixels] = into ? [f.param(2), f.param(3)] : [f.param(3), f.param(2)];
  const [plane, quad, x, at, image, y, left] = f.locals("i32", 7) as [Local, Local, Local, Local, Local, Local, Local];
  const rows = f.locals("v128", 4) as Four;
  const halves = f.locals("v128", 4) as Four;
  const planeBytes = height * width * F32;
  const [imageStep = 0, , rowStep = 0, pixelStep = 0] = map.strides.map((s) => s * F32);

  /** Four pixels of `count` channels, from or to `plane` + x and `at`. */
  const block = (count: number): void => {
    for (let k = 0; k < 4; k++) {
      if (into && k >= count) f.f32x4(0);
      else if (into)
        f.get(plane)
          .get(x)
          .op("i32.add")
          .memory("v128.load", k * planeBytes);
      else f.get(at).memory("v128.load", k * pixelStep);
      f.set(rows[k] as Local);
    }
    const [r0, r1, r2, r3] = rows;
    const [h0, h1, h2, h3] = halves;
    f.get(r0).get(r1).shuffleWords([0, 4, 1, 5]).set(h0);
    f.get(r0).get(r1).shuffleWords([2, 6, 3, 7]).set(h1);
    f.get(r2).get(r3).shuffleWords([0, 4, 1, 5]).set(h2);
    f.get(r2).get(r3).shuffleWords([2, 6, 3, 7]).set(h3);
    for (let k = 0; k < 4; k++) {
      if (!into && k >= count) continue;
      if (into) f.get(at);
      else f.get(plane).get(x).op("i32.add");
      f.get(k < 2 ? h0 : h1)
        .get(k < 2 ? h2 : h3)
        .shuffleWords(k % 2 === 0 ? [0, 1, 4, 5] : [2, 3, 6, 7])
        .memory("v128.store", k * (into ? pixelStep : planeBytes));
    }
  };
  /** A row of up to four channels. The last four pixels are taken from the row's end, some of them again. */
  const line = (count: number): void => {
    f.i32(0).set(x);
    f.while(x, width * F32, 16, () => {
      f.get(x)
        .i32((width - 4) * F32)
        .get(x)
        .i32((width - 4) * F32)
        .op("i32.lt_u")
        .op("select")
        .tee(x)
        .i32(pixelStep / F32)
        .op("i32.mul")
        .get(quad)
        .op("i32.add")
        .set(at);
      block(count);
    });
  };

  f.while(u, f.param(1), 1, () => {
    f.get(u).i32(height).op("i32.div_u").set(image);
    f.get(u).i32(height).op("i32.rem_u").set(y);
    f.get(planes)
      .get(image)
      .i32(channels * planeBytes)
      .op("i32.mul")
      .op("i32.add");
    f.get(y)
      .i32(width * F32)
      .op("i32.mul")
      .op("i32.add")
      .set(plane);
    f.get(pixels)
      .i32(map.base * F32)
      .op("i32.add");
    f.get(image).i32(imageStep).op("i32.mul").op("i32.add");
    f.get(y).i32(rowStep).op("i32.mul").op("i32.add").set(quad);
    f.i32(Math.floor(channels / 4)).set(left);
    if (channels >= 4)
      f.loop((next) => {
        line(4);
        f.increase(plane, 4 * planeBytes).increase(quad, 16);
        f.get(left).i32(1).op("i32.sub").tee(left).brIf(next);
      });
    if (channels % 4 > 0) line(channels % 4);
  });
  return {
    name: "transpose",
    body: f.finish("transpose"),
    units: images * height,
    addresses: [
      { kind: "value", buffer: 0 },
      { kind: "value", buffer: 1 },
    ],
    packed: [],
    writesPadding: into && map.lanes < channels + 4,
    algorithm: { algorithm: "transpose", tile: "4x4", why: "four channels of four pixels at a time" },
  };
}
