/**
 * Memory in which large tensors are made and packed, and the loops of kernels.wat that work in it: WebAssembly reaches no other memory, and
 * its vectors take a third of the time of JavaScript's loops.
 */
import { binary } from "./kernels.gen.ts";

/** Bytes of one purpose: each call gives the place of the last, which it overwrites, or a new one where that is too small. 4 kB aligned. */
export type Region = (bytes: number) => Uint8Array;

export interface VectorMemory {
  /** The region of a purpose. Regions of one memory can be used together by one kernel. */
  region(purpose: string): Region;
}

/** As kernels.wat has them. */
export interface Exports {
  uniform(at: number, end: number, scale: number, state: number): void;
  scale(at: number, end: number, factor: number): void;
  mix(at: number, end: number, state: number): void;
  panel(from: number, pitch: number, at: number, end: number): void;
  tile(row0: number, row1: number, row2: number, row3: number, at: number, end: number, to: number): void;
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
}

const PAGE = 2 ** 16;

/** Where rows of a panel lie, of which there may be `PANEL_ROWS`. */
export const PANEL = PAGE;
export const PANEL_ROWS = 4096;
const PANEL_BYTES = PANEL_ROWS * 64;

/** Regions that a block has room for; others lie in memory of their own, where JavaScript does the work. */
const REGIONS = 8;
const FIRST_SPAN = 2 ** 20;
/** Address space costs nothing, a new block does: what was touched in the last one is touched again. */
const GROWTH = 4;

const kernelsOf = new WeakMap<ArrayBufferLike, Kernels>();

/** What works on all of these arrays, if they lie in one block. */
export function kernelsAt(first: ArrayBufferView, ...others: readonly ArrayBufferView[]): Kernels | undefined {
  return others.every((a) => a.buffer === first.buffer) ? kernelsOf.get(first.buffer) : undefined;
}

interface Block {
  readonly buffer: ArrayBuffer;
  /** Bytes of each region. */
  readonly span: number;
}

/** The types of Node and of the language leave WebAssembly out where those of the DOM are not there. */
interface Engine {
  readonly Memory: new (size: { readonly initial: number }) => { readonly buffer: ArrayBuffer };
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: Exports };
}

const compiled: { module?: object } = {};

/** Undefined where there is no WebAssembly with vectors, or no address space. */
function newBlock(span: number): Block | undefined {
  const { WebAssembly } = globalThis as unknown as { readonly WebAssembly: Engine };
  try {
    const memory = new WebAssembly.Memory({ initial: (PANEL + PANEL_BYTES + REGIONS * span) / PAGE });
    compiled.module ??= new WebAssembly.Module(Uint8Array.from(atob(binary), (c) => c.charCodeAt(0)));
    const { exports } = new WebAssembly.Instance(compiled.module, { vectors: { memory } });
    const { buffer } = memory;
    kernelsOf.set(buffer, { ...exports, control: new Int32Array(buffer, 0, PAGE / 4) });
    return { buffer, span };
  } catch {
    return undefined;
  }
}

/** Nothing is taken before a region is asked for bytes. */
export function vectorMemory(): VectorMemory {
  const regions = new Map<string, Region>();
  let block: Block | undefined;
  const place = (index: number, bytes: number): Uint8Array => {
    if (index >= REGIONS) return new Uint8Array(bytes);
    let span = block?.span ?? FIRST_SPAN;
    while (span < bytes) span *= GROWTH;
    if (span !== block?.span) block = newBlock(span);
    return block ? new Uint8Array(block.buffer, PANEL + PANEL_BYTES + index * span, span) : new Uint8Array(bytes);
  };
  const newRegion = (index: number): Region => {
    let memory: Uint8Array = new Uint8Array(0);
    return (bytes) => {
      const behind = block !== undefined && index < REGIONS && memory.buffer !== block.buffer;
      if (memory.length < bytes || behind) memory = place(index, bytes);
      return memory.subarray(0, bytes);
    };
  };
  return {
    region(purpose) {
      const known = regions.get(purpose) ?? newRegion(regions.size);
      regions.set(purpose, known);
      return known;
    },
  };
}
