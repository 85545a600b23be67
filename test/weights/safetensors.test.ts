import fc from "fast-check";
import { expect, test } from "vitest";
import { type ByteSource, bytesSource, openSafetensors, writeSafetensors } from "../../compiler/weights/safetensors.ts";
import { isShardIndex, openShards } from "../../compiler/weights/shards.ts";
import { halfToNumber, tensorValues } from "../../compiler/weights/values.ts";
import { fileOf } from "./nets.ts";

const encoder = new TextEncoder();

/** A file with this header text and buffer; `length` forges the header's length. */
function raw(header: string | Uint8Array, buffer = new Uint8Array(8), length?: bigint): Uint8Array {
  const text = typeof header === "string" ? encoder.encode(header) : header;
  const out = new Uint8Array(8 + text.length + buffer.length);
  new DataView(out.buffer).setBigUint64(0, length ?? BigInt(text.length), true);
  out.set(text, 8);
  out.set(buffer, 8 + text.length);
  return out;
}
const entry = (dtype: string, shape: string, offsets: string): string => `{"dtype":"${dtype}","shape":${shape},"data_offsets":${offsets}}`;
const good = `{"a":${entry("F32", "[2]", "[0,8]")}}`;

/** "" when the file opens, else the reason without the file's name. */
function reason(bytes: Uint8Array, name = "x.safetensors"): string {
  const result = openSafetensors(name, bytesSource(bytes));
  if (result.ok) return "";
  expect(result.problem.code).toBe("SE405");
  return result.problem.title.replace(/^x\.safetensors is not a whole safetensors file: /, "");
}

test("the smallest sound files open", () => {
  expect(reason(raw(good))).toBe("");
  expect(reason(raw("{}", new Uint8Array(0)))).toBe("");
  expect(reason(raw(`${good}      `))).toBe("");
  expect(reason(raw(`{"__metadata__":{"format":"pt"},"a":${entry("F32", "[2]", "[0,8]")}}`))).toBe("");
  expect(reason(raw(`{"z":${entry("F32", "[0, 3]", "[8,8]")},"s":${entry("I64", "[]", "[0,8]")}}`))).toBe("");
  expect(
    reason(raw(`{"f4":${entry("F4", "[2]", "[0,1]")},"f6":${entry("F6_E2M3", "[4]", "[1,4]")},"b":${entry("F32", "[1]", "[4,8]")}}`)),
  ).toBe("");
});

// one file per check of weights.md section 5
const malformed: readonly (readonly [string, Uint8Array, RegExp])[] = [
  ["shorter than its length field", new Uint8Array(7), /it has 7 bytes/],
  ["a header over the limit", raw(good, undefined, 100_000_001n), /the limit is 100000000/],
  ["a header length above 2^53", raw(good, undefined, 2n ** 60n), /the limit/],
  ["a header longer than the file", raw(good, undefined, 5000n), /but the file has/],
  ["not UTF-8", raw(new Uint8Array([0x7b, 0xff, 0xfe, 0x7d])), /not UTF-8/],
  ["not an object", raw("[1]     "), /does not start with `\{`/],
  ["a space before the header", raw(` ${good}`), /does not start with `\{`/],
  ["cut JSON", raw('{"a": '), /not well-formed JSON/],
  ["something after the object", raw(`${good} {}`), /followed by something else/],
  ["a key twice", raw(`{"a":${entry("F32", "[1]", "[0,4]")},"a":${entry("F32", "[1]", "[4,8]")}}`), /the key `a` twice/],
  ["a key twice in an entry", raw(`{"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}`), /the key `dtype` twice/],
  ["a comma too many", raw('{"a":1,}'), /not well-formed/],
  ["an unknown dtype", raw(`{"a":${entry("F33", "[2]", "[0,8]")}}`), /no known dtype/],
  ["a dtype named like a prototype's member", raw(`{"a":${entry("constructor", "[2]", "[0,8]")}}`), /no known dtype/],
  ["an unknown key", raw(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}}`), /unknown key `x`/],
  ["an entry that is no object", raw('{"a":[0,8]}'), /is not an object/],
  ["a negative size", raw(`{"a":${entry("F32", "[-2]", "[0,8]")}}`), /non-negative whole numbers/],
  ["a broken size", raw(`{"a":${entry("F32", "[2.5]", "[0,8]")}}`), /non-negative whole numbers/],
  ["a shape that overflows", raw(`{"a":${entry("F32", "[4194304, 4194304, 4194304]", "[0,8]")}}`), /more elements than/],
  ["one offset", raw(`{"a":${entry("F32", "[2]", "[0]")}}`), /no pair of data_offsets/],
  ["a negative offset", raw(`{"a":${entry("F32", "[2]", "[-8,0]")}}`), /no pair of data_offsets/],
  ["offsets backwards", raw(`{"a":${entry("F32", "[2]", "[8,0]")}}`), /reach outside/],
  ["an end behind the file", raw(`{"a":${entry("F32", "[4]", "[0,16]")}}`), /reach outside/],
  ["a size that is not the shape's", raw(`{"a":${entry("F32", "[1]", "[0,8]")}}`), /takes 8 bytes, but F32 \[1\] needs 4/],
  ["half a byte", raw(`{"a":${entry("F4", "[3]", "[0,1]")}}`), /whole bytes/],
  ["a hole", raw(`{"a":${entry("F32", "[1]", "[4,8]")}}`), /a hole of 4 bytes/],
  ["an overlap", raw(`{"a":${entry("F32", "[2]", "[0,8]")},"b":${entry("F32", "[1]", "[4,8]")}}`), /overlaps/],
  ["bytes behind the last tensor", raw(`{"a":${entry("F32", "[1]", "[0,4]")}}`), /belong to none/],
  ["metadata that is no text", raw(`{"__metadata__":{"n":1},"a":${entry("F32", "[2]", "[0,8]")}}`), /not text/],
  ["metadata that is no object", raw(`{"__metadata__":"pt","a":${entry("F32", "[2]", "[0,8]")}}`), /not text/],
  ["nesting without end", raw(`{"a":${"[".repeat(5000)}`), /nested too deeply/],
];

for (const [what, bytes, why] of malformed)
  test(`refused: ${what}`, () => {
    expect(reason(bytes)).toMatch(why);
  });

test("names such as __proto__ are names", () => {
  const file = fileOf(
    writeSafetensors(["__proto__", "constructor", "7"].map((name) => ({ name, shape: [1], data: new Float32Array([1]) }))),
  );
  expect([...file.tensors.keys()]).toEqual(["__proto__", "constructor", "7"]);
  expect(({} as Record<string, unknown>).dtype).toBeUndefined();
});

test("pickles and other formats are refused by content or name, and told how to convert", () => {
  const pickle = new Uint8Array([0x80, 2, 0x7d, 0x71, 0, 0, 0, 0, 0]);
  const zip = encoder.encode("PK\u0003\u0004 and so on");
  expect(reason(pickle)).toMatch(/Python pickle/);
  expect(reason(zip)).toMatch(/Python pickle/);
  for (const name of ["m.pth", "m.pt", "m.bin", "m.ckpt"]) expect(reason(raw(good), name)).toMatch(/Python pickle/);
  for (const name of ["m.h5", "m.keras", "m.npz", "m.pb", "m.tflite", "m.caffemodel"])
    expect(reason(raw(good), name)).toMatch(/which is not read/);
  expect(reason(new Uint8Array([0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a]))).toMatch(/HDF5/);
});

test("a header's length may look like a pickle or a zip", () => {
  // little-endian 80 02 00, 80 02 01, 50 4B 00
  for (const length of [0x280, 0x10280, 0x4b50]) expect(reason(raw(good.padEnd(length)))).toBe("");
});

/** Counts what a reader asks for. */
function counting(bytes: Uint8Array): { source: ByteSource; asked: () => number } {
  let asked = 0;
  const source = {
    size: bytes.length,
    read(begin: number, end: number) {
      expect(begin).toBeGreaterThanOrEqual(0);
      expect(end).toBeLessThanOrEqual(bytes.length);
      expect(end).toBeGreaterThanOrEqual(begin);
      asked += end - begin;
      return bytes.subarray(begin, end);
    },
  };
  return { source, asked: () => asked };
}

test("fuzz: damaged files are SE405 or still sound, never a crash, and never read more than the file", () => {
  const base = writeSafetensors(
    [
      { name: "a.weight", shape: [2, 3], data: new Float32Array(6) },
      { name: "n", shape: [], data: new BigInt64Array(1) },
    ],
    { net: "x" },
  );
  const change = fc.record({ at: fc.nat(base.length - 1), to: fc.nat(255) });
  const splice = fc.record({ at: fc.nat(base.length), cut: fc.nat(40), put: fc.uint8Array({ maxLength: 40 }) });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 6 }), fc.array(splice, { maxLength: 2 }), (changes, splices) => {
      let bytes: Uint8Array = base.slice();
      for (const { at, to } of changes) bytes[at] = to;
      for (const { at, cut, put } of splices) bytes = new Uint8Array([...bytes.subarray(0, at), ...put, ...bytes.subarray(at + cut)]);
      const { source, asked } = counting(bytes);
      const result = openSafetensors("x.safetensors", source);
      expect(asked()).toBeLessThanOrEqual(bytes.length + 16);
      if (!result.ok) expect(result.problem.code).toBe("SE405");
      else for (const t of result.file.tensors.values()) expect(t.end).toBeLessThanOrEqual(bytes.length);
    }),
    { numRuns: 2000 },
  );
});

test("fuzz: any JSON as header", () => {
  const value = fc.oneof(
    fc.json(),
    fc
      .dictionary(
        fc.string(),
        fc.record(
          {
            dtype: fc.constantFrom("F32", "F16", "I64", "F4", "X"),
            shape: fc.array(fc.oneof(fc.integer({ min: -1, max: 4 }), fc.double()), { maxLength: 3 }),
            data_offsets: fc.array(fc.oneof(fc.integer({ min: -4, max: 40 }), fc.double()), { maxLength: 3 }),
          },
          { requiredKeys: [] },
        ),
        { maxKeys: 4 },
      )
      .map((d) => JSON.stringify(d)),
  );
  fc.assert(
    fc.property(value, fc.uint8Array({ maxLength: 40 }), (header, buffer) => {
      const result = openSafetensors("x.safetensors", bytesSource(raw(header, buffer)));
      if (result.ok) expect([...result.file.tensors.values()].reduce((n, t) => n + t.end - t.begin, 0)).toBe(buffer.length);
    }),
    { numRuns: 1000 },
  );
});

test("what is written reads back, whatever the alignment; equal input gives equal bytes", () => {
  const tensors = [
    { name: "π.weight", shape: [3], data: new Float32Array([1.5, -0, Number.NaN]) },
    { name: "n", shape: [], data: new BigInt64Array([7n]) },
  ];
  const bytes = writeSafetensors(tensors, { net: "n" });
  expect(writeSafetensors(tensors, { net: "n" })).toEqual(bytes);
  expect(new DataView(bytes.buffer).getUint32(0, true) % 8).toBe(0);
  const odd = new Uint8Array(bytes.length + 1);
  odd.set(bytes, 1);
  const file = fileOf(odd.subarray(1));
  expect(file.metadata.get("format")).toBe("pt");
  expect(tensorValues(file, file.tensors.get("π.weight")!)).toEqual(tensors[0]!.data);
});

test("f16, bf16 and f64 are read as f32", () => {
  const view = new DataView(new ArrayBuffer(16));
  view.setUint16(0, 0x3c00, true);
  view.setUint16(2, 0x8001, true);
  view.setUint16(4, 0x3f80, true);
  view.setUint16(6, 0xc040, true);
  view.setFloat64(8, 0.1, true);
  const header = `{"h":${entry("F16", "[2]", "[0,4]")},"b":${entry("BF16", "[2]", "[4,8]")},"d":${entry("F64", "[1]", "[8,16]")}}`;
  const file = fileOf(raw(header, new Uint8Array(view.buffer)));
  const values = (name: string): number[] => [...tensorValues(file, file.tensors.get(name)!)];
  expect(values("h")).toEqual([1, -(2 ** -24)]);
  expect(values("b")).toEqual([1, -3]);
  expect(values("d")).toEqual([Math.fround(0.1)]);
  expect([0x7c00, 0xfc00, 0x7bff, 0x0400, 0x03ff].map(halfToNumber)).toEqual([Infinity, -Infinity, 65504, 2 ** -14, 1023 * 2 ** -24]);
  expect(halfToNumber(0x7e00)).toBeNaN();
});

test("sharded sets: parts beside the index, every tensor where it is said to be", () => {
  const part = (name: string): Uint8Array => writeSafetensors([{ name, shape: [1], data: new Float32Array([2]) }]);
  const folder = new Map([
    ["m-1.safetensors", part("a")],
    ["m-2.safetensors", part("b")],
  ]);
  const open = (name: string) => {
    const bytes = folder.get(name);
    return bytes && bytesSource(bytes);
  };
  const index = (map: Record<string, string>): string => JSON.stringify({ metadata: {}, weight_map: map });
  const title = (map: Record<string, string>): string => {
    const result = openShards("m.safetensors.index.json", index(map), open);
    return result.ok ? [...result.file.tensors.keys()].join() : result.problem.title.replace(/^.*: /, "");
  };
  expect(isShardIndex("m.safetensors.index.json")).toBe(true);
  expect(title({ a: "m-1.safetensors", b: "m-2.safetensors" })).toBe("a,b");
  expect(title({ a: "m-2.safetensors", b: "m-2.safetensors" })).toBe("`a` is not in m-2.safetensors");
  expect(title({ a: "m-1.safetensors", b: "m-3.safetensors" })).toBe("its part m-3.safetensors is missing");
  for (const bad of ["../m-1.safetensors", "/m-1.safetensors", "x/m-1.safetensors", "..", "", "C:m"])
    expect(title({ a: bad })).toMatch(/is not the name of a file beside it/);
  folder.set("m-2.safetensors", writeSafetensors(["b", "c"].map((name) => ({ name, shape: [1], data: new Float32Array(1) }))));
  expect(title({ a: "m-1.safetensors", b: "m-2.safetensors" })).toBe("m-2.safetensors holds `c`, which the index does not say");
});
