/**
 * The `.weights` file that lies beside every emitted module (architecture.md section 8.3): a 64-byte header, then one payload of packed
 * tensors, each at a 256-byte boundary of the payload. All little-endian. Offsets are constants of the module, so no table is stored.
 */
import { invariant } from "../../compiler/invariant.ts";
import { mix } from "../../compiler/vectors/kernels.ts";
import { memoryStore } from "../../compiler/weights/piece-store.ts";
import type { WeightsStore } from "../backend.ts";
import { stringLiteral } from "./text.ts";

export const HEADER_BYTES = 64;
export const ALIGNMENT = 256;

/** What a module knows of its weights, as text. Bundlers take the file along where they see exactly this form of URL. */
export const weightsText = (file: string, packed: PackedWeights): string =>
  `const WEIGHTS = { url: () => new URL(${stringLiteral(`./${file}`)}, import.meta.url), bytes: ${packed.payloadBytes}, hash: "${packed.hash}" };`;

/** One packed tensor. `fill` gets exactly `bytes` bytes of the file, 4-byte aligned, and writes them in place. */
export interface Section {
  readonly bytes: number;
  readonly fill: (into: Uint8Array) => void;
  /** `fill` writes every byte. Others are zero before. */
  readonly whole?: boolean;
}

/** What a module has to know of its weights. */
export interface PackedWeights {
  readonly file: Uint8Array;
  /** 32 hexadecimal digits: the digest of the payload. */
  readonly hash: string;
  /** Byte offset of each section from the start of the payload. */
  readonly offsets: readonly number[];
  readonly payloadBytes: number;
}

/** A section of `count` f32 numbers. `whole`: as in `Section`. */
export function f32Section(count: number, fill: (into: Float32Array) => void, whole = false): Section {
  return { bytes: count * 4, fill: (into) => fill(new Float32Array(into.buffer, into.byteOffset, count)), whole };
}

/** Sections are joined until they are this large: small ones are not worth a call each, and large pieces leave the processor's cache. */
const PIECE_BYTES = 2 ** 20;

/** The largest piece that `packWeights` asks its store for, where the largest section is as large as this tensor. */
export const largestPiece = (tensorBytes: number): number => PIECE_BYTES + tensorBytes;

/**
 * Packs the sections one at a time: at no time is more than one tensor alive beside what `store` holds (as long as `fill` reads its tensor
 * itself). Every piece is hashed while it is in the cache.
 */
export function packWeights(sections: readonly Section[], store: WeightsStore = memoryStore()): PackedWeights {
  const offsets: number[] = [];
  let end = 0;
  for (const section of sections) {
    offsets.push(end);
    end += Math.ceil(section.bytes / ALIGNMENT) * ALIGNMENT;
  }
  store.open(HEADER_BYTES + end);
  if (store.sizesOnly) return { file: store.close(), hash: "0".repeat(32), offsets, payloadBytes: end };
  const lanes = Int32Array.from(SEEDS);
  for (let first = 0, next = 0; first < sections.length; first = next) {
    const start = offsets[first] as number;
    let stop = start;
    while (next < sections.length && (next === first || stop - start < PIECE_BYTES)) stop = offsets[++next] ?? end;
    const piece = store.piece(HEADER_BYTES + start, stop - start);
    for (let i = first; i < next; i++) {
      const { bytes, fill, whole } = sections[i] as Section;
      const at = (offsets[i] as number) - start;
      piece.fill(0, whole ? at + bytes : at, (offsets[i + 1] ?? end) - start);
      fill(piece.subarray(at, at + bytes));
    }
    mix(lanes, wordsOf(piece));
    store.done(HEADER_BYTES + start, piece);
  }
  const head = store.piece(0, HEADER_BYTES);
  head.fill(0);
  const header = new DataView(head.buffer, head.byteOffset, HEADER_BYTES);
  head.set([0x53, 0x45, 0x43, 0x57]); // "SECW"
  header.setUint32(4, 1, true);
  lanes.forEach((lane, i) => {
    header.setInt32(8 + i * 4, lane, true);
  });
  header.setBigUint64(24, BigInt(end), true);
  store.done(0, head);
  return { file: store.close(), hash: hashText(lanes), offsets, payloadBytes: end };
}

const SEEDS = [1, 2, 3, 4];
const hashText = (lanes: Int32Array): string => Array.from(lanes, (x) => (x >>> 0).toString(16).padStart(8, "0")).join("");

const wordsOf = (bytes: Uint8Array): Int32Array => {
  invariant(bytes.byteOffset % 4 === 0, "digest of unaligned bytes");
  return new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >>> 2);
};

/**
 * 128-bit content hash: four 32-bit lanes over little-endian words, the definition of section 8.3. It finds damage and mix-ups;
 * it is no protection against forgery. `bytes` must start at a multiple of 4 of its buffer; a rest of up to 3 bytes is not read.
 */
export function digest(bytes: Uint8Array): string {
  const lanes = Int32Array.from(SEEDS);
  mix(lanes, wordsOf(bytes));
  return hashText(lanes);
}
