import fc from "fast-check";
import { zipSync } from "fflate";
import { expect, test } from "vitest";
import { readNpy, readNpz, writeNpy } from "../../compiler/weights/npy.ts";

/** As numpy.save writes it. */
function npy(descr: string, fortran: boolean, shape: string, values: Uint8Array): Uint8Array {
  const head = `{'descr': '${descr}', 'fortran_order': ${fortran ? "True" : "False"}, 'shape': ${shape}, }`.padEnd(117);
  const text = `\x93NUMPY\x01\x00\x76\x00${head}\n`;
  return new Uint8Array([...[...text].map((c) => c.charCodeAt(0)), ...values]);
}
const bytes = (a: ArrayBufferView): Uint8Array => new Uint8Array(a.buffer, a.byteOffset, a.byteLength);
const values = (b: Uint8Array): number[] | string => {
  const a = readNpy(b);
  return typeof a === "string" ? a : [...a.data];
};

test("an array that is written reads back", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(4), { maxLength: 4 }), (shape) => {
      const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i / 3);
      expect(readNpy(writeNpy({ shape, data }))).toEqual({ shape, data });
    }),
  );
  expect(writeNpy({ shape: [2], data: new Float32Array(2) }).length).toBe(128 + 8);
});

test("dtypes, byte orders and column-major arrays", () => {
  expect(values(npy("<f8", false, "(2,)", bytes(new Float64Array([0.5, -2]))))).toEqual([0.5, -2]);
  expect(values(npy("|u1", false, "(2,)", new Uint8Array([255, 0])))).toEqual([255, 0]);
  expect(values(npy("|b1", false, "(2,)", new Uint8Array([1, 0])))).toEqual([1, 0]);
  expect(values(npy("<i8", false, "(1,)", bytes(new BigInt64Array([-7n]))))).toEqual([-7]);
  expect(values(npy(">f4", false, "(1,)", new Uint8Array([0x3f, 0x80, 0, 0])))).toEqual([1]);
  expect(values(npy("<f4", false, "()", bytes(new Float32Array([3]))))).toEqual([3]);
  expect(values(npy("<f4", true, "(2, 3)", bytes(new Float32Array([1, 4, 2, 5, 3, 6]))))).toEqual([1, 2, 3, 4, 5, 6]);
});

test("what is no array of numbers is refused with a reason", () => {
  expect(readNpy(new Uint8Array(20))).toMatch(/no .npy file/);
  expect(readNpy(npy("|O", false, "(1,)", new Uint8Array(8)))).toMatch(/not an array of numbers|not read/);
  expect(readNpy(npy("<c8", false, "(1,)", new Uint8Array(8)))).toMatch(/c8 are not read/);
  expect(readNpy(npy("<f4", false, "(3,)", new Uint8Array(8)))).toMatch(/8 bytes of values, \[3\] needs 12/);
  expect(readNpy(npy("<f4", false, "(1,)", new Uint8Array(4)).subarray(0, 40))).toMatch(/cut short/);
});

test("fuzz: damaged files give a reason or an array", () => {
  const base = writeNpy({ shape: [2, 2], data: new Float32Array(4) });
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(base.length - 1), fc.nat(255)), { maxLength: 8 }), fc.nat(base.length), (changes, end) => {
      const damaged = base.slice(0, end);
      for (const [at, to] of changes) if (at < damaged.length) damaged[at] = to;
      expect(["string", "object"]).toContain(typeof readNpy(damaged));
    }),
    { numRuns: 1000 },
  );
});

test("archives hold arrays by name", () => {
  const archive = zipSync({ "image.npy": writeNpy({ shape: [2], data: new Float32Array([1, 2]) }) });
  expect(readNpz(archive)).toEqual(new Map([["image", { shape: [2], data: new Float32Array([1, 2]) }]]));
  expect(readNpz(new Uint8Array(30))).toMatch(/no zip archive/);
  expect(readNpz(zipSync({ "x.npy": new Uint8Array(4) }))).toMatch(/^x.npy: it is no/);
});
