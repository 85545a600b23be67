/**
 * Loops over large tensors. Each is written here in JavaScript, which is what it means and what runs on arrays anywhere; arrays in a vector
 * memory are handed to the loop of kernels.wat that gives the same bits.
 */
import { type Kernels, kernelsAt, PANEL, PANEL_COLUMNS, QUADS, SUMS, TILE, vectorMemory } from "./memory.ts";

/** sfc32 generators side by side. */
export const LANES = 8;

/**
 * Values are (draw >> 8 + 1/2) * scale, where the first factor is exact in f32 and the second is rounded to it. `state`: the words a, b, c and
 * counter of all lanes; value i is of lane i % 8.
 */
export function uniform(out: Float32Array, factor: number, state: Int32Array): void {
  const scale = Math.fround(factor);
  const kernels = kernelsAt(out);
  const whole = out.length - (out.length % LANES);
  if (kernels) {
    kernels.control.set(state);
    kernels.uniform(out.byteOffset, out.byteOffset + 4 * whole, scale, 0);
    state.set(kernels.control.subarray(0, state.length));
  }
  for (let lane = 0; lane < LANES; lane++) uniformLane(out, (kernels ? whole : 0) + lane, scale, state, lane);
}

/** Locals only: a property would be loaded and stored at each step. */
function uniformLane(out: Float32Array, first: number, scale: number, state: Int32Array, lane: number): void {
  let a = state[lane]!;
  let b = state[LANES + lane]!;
  let c = state[2 * LANES + lane]!;
  let counter = state[3 * LANES + lane]!;
  for (let i = first; i < out.length; i += LANES) {
    const draw = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + draw) | 0;
    out[i] = ((draw >> 8) + 0.5) * scale;
  }
  state[lane] = a;
  state[LANES + lane] = b;
  state[2 * LANES + lane] = c;
  state[3 * LANES + lane] = counter;
}

/** Runs of `run` values times one factor each, each product rounded once. */
export function scaleRuns(values: Float32Array | Float64Array, run: number, factors: Float64Array): void {
  const kernels = kernelsAt(values);
  const scale = values instanceof Float32Array ? kernels?.scale : kernels?.scale64;
  const whole = scale ? run - (run % 4) : 0;
  const width = values.BYTES_PER_ELEMENT;
  for (let i = 0; i < factors.length; i++) {
    const at = values.byteOffset + width * i * run;
    if (whole > 0) scale?.(at, at + width * whole, factors[i]!);
    scaleRun(values, i * run + whole, (i + 1) * run, factors[i]!);
  }
}

// by itself: the engine optimises a function after a few calls, and a nest of loops only while it runs, several times over
function scaleRun(values: Float32Array | Float64Array, from: number, to: number, factor: number): void {
  for (let i = from; i < to; i++) values[i]! *= factor;
}

/** `from` as f64, into as many numbers. */
export function widen(from: Float32Array, into: Float64Array): void {
  const kernels = kernelsAt(from, into);
  const whole = kernels ? from.length - (from.length % 4) : 0;
  kernels?.widen(from.byteOffset, into.byteOffset, into.byteOffset + 8 * whole);
  into.set(from.subarray(whole), whole);
}

/** Goes on with a hash of four lanes by words, whose first one is for lane 0: the definition is that of weights-file.ts. */
export function mix(lanes: Int32Array, words: Int32Array): void {
  if (kernelsAt(words)) {
    mixThere(lanes, words);
    return;
  }
  // a copy costs less than the loop below
  for (let at = 0; at < words.length; at += STAGED) {
    const { buffer, byteOffset, length } = stage(4 * Math.min(STAGED, words.length - at));
    const staged = new Int32Array(buffer, byteOffset, length / 4);
    staged.set(words.subarray(at, at + staged.length));
    mixThere(lanes, staged);
  }
}

/** Words that are moved to where the kernels work: they fit into the processor's cache. */
const STAGED = 2 ** 14;
const stage = vectorMemory(4 * STAGED).region("stage");

function mixThere(lanes: Int32Array, words: Int32Array): void {
  const kernels = kernelsAt(words);
  const whole = kernels ? words.length - (words.length % 4) : 0;
  if (kernels) {
    kernels.control.set(lanes);
    kernels.mix(words.byteOffset, words.byteOffset + 4 * whole, 0);
    lanes.set(kernels.control.subarray(0, 4));
  }
  for (let i = whole; i < words.length; i++) {
    const lane = Math.imul(lanes[i & 3]! + Math.imul(words[i]!, 0x85ebca77), 0x9e3779b1);
    lanes[i & 3] = (lane << 13) | (lane >>> 19);
  }
}

/** f64 values of some rows of a matrix, good until the next call. Finding them makes no other product: the sums of this one wait in memory that all share. */
export type RowsOf = (first: number, count: number) => Float64Array;

/** a [rows, inner] times b [inner, columns], each sum over the inner axis in order. Of b, a few rows are asked for at a time, each once. */
export function product(a: Float64Array, b: RowsOf, rows: number, columns: number): Float64Array {
  const inner = a.length / rows;
  const out = new Float64Array(rows * columns);
  const kernels = kernelsAt(a);
  const only = rows <= TILE.rows && columns <= TILE.columns;
  for (let k = 0; k < inner; k += TILE.inner) {
    const slice = { a, b: b(k, Math.min(TILE.inner, inner - k)), inner, columns, k };
    if (!kernels) addSlice(slice, rows, out);
    else
      for (let i = 0; i < rows; i += TILE.rows)
        for (let c = 0; c < columns; c += TILE.columns) {
          const tile = { i, c, rows: Math.min(TILE.rows, rows - i), wide: Math.min(TILE.columns, columns - c), only };
          addTile(kernels, slice, tile, out);
        }
  }
  return out;
}

/** A step of a product along its inner axis: all of the first factor, and rows of the second from row `k` on. */
interface Slice {
  readonly a: Float64Array;
  readonly b: Float64Array;
  readonly inner: number;
  readonly columns: number;
  readonly k: number;
}

/** A tile of a product's result, from row `i` and column `c` on. */
interface Tile {
  readonly i: number;
  readonly c: number;
  readonly rows: number;
  readonly wide: number;
  /** There is no other: its sums stay where they are until the last slice. */
  readonly only: boolean;
}

/** The sums of a tile have room for whole panels, and whole fours of rows. */
function addTile(kernels: Kernels, { a, b, inner, columns, k }: Slice, { i, c, rows, wide, only }: Tile, out: Float64Array): void {
  const pitch = Math.ceil(wide / PANEL_COLUMNS) * PANEL_COLUMNS;
  const { sums, panels } = kernels;
  const here: Part = { values: sums, first: 0, pitch };
  const there: Part = { values: out, first: i * columns + c, pitch: columns };
  if (k === 0 || !only) sums.fill(0, 0, Math.ceil(rows / 4) * 4 * pitch);
  if (k > 0 && !only) copyRows(there, here, rows, wide);
  const count = b.length / columns;
  const row = (n: number): number => a.byteOffset + 8 * (n * inner + k);
  kernels.quads(row(i), 8 * inner, row(i + rows - 1), 8 * count, QUADS);
  const [stop, end] = [QUADS + 32 * count * Math.ceil(rows / 4), PANEL + 8 * PANEL_COLUMNS * count];
  for (let n = 0; n < wide; n += PANEL_COLUMNS) {
    const width = Math.min(PANEL_COLUMNS, wide - n);
    if (width === PANEL_COLUMNS && b.buffer === a.buffer) kernels.panel(b.byteOffset + 8 * (c + n), 8 * columns, PANEL, end);
    else for (let j = 0; j < width; j++) fillColumn(panels, j, count, b, c + n + j, columns);
    kernels.strip(QUADS, stop, PANEL, end, SUMS + 8 * n, 8 * pitch);
  }
  if (!only || k + count === inner) copyRows(here, there, rows, wide);
}

/** Rows of a matrix, `pitch` apart, from element `first` on. */
interface Part {
  readonly values: Float64Array;
  readonly first: number;
  readonly pitch: number;
}

/** Rows of `wide` values, all at once where they follow each other. */
function copyRows(from: Part, into: Part, rows: number, wide: number): void {
  const whole = from.pitch === wide && into.pitch === wide;
  const width = whole ? rows * wide : wide;
  for (let n = 0; n < (whole ? 1 : rows); n++) {
    const at = from.first + n * from.pitch;
    into.values.set(from.values.subarray(at, at + width), into.first + n * into.pitch);
  }
}

function addSlice({ a, b, inner, columns, k }: Slice, rows: number, out: Float64Array): void {
  const count = b.length / columns;
  for (let i = 0; i < rows; i++) for (let n = 0; n < count; n++) addRow(out, i * columns, columns, a[i * inner + k + n]!, b, n * columns);
}

// by themselves: the engine optimises a function after a few calls, and a nest of loops only while it runs, several times over

function fillColumn(panels: Float64Array, column: number, count: number, b: Float64Array, first: number, pitch: number): void {
  for (let k = 0; k < count; k++) panels[k * PANEL_COLUMNS + column] = b[first + k * pitch]!;
}

function addRow(out: Float64Array, from: number, count: number, factor: number, b: Float64Array, first: number): void {
  for (let i = 0; i < count; i++) out[from + i]! += factor * b[first + i]!;
}

/** Rows of values, `pitch` apart, from element `first` of `from` on. */
export interface Rows {
  readonly from: Float32Array;
  readonly first: number;
  readonly pitch: number;
  readonly count: number;
}

/**
 * Where the values of four rows go, in elements, those of one place in all rows side by side: `taps` places `tap` apart, the next `taps` from
 * `step` further on, `inners` times; the next group from `far` further on, `groups` times. The next four rows begin `beside` further on.
 */
export interface Walk {
  readonly taps: number;
  readonly tap: number;
  readonly inners: number;
  readonly step: number;
  readonly groups: number;
  readonly far: number;
  readonly beside: number;
}

/** What is moved for all rows before what comes after it, in steps of the walk: what is read of a row is whole cache lines. */
const STEPS_AT_ONCE = 16;

/** Puts rows side by side, four at a time. What would be beside a last row is left as it is. */
export function interleave(rows: Rows, into: Float32Array, to: number, walk: Walk): void {
  const { taps, inners, step, groups, far } = walk;
  if (groups > 1) {
    const atOnce = Math.max(1, Math.floor(STEPS_AT_ONCE / inners));
    for (let n = 0; n < groups; n += atOnce) move(rows, n * inners * taps, into, to + n * far, walk, inners, Math.min(atOnce, groups - n));
  } else {
    const steps = inners * groups;
    for (let n = 0; n < steps; n += STEPS_AT_ONCE)
      move(rows, n * taps, into, to + n * step, walk, Math.min(STEPS_AT_ONCE, steps - n), groups);
  }
}

/** A part of a walk, `skip` elements further on in each row: `inners` and `groups` are its own, for the whole walk's. */
function move(rows: Rows, skip: number, into: Float32Array, to: number, walk: Walk, inners: number, groups: number): void {
  const { from, pitch, count } = rows;
  const first = rows.first + skip;
  const { taps, tap, step, far, beside } = walk;
  const kernels = inners > 0 && (inners * taps) % 4 === 0 ? kernelsAt(from, into) : undefined;
  const sets = kernels ? count >> 2 : 0;
  const [source, target] = [from.byteOffset + 4 * first, into.byteOffset + 4 * to];
  kernels?.interleave(source, 4 * pitch, sets, target, 4 * beside, taps, 4 * tap, inners, 4 * step, groups, 4 * far);
  if (4 * sets === count) return;
  const part = { ...walk, inners, groups };
  for (let row = 4 * sets; row < count; row++) moveRow(from, first + row * pitch, into, to + (row >> 2) * beside + (row & 3), part);
}

function moveRow(from: Float32Array, first: number, into: Float32Array, to: number, walk: Walk): void {
  const { taps, tap, inners, step, groups, far } = walk;
  let at = first;
  for (let group = 0; group < groups; group++)
    for (let inner = 0; inner < inners; inner++)
      for (let k = 0, place = to + group * far + inner * step; k < taps; k++, place += tap) into[place] = from[at++]!;
}
