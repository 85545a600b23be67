/**
 * Memory in which large tensors are made and packed, and the loops of kernels.wat that work in it: WebAssembly reaches no other memory, and
 * its vectors take a third of the time of JavaScript's loops.
 */
import { LITTLE } from "../ir/values.ts";
import { once } from "../once.ts";
import { binary } from "./kernels.gen.ts";

/** Bytes of one purpose: each call gives the place of the last, which it overwrites, or a new one where that is too small. 4 kB aligned. */
export type Region = (bytes: number) => Uint8Array;

export interface VectorMemory {
  /** The region of a purpose. Regions of one memory can be used together by one kernel. */
  region(purpose: string): Region;
  /** What will be asked for at most for a purpose, as far as the caller knows: room for it is made at once, instead of for less first. */
  expect(purpose: string, bytes: number): void;
}

/** As kernels.wat has them. */
interface Exports {
  uniform(at: number, end: number, scale: number, state: number): void;
  scale(at: number, end: number, factor: number): void;
  scale64(at: number, end: number, factor: number): void;
  widen(from: number, at: number, end: number): void;
  mix(at: number, end: number, state: number): void;
  panel(from: number, pitch: number, at: number, end: number): void;
  quads(from: number, pitch: number, last: number, bytes: number, at: number): void;
  strip(from: number, stop: number, panel: number, end: number, to: number, pitch: number): void;
  interleave(
    from: number,
    pitch: number,
    sets: number,
    to: number,
    beside: number,
    taps: number,
    tap: number,
    inners: number,
    step: number,
    groups: number,
    far: number,
  ): void;
}

/** What works in one memory. */
export interface Kernels extends Exports {
  /** The words at address 0, for operands and results of a few bytes. */
  readonly control: Int32Array;
  /** At `SUMS`, for one tile of a product. */
  readonly sums: Float64Array;
  /** At `PANEL`: eight columns of the second factor. */
  readonly panels: Float64Array;
}

const PAGE = 2 ** 16;

/**
 * A product goes by tiles of so many rows, columns and steps along the inner axis: what is read again and again stays in the processor's
 * caches, eight columns of one factor in the first-level one.
 */
export const TILE = { rows: 128, columns: 512, inner: 256 } as const;
export const PANEL_COLUMNS = 8;
/** Where they lie, after the page of `control`, and regions after them. */
export const SUMS = PAGE;
export const QUADS = SUMS + TILE.rows * TILE.columns * 8;
export const PANEL = QUADS + TILE.rows * TILE.inner * 8;
const REGIONS_AT = PANEL + TILE.inner * PANEL_COLUMNS * 8;

/** Regions that are in vector memory; those that come after them lie in memory of their own, where JavaScript does the work. */
const REGIONS = 5;
/**
 * Of a region, at first. A new block costs time, since what was touched in the last one is touched again; and the engine collects garbage
 * when its own memory and blocks come to some 55 MB, touched or not.
 */
const FIRST_BYTES = 2 ** 21;
const GROWTH = 4;
/** Regions grow together up to this, beyond it alone: a block is at most 4 GB. */
const TOGETHER_BYTES = 2 ** 26;
/** Regions do without a block until they are asked for more. */
const SMALL_BYTES = 2 ** 14;

const kernelsOf = new WeakMap<ArrayBufferLike, Kernels>();

/** What works on all of these arrays, if they lie in one block. */
export function kernelsAt(first: ArrayBufferView, ...others: readonly ArrayBufferView[]): Kernels | undefined {
  return others.every((a) => a.buffer === first.buffer) ? kernelsOf.get(first.buffer) : undefined;
}

/** The types of Node and of the language leave WebAssembly out where those of the DOM are not there. */
interface Engine {
  readonly Memory: new (size: { readonly initial: number }) => { readonly buffer: ArrayBuffer };
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: Exports };
}

const engine = (globalThis as unknown as { readonly WebAssembly: Engine }).WebAssembly;

const compiled = once(() => new engine.Module(Uint8Array.from(atob(binary), (c) => c.charCodeAt(0))));

/** Memory with kernels that work in it. Undefined where there is no WebAssembly with vectors, not so much memory, or another order of bytes. */
function newBlock(bytes: number): ArrayBuffer | undefined {
  if (!LITTLE) return undefined;
  try {
    const memory = new engine.Memory({ initial: Math.ceil(bytes / PAGE) });
    const { exports } = new engine.Instance(compiled(), { vectors: { memory } });
    const control = new Int32Array(memory.buffer, 0, PAGE / 4);
    const sums = new Float64Array(memory.buffer, SUMS, TILE.rows * TILE.columns);
    const panels = new Float64Array(memory.buffer, PANEL, TILE.inner * PANEL_COLUMNS);
    kernelsOf.set(memory.buffer, { ...exports, control, sums, panels });
    return memory.buffer;
  } catch {
    return undefined;
  }
}

/** Nothing is taken before a region is asked for bytes. `first`: bytes of a region of which nothing is known. */
export function vectorMemory(first: number = FIRST_BYTES): VectorMemory {
  const regions = new Map<string, Region>();
  const places = new Map<string, number>();
  const room = new Array<number>(REGIONS).fill(first);
  const sizeOf = (from: number, to: number): number => room.slice(from, to).reduce((a, b) => a + b, 0);
  let block: ArrayBuffer | undefined;
  const placeOf = (purpose: string): number => {
    const index = places.get(purpose) ?? places.size;
    places.set(purpose, index);
    return index;
  };
  const place = (index: number, bytes: number): Uint8Array => {
    let size = room[index];
    if (size === undefined) return new Uint8Array(bytes);
    while (size < bytes) size *= GROWTH;
    if (size !== room[index] || !block) {
      if (size !== room[index])
        room.forEach((have, i) => {
          room[i] = i === index ? size : Math.max(have, Math.min(size, TOGETHER_BYTES));
        });
      block = newBlock(REGIONS_AT + sizeOf(0, REGIONS));
    }
    return block ? new Uint8Array(block, REGIONS_AT + sizeOf(0, index), size) : new Uint8Array(bytes);
  };
  const newRegion = (purpose: string): Region => {
    let memory: Uint8Array = new Uint8Array(0);
    return (bytes) => {
      if (bytes > SMALL_BYTES) {
        const index = placeOf(purpose);
        // all in the newest block: kernels work on what lies in one
        const apart = block !== undefined && memory.buffer !== block && index < REGIONS;
        if (memory.length < bytes || apart) memory = place(index, bytes);
      } else if (memory.length < bytes) memory = new Uint8Array(bytes);
      return memory.subarray(0, bytes);
    };
  };
  return {
    region(purpose) {
      const known = regions.get(purpose) ?? newRegion(purpose);
      regions.set(purpose, known);
      return known;
    },
    expect(purpose, bytes) {
      const index = placeOf(purpose);
      if (!block && index < REGIONS) room[index] = Math.ceil(Math.min(bytes, TOGETHER_BYTES) / PAGE) * PAGE;
    },
  };
}
