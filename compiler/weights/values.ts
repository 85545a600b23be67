/** Bytes of a stored tensor as f32: f16 and bf16 are widened exactly, f64 is narrowed. */
import { invariant } from "../invariant.ts";
import { LITTLE } from "../ir/values.ts";
import { DTYPE_BITS, type StoredTensor, type TensorFile } from "./safetensors.ts";

/** What `tensorValues` reads. */
export const READABLE: ReadonlySet<string> = new Set(["F32", "F16", "BF16", "F64"]);

/** A fresh array. The file promises no alignment, so bytes are copied unless the source gave a copy already. */
export function tensorValues(_file: TensorFile, tensor: StoredTensor): Float32Array {
  invariant(READABLE.has(tensor.dtype), `dtype ${tensor.dtype} of ${tensor.name}`);
  const bytes = tensor.source.read(tensor.begin, tensor.end);
  invariant(bytes.length === tensor.end - tensor.begin, `${tensor.name} was cut short while it was read`);
  if (tensor.dtype === "F32" && LITTLE && tensor.source.owned && bytes.byteOffset % 4 === 0) {
    return new Float32Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length / 4);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = (bytes.length * 8) / (DTYPE_BITS.get(tensor.dtype) ?? 8);
  const out = new Float32Array(count);
  switch (tensor.dtype) {
    case "F32":
      if (LITTLE) new Uint8Array(out.buffer).set(bytes);
      else for (let i = 0; i < count; i++) out[i] = view.getFloat32(4 * i, true);
      break;
    case "F64":
      for (let i = 0; i < count; i++) out[i] = view.getFloat64(8 * i, true);
      break;
    case "BF16": {
      const words = new Uint32Array(out.buffer);
      for (let i = 0; i < count; i++) words[i] = view.getUint16(2 * i, true) << 16;
      break;
    }
    case "F16":
      for (let i = 0; i < count; i++) out[i] = halfToNumber(view.getUint16(2 * i, true));
      break;
  }
  return out;
}

/** `tensorValues` into `into`, which has room for exactly its values. */
export function tensorValuesInto(file: TensorFile, tensor: StoredTensor, into: Float32Array): void {
  const { source, begin, end } = tensor;
  if (tensor.dtype === "F32" && LITTLE && source.readInto) {
    const bytes = new Uint8Array(into.buffer, into.byteOffset, into.byteLength);
    const got = bytes.length === end - begin ? source.readInto(begin, bytes) : -1;
    invariant(got === bytes.length, `${tensor.name} was cut short while it was read`);
  } else into.set(tensorValues(file, tensor));
}

/** IEEE 754 binary16: 1 sign, 5 exponent, 10 fraction bits. */
export function halfToNumber(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
