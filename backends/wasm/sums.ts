/** Adds the channel sums of parts of a map, always in the same order: any number of threads gives the same bits. */
import { FunctionWriter } from "./function-writer.ts";
import type { KernelCode } from "./kernel-code.ts";
import { F32 } from "./layout.ts";

/** From [image][part][lanes] at `offset` of the shared memory to [image][1][lanes] of a buffer. */
export function sumsStep(buffer: number, images: number, parts: number, lanes: number, offset = 0): KernelCode {
  const f = new FunctionWriter(["i32", "i32", "i32", "i32"]);
  const [u, end, from, to] = [f.param(0), f.param(1), f.param(2), f.param(3)];
  const quads = lanes / 4;
  const at = f.local("i32");
  const k = f.local("i32");
  const sum = f.local("v128");
  f.while(u, end, 1, () => {
    f.get(from);
    if (images > 1) {
      f.get(u)
        .i32(quads)
        .op("i32.div_u")
        .i32(parts * lanes * F32)
        .op("i32.mul")
        .op("i32.add");
      f.get(u).i32(quads).op("i32.rem_u");
    } else f.get(u);
    f.i32(16).op("i32.mul").op("i32.add").set(at);
    f.f32x4(0).set(sum).i32(0).set(k);
    f.until(k, parts, 1, () => {
      f.get(sum).get(at).memory("v128.load").op("f32x4.add").set(sum);
      f.increase(at, lanes * F32);
    });
    f.get(to).get(u).i32(16).op("i32.mul").op("i32.add").get(sum).memory("v128.store");
  });
  return {
    name: "sums",
    body: f.finish("sums"),
    units: images * quads,
    addresses: [
      { kind: "shared", offset },
      { kind: "value", buffer },
    ],
    packed: [],
    sharedBytes: offset + images * parts * lanes * F32,
    writesPadding: true,
    algorithm: { algorithm: "sums", why: `${parts} partial sums a channel, added in order` },
  };
}
