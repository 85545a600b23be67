/** The loops of kernels.wat give the bits of those in JavaScript, at any length; and where regions of a vector memory lie. */
import { afterEach, describe, expect, test, vi } from "vitest";
import { interleave, LANES, mix, product, scaleRuns, uniform, type Walk, widen } from "../../compiler/vectors/kernels.ts";
import { kernelsAt, TILE, vectorMemory } from "../../compiler/vectors/memory.ts";
import { bits } from "../../compiler/weights/init.ts";

/** Enough to be in vector memory, whatever the test needs of it. */
const ROOM = 2 ** 20;

/** Two arrays with the same values: one in a vector memory, one in ordinary memory. */
function both<A extends Float32Array | Float64Array | Int32Array>(
  memory: ReturnType<typeof vectorMemory>,
  purpose: string,
  values: A,
): { there: A; here: A } {
  const place = memory.region(purpose)(Math.max(ROOM, values.byteLength));
  const Kind = values.constructor as new (buffer: ArrayBufferLike, at: number, count: number) => A;
  const there = new Kind(place.buffer, place.byteOffset, values.length);
  there.set(values);
  expect(kernelsAt(there), "not in a vector memory").toBeDefined();
  expect(kernelsAt(values)).toBeUndefined();
  return { there, here: values };
}

const random32 = (count: number, key: string): Float32Array => {
  const next = bits(key, 1);
  return Float32Array.from({ length: count }, () => (next() >> 8) * 2 ** -23);
};
const random64 = (count: number, key: string): Float64Array => {
  const next = bits(key, 2);
  return Float64Array.from({ length: count }, () => next() * 2 ** -31 + next() * 2 ** -62);
};

const LENGTHS = [0, 1, 2, 3, 4, 5, 7, 8, 31, 64, 1001];

describe("as JavaScript computes it", () => {
  test.each(LENGTHS)("uniform, %i values and then more", (count) => {
    const state = (): Int32Array => Int32Array.from({ length: 4 * LANES }, (_, i) => Math.imul(i + 1, 0x9e3779b1));
    const { there, here } = both(vectorMemory(), "values", new Float32Array(count));
    const [stateThere, stateHere] = [state(), state()];
    uniform(there, 0.37 * 2 ** -23, stateThere);
    uniform(here, 0.37 * 2 ** -23, stateHere);
    expect([...there]).toEqual([...here]);
    if (count > 2) expect(new Set(here).size).toBeGreaterThan(count / 2);
    expect(stateThere).toEqual(stateHere);
  });

  test.each(LENGTHS)("scale, runs of %i values", (run) => {
    const factors = random64(7, "factors");
    const { there, here } = both(vectorMemory(), "values", random32(7 * run, "values"));
    const wanted = here.map((v, i) => Math.fround(v * (factors[Math.floor(i / run)] as number)));
    scaleRuns(there, run, factors);
    scaleRuns(here, run, factors);
    expect([...here]).toEqual([...wanted]);
    expect([...there]).toEqual([...wanted]);
  });

  test.each(LENGTHS)("scale, runs of %i f64 values", (run) => {
    const factors = random64(7, "factors");
    const { there, here } = both(vectorMemory(), "values", random64(7 * run, "values"));
    const wanted = here.map((v, i) => v * (factors[Math.floor(i / run)] as number));
    scaleRuns(there, run, factors);
    scaleRuns(here, run, factors);
    expect([...here]).toEqual([...wanted]);
    expect([...there]).toEqual([...wanted]);
  });

  test.each(LENGTHS)("f64 of %i values", (count) => {
    const memory = vectorMemory();
    const { there, here } = both(memory, "values", random32(count, "values"));
    const into = both(memory, "into", new Float64Array(count)).there;
    expect(kernelsAt(there, into)).toBeDefined();
    widen(there, into);
    expect([...into]).toEqual([...here]);
    const elsewhere = new Float64Array(count);
    widen(here, elsewhere);
    expect(elsewhere).toEqual(Float64Array.from(here));
  });

  test.each([...LENGTHS, 100_003])("hash of %i words", (count) => {
    const next = bits("words", 0);
    const words = Int32Array.from({ length: count }, next);
    const { there, here } = both(vectorMemory(), "words", words);
    const [one, two] = [Int32Array.of(1, 2, 3, 4), Int32Array.of(1, 2, 3, 4)];
    mix(one, there);
    mix(two, here);
    const wanted = Int32Array.of(1, 2, 3, 4);
    for (const [i, word] of words.entries()) {
      const x = Math.imul((wanted[i & 3] as number) + Math.imul(word, 0x85ebca77), 0x9e3779b1);
      wanted[i & 3] = (x << 13) | (x >>> 19);
    }
    expect([one, two]).toEqual([wanted, wanted]);
  });

  test.each([
    [1, 1, 1],
    [3, 5, 7],
    [4, 16, 8],
    [5, 33, 17],
    [8, 2, 24],
    [6, TILE.inner + 3, 9],
    [TILE.rows + 6, 5, 8],
    [4, 2 * TILE.inner, TILE.columns + 17],
    [2 * TILE.rows + 1, TILE.inner + 1, TILE.columns + 8],
  ])("product [%i, %i] x [., %i]", (rows, inner, columns) => {
    const memory = vectorMemory();
    const a = both(memory, "a", random64(rows * inner, "a"));
    const b = both(memory, "b", random64(inner * columns, "b"));
    const wanted = Array.from({ length: rows * columns }, (_, n) => {
      let sum = 0;
      for (let k = 0; k < inner; k++)
        sum += (a.here[Math.floor(n / columns) * inner + k] as number) * (b.here[k * columns + (n % columns)] as number);
      return sum;
    });
    // where the second was put may have moved the first
    const first = both(memory, "a", a.here).there;
    expect(kernelsAt(first, b.there)).toBeDefined();
    const rowsOf = (values: Float64Array) => (from: number, count: number) => values.subarray(from * columns, (from + count) * columns);
    expect([...product(first, rowsOf(b.there), rows, columns)]).toEqual(wanted);
    expect([...product(first, rowsOf(b.here), rows, columns)]).toEqual(wanted);
    expect([...product(a.here, rowsOf(b.here), rows, columns)]).toEqual(wanted);
  });

  test.each([
    ["quads of 1x1 kernels", 9, { taps: 1, tap: 0, inners: 4, step: 4, groups: 3, far: 80, beside: 16 }],
    ["quads of 3x3 kernels", 8, { taps: 9, tap: 400, inners: 4, step: 4, groups: 2, far: 64, beside: 16 }],
    ["rows last, 3x3", 12, { taps: 9, tap: 200, inners: 16, step: 12, groups: 1, far: 0, beside: 4 }],
    ["rows last, 2 taps", 7, { taps: 2, tap: 100, inners: 6, step: 8, groups: 1, far: 0, beside: 4 }],
    ["no whole vectors", 5, { taps: 3, tap: 50, inners: 3, step: 8, groups: 1, far: 0, beside: 4 }],
    ["more groups than go at once", 9, { taps: 1, tap: 0, inners: 4, step: 4, groups: 11, far: 80, beside: 16 }],
    ["more steps than go at once", 13, { taps: 2, tap: 1000, inners: 41, step: 16, groups: 1, far: 0, beside: 4 }],
    ["nothing", 4, { taps: 1, tap: 0, inners: 0, step: 4, groups: 1, far: 0, beside: 16 }],
    ["groups of nothing", 4, { taps: 1, tap: 0, inners: 0, step: 4, groups: 3, far: 16, beside: 16 }],
    ["no group", 4, { taps: 1, tap: 0, inners: 4, step: 4, groups: 0, far: 0, beside: 16 }],
  ] satisfies [string, number, Walk][])("interleave: %s", (_name, count, walk) => {
    const memory = vectorMemory();
    const pitch = walk.groups * walk.inners * walk.taps + 5;
    const source = both(memory, "from", random32(3 + count * pitch, "from"));
    const target = both(memory, "into", new Float32Array(5000));
    const wanted = new Float32Array(5000);
    for (let row = 0; row < count; row++) {
      let at = 3 + row * pitch;
      for (let group = 0; group < walk.groups; group++)
        for (let inner = 0; inner < walk.inners; inner++)
          for (let tap = 0; tap < walk.taps; tap++) {
            const place = 2 + Math.floor(row / 4) * walk.beside + group * walk.far + inner * walk.step + tap * walk.tap + (row % 4);
            wanted[place] = source.here[at++] as number;
          }
    }
    const from = both(memory, "from", source.here).there;
    for (const [rows, into] of [
      [source.here, target.here],
      [from, target.there],
    ] as const) {
      interleave({ from: rows, first: 3, pitch, count }, into, 2, walk);
      expect([...into]).toEqual([...wanted]);
    }
  });
});

/** No buffers in assertions: those that fail would print them. */
const together = (a: Uint8Array, b: Uint8Array): boolean => a.buffer === b.buffer;

describe("regions", () => {
  afterEach(() => {
    vi.unstubAllGlobals();
    vi.resetModules();
  });

  test("keep what they hold, lie apart and in one memory, until one of them grows", () => {
    const memory = vectorMemory();
    const [a, b] = [memory.region("a"), memory.region("b")];
    a(100_000).fill(1);
    b(100_000).fill(2);
    expect([a(100_000)[99_999], b(100_000)[0]]).toEqual([1, 2]);
    expect(together(memory.region("a")(8), b(8))).toBe(true);
    const before = a(100_000);
    const grown = b(5_000_000);
    // what was given stays as it was; what is asked for next lies beside the grown one
    expect(before[0]).toBe(1);
    expect(together(grown, before)).toBe(false);
    expect(together(a(100_000), grown)).toBe(true);
  });

  test("a few bytes take no vector memory, nor do regions beyond those it has room for", () => {
    const memory = vectorMemory();
    expect(kernelsAt(memory.region("small")(64))).toBeUndefined();
    for (let i = 0; i < 5; i++) expect(kernelsAt(memory.region(`${i}`)(100_000))).toBeDefined();
    expect(kernelsAt(memory.region("sixth")(100_000))).toBeUndefined();
    expect(memory.region("sixth")(100_000)).toHaveLength(100_000);
    const grown = memory.region("small")(100_000);
    expect(grown).toHaveLength(100_000);
    expect(kernelsAt(grown)).toBeUndefined();
  });

  test("a few bytes, and then many", () => {
    const region = vectorMemory().region("a");
    expect(kernelsAt(region(64))).toBeUndefined();
    expect(kernelsAt(region(100_000))).toBeDefined();
  });

  test("what is expected gets room at once", () => {
    const bytes = 10_000_001;
    const [told, untold] = [vectorMemory(), vectorMemory()];
    told.expect("b", bytes);
    const first = told.region("a")(100_000);
    expect(together(first, told.region("b")(bytes))).toBe(true);
    expect(first.buffer.byteLength).toBeLessThan(2 ** 26);
    expect(together(untold.region("a")(100_000), untold.region("b")(bytes))).toBe(false);
  });

  test("more than there is address space for lies in ordinary memory", () => {
    const memory = vectorMemory();
    const a = memory.region("a");
    expect(kernelsAt(a(100_000))).toBeDefined();
    // 4 GB is what 32-bit addresses reach
    expect(kernelsAt(memory.region("b")(2_200_000_000))).toBeUndefined();
    expect(kernelsAt(a(200_000_000))).toBeUndefined();
  });

  test("without WebAssembly everything lies in ordinary memory", async () => {
    vi.stubGlobal("WebAssembly", undefined);
    vi.resetModules();
    const alone = await import("../../compiler/vectors/memory.ts");
    const region = alone.vectorMemory().region("a");
    expect(alone.kernelsAt(region(100_000))).toBeUndefined();
    expect(together(region(100_000), region(50_000))).toBe(true);
  });
});
