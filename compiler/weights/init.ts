/**
 * Seeded initial values (language.md section 10). Every tensor has its own generator, keyed by the seed and its path,
 * so a tensor's values do not depend on which tensors are made before it, or at all.
 */
import type { Init } from "../ir/graph.ts";
import { LANES, uniform } from "../vectors/kernels.ts";

/** Draws 32 random bits as a signed integer. */
export type Bits = () => number;

/** FNV-1a over UTF-16 units, then an avalanche: the 32-bit key of a text. */
export function textKey(text: string, seed: number): number {
  let h = (0x811c9dc5 ^ seed) | 0;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return avalanche(h);
}

function avalanche(x: number): number {
  let h = x ^ (x >>> 16);
  h = Math.imul(h, 0x21f0aaad);
  h ^= h >>> 15;
  h = Math.imul(h, 0x735a2d97);
  return h ^ (h >>> 15);
}

/**
 * States of sfc32 generators, warmed up: the first words of all lanes, then the second ones, and so on. Two keys, and two lanes of one key,
 * which differ in the third word, are independent streams.
 */
function generators(key: string, seed: number, lanes: number): Int32Array {
  const high = Math.floor(seed / 2 ** 32) | 0;
  const [first, second] = [textKey(key, seed | 0), textKey(key, avalanche(~seed ^ high))];
  const states = new Int32Array(4 * lanes)
    .fill(first, 0, lanes)
    .fill(second, lanes, 2 * lanes)
    .fill(1, 3 * lanes);
  for (let lane = 0; lane < lanes; lane++) {
    states[2 * lanes + lane] = avalanche(((seed | 0) ^ 0x9e3779b9) + lane);
    draw(states, lane, lanes, thrownAway);
  }
  return states;
}

/** The first draws of a generator are not used: its words have to mix. */
const thrownAway = new Int32Array(12);

/** The next draws of one of `lanes` generators: 128 bits of state, a few integer operations a draw. Locals only: captured variables would be boxed. */
function draw(states: Int32Array, lane: number, lanes: number, out: Int32Array): void {
  let a = states[lane]!;
  let b = states[lanes + lane]!;
  let c = states[2 * lanes + lane]!;
  let counter = states[3 * lanes + lane]!;
  for (let i = 0; i < out.length; i++) {
    const t = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + t) | 0;
    out[i] = t;
  }
  states[lane] = a;
  states[lanes + lane] = b;
  states[2 * lanes + lane] = c;
  states[3 * lanes + lane] = counter;
}

const BLOCK = 4096;

export function bits(key: string, seed: number): Bits {
  const state = generators(key, seed, 1);
  const block = new Int32Array(BLOCK);
  let at = BLOCK;
  return () => {
    if (at === BLOCK) {
      draw(state, 0, 1, block);
      at = 0;
    }
    return block[at++]!;
  };
}

/** A number strictly inside (-1, 1), symmetric about 0, of 24 bits: exact in f32. */
const signedUnit = (draw: number): number => ((draw >> 8) + 0.5) * 2 ** -23;

/**
 * `count` values of a fresh tensor, rounded to f32; `path` is the tensor's name in weight files.
 * Derived tensors have no values of their own: the weight reader computes them.
 */
export function initialValues(init: OwnInit, path: string, count: number, seed: number): Float32Array {
  const out = new Float32Array(count);
  fillInitial(out, init, path, seed);
  return out;
}

type OwnInit = Exclude<Init, { kind: "derived" }>;

/** The same into `out`, whatever it held. */
export function fillInitial(out: Float32Array, init: OwnInit, path: string, seed: number): void {
  switch (init.kind) {
    case "constant":
      out.fill(init.value);
      return;
    case "uniform":
      // value i is the draw of lane i % LANES; the first lane is the generator of `bits`
      uniform(out, init.bound * 2 ** -23, generators(path, seed, LANES));
      return;
    case "normal":
      fillNormal(out, bits(path, seed), init.std);
      return;
  }
}

/** Marsaglia's polar method: pairs of independent normal values from points of the unit disc. */
function fillNormal(out: Float32Array, next: Bits, std: number): void {
  for (let i = 0; i < out.length; ) {
    const x = signedUnit(next());
    const y = signedUnit(next());
    const s = x * x + y * y;
    if (s >= 1) continue;
    const scale = std * Math.sqrt((-2 * Math.log(s)) / s);
    out[i++] = x * scale;
    if (i < out.length) out[i++] = y * scale;
  }
}
