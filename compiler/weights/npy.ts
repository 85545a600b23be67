/**
 * NumPy's .npy and .npz, for inputs and outputs on the command line (numpy.lib.format, versions 1 to 3).
 * Object arrays are pickles and are refused.
 */
import { unzipSync } from "fflate";
import { halfToNumber } from "./values.ts";

export interface NpyArray {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

const MAGIC = "\x93NUMPY";

/** Readers by type letter and size. Everything becomes f32; 64-bit integers above 2^24 are rounded like all others. */
const READERS: ReadonlyMap<string, (v: DataView, at: number, little: boolean) => number> = new Map([
  ["f2", (v, at, little) => halfToNumber(v.getUint16(at, little))],
  ["f4", (v, at, little) => v.getFloat32(at, little)],
  ["f8", (v, at, little) => v.getFloat64(at, little)],
  ["u1", (v, at) => v.getUint8(at)],
  ["i1", (v, at) => v.getInt8(at)],
  ["b1", (v, at) => (v.getUint8(at) ? 1 : 0)],
  ["u2", (v, at, little) => v.getUint16(at, little)],
  ["i2", (v, at, little) => v.getInt16(at, little)],
  ["u4", (v, at, little) => v.getUint32(at, little)],
  ["i4", (v, at, little) => v.getInt32(at, little)],
  ["u8", (v, at, little) => Number(v.getBigUint64(at, little))],
  ["i8", (v, at, little) => Number(v.getBigInt64(at, little))],
]);

const latin1 = (bytes: Uint8Array): string => String.fromCharCode(...bytes);

/** The array, or a reason that completes "cannot read x.npy: ...". */
export function readNpy(bytes: Uint8Array): NpyArray | string {
  if (bytes.length < 10 || latin1(bytes.subarray(0, 6)) !== MAGIC) return "it is no .npy file";
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = bytes[6] ?? 0;
  if (version < 1 || version > 3) return `version ${version} of the format is not known`;
  const wide = version > 1;
  if (wide && bytes.length < 12) return "its header is cut short";
  const start = wide ? 12 : 10;
  const length = wide ? view.getUint32(8, true) : view.getUint16(8, true);
  // 64 KiB is far above any header that numpy writes
  if (length > 65536 || start + length > bytes.length) return "its header is cut short";
  const header = latin1(bytes.subarray(start, start + length));
  const descr = /'descr'\s*:\s*'([<>|=])([a-zA-Z]\d*)'/.exec(header);
  const order = /'fortran_order'\s*:\s*(True|False)/.exec(header)?.[1];
  const sizes = /'shape'\s*:\s*\(([\d, ]*)\)/.exec(header)?.[1];
  if (!descr || order === undefined || sizes === undefined) return "its header is not an array of numbers";
  const [, byteOrder, type = ""] = descr;
  const reader = READERS.get(type);
  if (!reader) return `arrays of type ${type} are not read`;
  const shape = sizes.split(",").flatMap((s) => (s.trim() === "" ? [] : [Number(s)]));
  const count = shape.reduce((a, b) => a * b, 1);
  const size = Number(type.slice(1));
  const data = start + length;
  if (bytes.length - data !== count * size)
    return `it has ${bytes.length - data} bytes of values, [${shape.join(", ")}] needs ${count * size}`;
  const out = new Float32Array(count);
  for (let i = 0; i < count; i++) out[i] = reader(view, data + size * i, byteOrder !== ">");
  return { shape, data: order === "True" ? rowMajor(out, shape) : out };
}

/** Column-major values in row-major order. */
function rowMajor(values: Float32Array, shape: readonly number[]): Float32Array {
  const out = new Float32Array(values.length);
  const strides = shape.map((_, i) => shape.slice(0, i).reduce((a, b) => a * b, 1));
  const at = shape.map(() => 0);
  for (let i = 0; i < out.length; i++) {
    out[i] = values[at.reduce((sum, c, axis) => sum + c * strides[axis]!, 0)]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at[axis]!++;
      if (at[axis]! < shape[axis]!) break;
      at[axis] = 0;
    }
  }
  return out;
}

/** Version 1.0, f32, row-major: what `numpy.save` writes for such an array. */
export function writeNpy({ shape, data }: NpyArray): Uint8Array {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
  // without NumPy's comma before the brace: that is how `isWrittenNpy` tells these files from those of others
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': ${tuple}}`;
  const length = Math.ceil((10 + text.length + 1) / 64) * 64 - 10;
  const out = new Uint8Array(10 + length + 4 * data.length);
  const view = new DataView(out.buffer);
  const head = `${MAGIC}\x01\x00`;
  for (let i = 0; i < head.length; i++) out[i] = head.charCodeAt(i);
  view.setUint16(8, length, true);
  const padded = `${text.padEnd(length - 1)}\n`;
  for (let i = 0; i < padded.length; i++) out[10 + i] = padded.charCodeAt(i);
  for (let i = 0; i < data.length; i++) view.setFloat32(10 + length + 4 * i, data[i]!, true);
  return out;
}

/** Whether the first bytes of a file are those of `writeNpy`; the format has no room for a mark. */
export function isWrittenNpy(head: Uint8Array): boolean {
  const text = String.fromCharCode(...head.subarray(10, 10 + 256));
  return head[0] === 0x93 && /^\{'descr': '<f4', 'fortran_order': False, 'shape': \([\d, ]*\)\} *\n/.test(text);
}

/** What unpacking may cost: an archive of a few bytes can claim gigabytes. */
const NPZ_LIMIT = 1024 ** 3;

/** The arrays of an archive by name, without ".npy"; or a reason as for `readNpy`. */
export function readNpz(bytes: Uint8Array): ReadonlyMap<string, NpyArray> | string {
  let total = 0;
  const unzip = (): Record<string, Uint8Array> | undefined => {
    try {
      return unzipSync(bytes, {
        filter: (entry) => {
          total += entry.originalSize;
          return total <= NPZ_LIMIT;
        },
      });
    } catch {
      return undefined;
    }
  };
  const entries = unzip();
  if (!entries) return "it is no zip archive, or a damaged one";
  if (total > NPZ_LIMIT) return "it unpacks to more than 1 GiB";
  const arrays = new Map<string, NpyArray>();
  for (const [name, contents] of Object.entries(entries)) {
    const array = readNpy(contents);
    if (typeof array === "string") return `${name}: ${array}`;
    arrays.set(name.replace(/\.npy$/, ""), array);
  }
  return arrays;
}
