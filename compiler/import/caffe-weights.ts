/** A .caffemodel: tensors by the names of the layers. Only what is asked for is read; a damaged file is `Damaged`, never a throw of others. */
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

export interface Blob {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

export type CaffeWeights = ReadonlyMap<string, readonly Blob[]>;

/** Why the file cannot be read; becomes SE604. */
export class Damaged extends Error {}

/** Field numbers of caffe.proto. */
const NET = { layers: 2, layer: 100 } as const;
const LAYER = { old: { name: 4, blobs: 6 }, new: { name: 1, blobs: 7 } } as const;
const BLOB = { num: 1, channels: 2, height: 3, width: 4, data: 5, shape: 7, doubleData: 8 } as const;

/** Names and blobs of a few bytes each become objects: files made of nothing else hold no weights. */
const MANY_PARTS = 20_000;
const BYTES_PER_PART = 256;

export function readCaffeWeights(bytes: Uint8Array): CaffeWeights {
  const found = new Map<string, readonly Blob[]>();
  const budget = { parts: Math.max(MANY_PARTS, bytes.length / BYTES_PER_PART) };
  try {
    each(bytes, (field, part) => {
      const fields = field === NET.layer ? LAYER.new : field === NET.layers ? LAYER.old : undefined;
      if (!fields || !part) return false;
      let name = "";
      const blobs: Blob[] = [];
      each(part, (inner, value) => {
        if (value === undefined || --budget.parts < 0) return false;
        if (inner === fields.name) name = new TextDecoder().decode(value);
        else if (inner === fields.blobs) blobs.push(blobOf(value));
        return false;
      });
      if (budget.parts < 0) throw new Damaged("it is made of far more parts than a network has");
      if (blobs.length > 0 && !found.has(name)) found.set(name, blobs);
      return false;
    });
  } catch (error) {
    if (error instanceof Damaged) throw error;
    throw new Damaged(`it is no protobuf message (${(error as Error).message})`);
  }
  if (found.size === 0) throw new Damaged("no layer in it has weights");
  return found;
}

/** Every field of a message; `part` for those with a length, a view without a copy. For others the visitor says whether it read the value. */
function each(
  bytes: Uint8Array,
  visit: (field: number, part: Uint8Array | undefined, reader: BinaryReader, wire: WireType) => boolean,
): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wire] = reader.tag();
    if (wire === WireType.LengthDelimited) visit(field, reader.bytes(), reader, wire);
    else if (!visit(field, undefined, reader, wire)) reader.skip(wire, field);
  }
}

function blobOf(bytes: Uint8Array): Blob {
  const legacy = [0, 0, 0, 0];
  let shape: number[] | undefined;
  // a list may come in one packed run, in several, or value by value: counted first, so that it is copied once
  const floats = new Numbers(4);
  const doubles = new Numbers(8);
  each(bytes, (field, part, reader, wire) => {
    if (field === BLOB.shape && part) shape = dimsOf(part);
    else if (field === BLOB.data) return floats.take(part, reader, wire);
    else if (field === BLOB.doubleData) return doubles.take(part, reader, wire);
    else if (field >= BLOB.num && field <= BLOB.width && wire === WireType.Varint) {
      legacy[field - 1] = reader.int32();
      return true;
    }
    return false;
  });
  const data = floats.length > 0 ? floats.values() : doubles.values();
  const dims = shape ?? legacy;
  const count = dims.reduce((a, b) => a * b, 1);
  if (dims.some((d) => d < 0) || dims.length > 32 || count !== data.length)
    throw new Damaged(`a blob of the shape [${dims.slice(0, 8)}] has ${data.length} values`);
  return { shape: dims, data };
}

/** `BlobShape { repeated int64 dim = 1 [packed] }` */
function dimsOf(bytes: Uint8Array): number[] {
  const dims: number[] = [];
  const push = (reader: BinaryReader): void => {
    if (dims.length > 32) throw new Damaged("a blob has more than 32 axes");
    dims.push(Number(reader.int64()));
  };
  each(bytes, (field, part, reader, wire) => {
    if (field !== 1) return false;
    if (part) {
      const list = new BinaryReader(part);
      while (list.pos < list.len) push(list);
      return false;
    }
    if (wire !== WireType.Varint) return false;
    push(reader);
    return true;
  });
  return dims;
}

/** Numbers of a repeated field, kept as views of the file until all are there. */
class Numbers {
  readonly #width: 4 | 8;
  readonly #runs: (Uint8Array | number[])[] = [];
  length = 0;

  constructor(width: 4 | 8) {
    this.#width = width;
  }

  take(part: Uint8Array | undefined, reader: BinaryReader, wire: WireType): boolean {
    if (part) {
      if (part.length % this.#width !== 0) throw new Damaged("a list of numbers ends within a number");
      // a view is larger than a short run
      if (part.length >= 1024) {
        this.#runs.push(part);
        this.length += part.length / this.#width;
      } else for (const list = new BinaryReader(part); list.pos < list.len; ) this.#push(list);
      return false;
    }
    if (wire !== (this.#width === 4 ? WireType.Bit32 : WireType.Bit64)) return false;
    this.#push(reader);
    return true;
  }

  #push(reader: BinaryReader): void {
    const last = this.#runs.at(-1);
    const value = this.#width === 4 ? reader.float() : reader.double();
    if (Array.isArray(last)) last.push(value);
    else this.#runs.push([value]);
    this.length++;
  }

  values(): Float32Array {
    const out = new Float32Array(this.length);
    let at = 0;
    for (const run of this.#runs) {
      if (Array.isArray(run)) {
        out.set(run, at);
        at += run.length;
        continue;
      }
      const view = new DataView(run.buffer, run.byteOffset, run.byteLength);
      const count = run.length / this.#width;
      for (let i = 0; i < count; i++) out[at + i] = this.#width === 4 ? view.getFloat32(4 * i, true) : view.getFloat64(8 * i, true);
      at += count;
    }
    return out;
  }
}
