/** The .weights file: header, packing, hash; and the layout helpers of hosts. */
import { expect, test } from "vitest";
// @ts-expect-error plain JavaScript that is embedded as text; cpu.test.ts checks its types
import { fromChannelsLast, toChannelsLast } from "../../backends/module/layout.js";
// @ts-expect-error the same
import { digest as hostDigest } from "../../backends/module/prelude.js";
import { digest, f32Section, packWeights } from "../../backends/module/weights-file.ts";

/** The definition of architecture.md section 8.3, not unrolled. */
function definition(bytes: Uint8Array): string {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >>> 2);
  const lane = new Int32Array([1, 2, 3, 4]);
  for (let i = 0; i < words.length; i++) {
    const k = i & 3;
    lane[k] = Math.imul(lane[k]! + Math.imul(words[i]!, 0x85ebca77), 0x9e3779b1);
    lane[k] = (lane[k]! << 13) | (lane[k]! >>> 19);
  }
  return [...lane].map((x) => (x >>> 0).toString(16).padStart(8, "0")).join("");
}

test("the digest is the defined one, in the compiler and in emitted modules", () => {
  for (const length of [0, 4, 8, 12, 16, 20, 28, 1024, 4100]) {
    const bytes = Uint8Array.from({ length }, (_, i) => (i * 167 + 13) & 255);
    expect(digest(bytes)).toBe(definition(bytes));
    expect(hostDigest(bytes)).toBe(definition(bytes));
  }
  expect(digest(new Uint8Array(0))).toBe("00000001000000020000000300000004");
});

test("every bit counts", () => {
  const bytes = new Uint8Array(64);
  const seen = new Set([digest(bytes)]);
  for (let bit = 0; bit < 512; bit++) {
    const changed = bytes.slice();
    changed[bit >> 3] = 1 << (bit & 7);
    seen.add(digest(changed));
  }
  expect(seen.size).toBe(513);
});

test("header, alignment and zeros between tensors", () => {
  const packed = packWeights([
    f32Section(3, (into) => into.set([1, 2, 3])),
    { bytes: 300, fill: (into) => into.fill(7) },
    f32Section(1, (into) => into.set([-0.5])),
  ]);
  expect(packed.offsets).toEqual([0, 256, 768]);
  expect(packed.payloadBytes).toBe(1024);
  const { file } = packed;
  expect(file.byteLength).toBe(64 + 1024);
  const header = new DataView(file.buffer, 0, 64);
  expect(new TextDecoder().decode(file.subarray(0, 4))).toBe("SECW");
  expect(header.getUint32(4, true)).toBe(1);
  expect(header.getBigUint64(24, true)).toBe(1024n);
  expect(file.subarray(32, 64).every((b) => b === 0)).toBe(true);
  const floats = new Float32Array(file.buffer, 64);
  expect([...floats.subarray(0, 4)]).toEqual([1, 2, 3, 0]);
  expect(file.subarray(64 + 256, 64 + 556).every((b) => b === 7)).toBe(true);
  expect(file.subarray(64 + 556, 64 + 768).every((b) => b === 0)).toBe(true);
  expect(floats[768 / 4]).toBe(-0.5);
  const words = [8, 12, 16, 20].map((at) => header.getUint32(at, true).toString(16).padStart(8, "0"));
  expect(words.join("")).toBe(packed.hash);
});

test("channels last and back: padding lanes and halo are zero", () => {
  const shape = [2, 3, 2, 2];
  const map = Float32Array.from({ length: 24 }, (_, i) => i + 1);
  const last = toChannelsLast(map, shape, 4, 1);
  expect(last.length).toBe(2 * 4 * 4 * 4);
  expect(fromChannelsLast(last, shape, 4, 1)).toEqual(map);
  // image 0, pixel (0, 1): channels 0, 1, 2 and the padding lane
  expect([...last.subarray((1 * 4 + 2) * 4, (1 * 4 + 2) * 4 + 4)]).toEqual([2, 6, 10, 0]);
  expect(last.reduce((n: number, v: number) => n + (v === 0 ? 1 : 0), 0)).toBe(last.length - 24);
});
