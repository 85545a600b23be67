/** `digest(at, end)`: hashes bytes that lie in the memory (the digest of weights-file.ts, a lane of it in each lane of a vector). */
import { type FunctionBody, FunctionWriter } from "./function-writer.ts";
import { CONTROL } from "./memory.ts";

/** Goes on from the lanes that lie at `CONTROL.digest`. Both addresses are multiples of 16 apart. */
export function digestFunction(): FunctionBody {
  const f = new FunctionWriter(["i32", "i32"]);
  const [at, end] = [f.param(0), f.param(1)];
  const lanes = f.local("v128");
  f.i32(0).memory("v128.load", CONTROL.digest).set(lanes);
  f.while(at, end, 16, () => {
    f.get(lanes).get(at).memory("v128.load").pooled(0x85ebca77, "i32").op("i32x4.mul").op("i32x4.add");
    f.pooled(0x9e3779b1, "i32").op("i32x4.mul").tee(lanes);
    f.i32(13).op("i32x4.shl").get(lanes).i32(19).op("i32x4.shr_u").op("v128.or").set(lanes);
  });
  f.i32(0).get(lanes).memory("v128.store", CONTROL.digest);
  return f.finish("digest");
}
