/**
 * safetensors (weights.md section 5). The header is read first and every rule of the format is checked before anything else is believed;
 * tensors are then read as byte ranges, one at a time. Nothing here allocates more than the header and the tensor asked for.
 */
import type { Message } from "../diagnostics/diagnostic.ts";
import { messages } from "../diagnostics/messages.gen.ts";
import { copyValues, LITTLE, type TensorValues } from "../ir/values.ts";
import { LIMITS } from "../limits.ts";
import { memoryStore, type PieceStore } from "./piece-store.ts";
import { strictJson } from "./strict-json.ts";

/** Bytes of a file of known size: from disk, from memory, over HTTP ranges. `read` gives exactly [begin, end). */
export interface ByteSource {
  readonly size: number;
  read(begin: number, end: number): Uint8Array;
  /** What `read` gives is a copy of its own, which the caller may keep and change. */
  readonly owned?: true;
  /** [begin, begin + into.length) into memory of the caller; the number of bytes that were there. */
  readonly readInto?: (begin: number, into: Uint8Array) => number;
}

export const bytesSource = (bytes: Uint8Array): ByteSource => ({ size: bytes.length, read: (begin, end) => bytes.subarray(begin, end) });

/** One tensor of a file; `begin` and `end` count from the start of `source`. */
export interface StoredTensor {
  readonly name: string;
  /** As the file spells it: "F32", "BF16", "I64". */
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly source: ByteSource;
  readonly begin: number;
  readonly end: number;
}

/** What loading needs of a weight file, whatever its format and number of parts. */
export interface TensorFile {
  /** As the user gave it. */
  readonly name: string;
  /** In file order of the header. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly metadata: ReadonlyMap<string, string>;
  readonly bytes: number;
}

export type OpenResult = { readonly ok: true; readonly file: TensorFile } | { readonly ok: false; readonly problem: Message };

/** Bits of one element. */
export const DTYPE_BITS: ReadonlyMap<string, number> = new Map([
  ["BOOL", 8],
  ["U8", 8],
  ["I8", 8],
  ["F8_E4M3", 8],
  ["F8_E5M2", 8],
  ["F8_E8M0", 8],
  ["F8_E4M3FNUZ", 8],
  ["F8_E5M2FNUZ", 8],
  ["F4", 4],
  ["F6_E2M3", 6],
  ["F6_E3M2", 6],
  ["I16", 16],
  ["U16", 16],
  ["F16", 16],
  ["BF16", 16],
  ["I32", 32],
  ["U32", 32],
  ["F32", 32],
  ["C64", 64],
  ["F64", 64],
  ["I64", 64],
  ["U64", 64],
]);

const fail = (problem: Message): OpenResult => ({ ok: false, problem });

/** Opens one safetensors file. Every way in which it can be malformed is SE405 with the reason. */
export function openSafetensors(name: string, source: ByteSource): OpenResult {
  const foreign = foreignFormat(name, source);
  if (foreign) return fail(foreign);
  const broken = (reason: string): OpenResult => fail(messages.SE405.malformed({ file: name, reason }));

  if (source.size < 8) return broken(`it has ${source.size} bytes; the header's length alone takes 8`);
  const lengthBytes = source.read(0, 8);
  const declared = new DataView(lengthBytes.buffer, lengthBytes.byteOffset, 8).getBigUint64(0, true);
  if (declared > BigInt(LIMITS.weightHeaderBytes))
    return broken(`its header says it is ${declared} bytes long; the limit is ${LIMITS.weightHeaderBytes}`);
  const headerBytes = Number(declared);
  const start = 8 + headerBytes;
  if (start > source.size) return broken(`its header says it is ${headerBytes} bytes long, but the file has ${source.size} bytes`);

  const text = utf8(source.read(8, start));
  if (text === undefined) return broken("its header is not UTF-8");
  if (!text.startsWith("{")) return broken("its header does not start with `{`");
  const json = strictJson(text);
  if ("reason" in json) return broken(`its header is ${json.reason}`);
  if (!(json.value instanceof Map)) return broken("its header is not a JSON object");

  const tensors = new Map<string, StoredTensor>();
  let metadata: ReadonlyMap<string, string> = new Map();
  for (const [key, entry] of json.value as Map<string, unknown>) {
    if (key === "__metadata__") {
      if (!(entry instanceof Map) || ![...entry.values()].every((v) => typeof v === "string"))
        return broken("`__metadata__` holds something that is not text");
      metadata = entry as Map<string, string>;
      continue;
    }
    const tensor = readEntry(key, entry, source, start);
    if (typeof tensor === "string") return broken(tensor);
    tensors.set(key, tensor);
  }
  const hole = findHole([...tensors.values()], start, source.size);
  if (hole !== undefined) return broken(hole);
  return { ok: true, file: { name, tensors, metadata, bytes: source.size } };
}

const isCount = (v: unknown): v is number => typeof v === "number" && Number.isSafeInteger(v) && v >= 0 && !Object.is(v, -0);

/** The checked entry, or what is wrong with it. */
function readEntry(name: string, entry: unknown, source: ByteSource, start: number): StoredTensor | string {
  const label = `the entry of \`${name}\``;
  if (!(entry instanceof Map)) return `${label} is not an object`;
  for (const key of entry.keys())
    if (key !== "dtype" && key !== "shape" && key !== "data_offsets") return `${label} has an unknown key \`${String(key)}\``;
  const dtype: unknown = entry.get("dtype");
  const bits = typeof dtype === "string" ? DTYPE_BITS.get(dtype) : undefined;
  if (typeof dtype !== "string" || bits === undefined) return `${label} has no known dtype`;
  const shape: unknown = entry.get("shape");
  if (!Array.isArray(shape) || !shape.every(isCount)) return `the shape of \`${name}\` is not a list of non-negative whole numbers`;
  const offsets: unknown = entry.get("data_offsets");
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) return `${label} has no pair of data_offsets`;
  const count = shape.reduce((product: number, d) => product * d, 1);
  if (!(count < 2 ** 53)) return `the shape of \`${name}\` has more elements than a file can hold`;
  const [begin, end] = offsets as [number, number];
  if (begin > end || start + end > source.size) return `the data_offsets of \`${name}\` reach outside the file`;
  if ((count * bits) % 8 !== 0) return `\`${name}\` does not fill whole bytes`;
  if (end - begin !== (count * bits) / 8)
    return `\`${name}\` takes ${end - begin} bytes, but ${dtype} [${shape.join(", ")}] needs ${(count * bits) / 8}`;
  return { name, dtype, shape, source, begin: start + begin, end: start + end };
}

/** The tensors must tile the buffer: hidden bytes and shared bytes are both refused. */
function findHole(tensors: StoredTensor[], start: number, size: number): string | undefined {
  let at = start;
  for (const t of tensors.sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (t.begin < at) return `\`${t.name}\` overlaps another tensor`;
    if (t.begin > at) return `there is a hole of ${t.begin - at} bytes before \`${t.name}\``;
    at = t.end;
  }
  return at === size ? undefined : `${size - at} bytes after the last tensor belong to none`;
}

function utf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Other formats by their first bytes or their name; a pickle can run code when it is opened, so it is never tried. */
function foreignFormat(name: string, source: ByteSource): Message | undefined {
  const head = source.read(0, Math.min(9, source.size));
  const byte = (i: number): number => head[i] ?? -1;
  // the length of a header can begin with any bytes; what follows it cannot
  const isHeader = byte(8) === 0x7b;
  const isZip = !isHeader && byte(0) === 0x50 && byte(1) === 0x4b;
  const isPickle = !isHeader && byte(0) === 0x80 && byte(1) >= 2 && byte(1) <= 5;
  const extension = /\.(\w+)$/.exec(name)?.[1]?.toLowerCase() ?? "";
  const other = new Map([
    ["h5", "an HDF5 file"],
    ["keras", "a Keras file"],
    ["npz", "a NumPy archive"],
    ["pb", "a TensorFlow graph"],
    ["tflite", "a TensorFlow Lite model"],
    ["caffemodel", "a Caffe model"],
  ]).get(extension);
  if (other) return messages.SE405.foreign({ file: name, format: other });
  if (byte(0) === 0x89 && byte(1) === 0x48 && byte(2) === 0x44 && byte(3) === 0x46)
    return messages.SE405.foreign({ file: name, format: "an HDF5 file" });
  if (isZip || isPickle || ["pth", "pt", "bin", "ckpt", "pkl"].includes(extension)) return messages.SE405.pickle({ file: name });
  return undefined;
}

export interface TensorToWrite {
  readonly name: string;
  readonly shape: readonly number[];
  /** f32, or i64 for num_batches_tracked. */
  readonly data: TensorValues | BigInt64Array;
}

const isCounter = (data: TensorToWrite["data"]): data is BigInt64Array => data instanceof BigInt64Array;

/** Values that are made, and given to the store, at one time. */
const PIECE_VALUES = 2 ** 18;

/**
 * A complete file: tensors in the order given, no holes, header padded to a multiple of 8. Equal input gives equal bytes. With a store that
 * takes pieces away, memory holds one piece of it.
 */
export function writeSafetensors(
  tensors: readonly TensorToWrite[],
  metadata: Readonly<Record<string, string>> = {},
  store: PieceStore = memoryStore(),
): Uint8Array {
  let end = 0;
  const entries = [
    ["__metadata__", { format: "pt", ...metadata }] as const,
    ...tensors.map((t) => {
      const bytes = t.data.length * (isCounter(t.data) ? 8 : 4);
      const entry = { dtype: isCounter(t.data) ? "I64" : "F32", shape: t.shape, data_offsets: [end, end + bytes] };
      end += bytes;
      return [t.name, entry] as const;
    }),
  ];
  // built by hand: an object would drop a tensor called `__proto__` and move names that look like numbers to the front
  const json = `{${entries.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(",")}}`;
  const bare = new TextEncoder().encode(json);
  const headerBytes = Math.ceil(bare.length / 8) * 8;
  store.open(8 + headerBytes + end);
  if (store.sizesOnly) return store.close();
  const head = store.piece(0, 8 + headerBytes);
  new DataView(head.buffer, head.byteOffset, 8).setBigUint64(0, BigInt(headerBytes), true);
  head.set(bare, 8);
  head.fill(0x20, 8 + bare.length);
  store.done(0, head);
  let at = 8 + headerBytes;
  for (const { data } of tensors) at = writeValues(store, at, data);
  return store.close();
}

/** Gives the end of what it wrote. */
function writeValues(store: PieceStore, start: number, data: TensorToWrite["data"]): number {
  const width = isCounter(data) ? 8 : 4;
  let values: Float32Array | undefined;
  for (let from = 0; from < data.length; from += PIECE_VALUES) {
    const count = Math.min(PIECE_VALUES, data.length - from);
    const at = start + from * width;
    const piece = store.piece(at, count * width);
    if (isCounter(data)) {
      const view = new DataView(piece.buffer, piece.byteOffset, piece.byteLength);
      for (let i = 0; i < count; i++) view.setBigInt64(8 * i, data[from + i]!, true);
    } else {
      // the piece may begin at any byte
      values ??= new Float32Array(Math.min(PIECE_VALUES, data.length));
      const part = values.subarray(0, count);
      copyValues(data, part, from);
      putF32(piece, part);
    }
    store.done(at, piece);
  }
  return start + data.length * width;
}

function putF32(into: Uint8Array, values: Float32Array): void {
  if (LITTLE) into.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  else {
    const view = new DataView(into.buffer, into.byteOffset, into.byteLength);
    for (let i = 0; i < values.length; i++) view.setFloat32(4 * i, values[i]!, true);
  }
}
