/** A weights file is packed into memory that other files were in before: nothing of those is left in it. */
import { expect, test } from "vitest";
import type { Backend } from "../../backends/backend.ts";
import { cpu } from "../../backends/cpu/index.ts";
import { emitTarget } from "../../backends/emit.ts";
import { tfjs } from "../../backends/tfjs/index.ts";
import { wasm } from "../../backends/wasm/index.ts";
import { webgpu } from "../../backends/webgpu/index.ts";
import { check, Diagnostics, type Graph, sourceFile, weightReader } from "../../compiler/index.ts";
import { memoryStore } from "../../compiler/weights/piece-store.ts";

/** Channels that are multiples of 8, of 4 and of neither; groups, depthwise and transposed convolutions, gates. */
const SPEC = `se 1
net mixed {
  input image: f32[N, 8, 24, 24]
  a: conv(32, 3, pad=1)  bn  relu
  se1: se(reduction=4, bias=true)
  b: conv(20, 1)  relu
  c: conv(20, 3, pad=1, groups=5)  relu
  d: conv(20, 3, pad=1, groups=20, bias=true)
  se2: se(reduction=4)
  e: conv(13, 1, bias=true)  relu
  f: conv(13, 3, pad=1, groups=13)  relu
  g: deconv(6, 2, stride=2)
  h: conv(48, 3, stride=2)  bn  silu
  eca
  gap
  flatten
  fc: linear(10)
  output logits
}
`;

function graph(): Graph {
  const { nets, diagnostics } = check(sourceFile("mixed.se", SPEC), { readText: () => ({ ok: false, reason: "none" }) });
  expect(diagnostics.map((d) => d.title)).toEqual([]);
  return nets[0]!.graph;
}

const targets: readonly [string, Backend, Record<string, unknown>][] = [
  ["cpu", cpu, {}],
  ["tfjs", tfjs, {}],
  ["wasm", wasm, {}],
  ["webgpu", webgpu, {}],
  ["webgpu, f16", webgpu, { f16: true }],
];

test.each(targets)("%s", (_name, backend, options) => {
  const packed = [0, 0xff].map((before) => {
    const { artifacts } = emitTarget({
      backend,
      graph: graph(),
      options: backend.options.parse(options),
      weights: weightReader({ seed: 3 }),
      batch: 1,
      level: 2,
      diagnostics: new Diagnostics(),
      source: "mixed.se",
      store: memoryStore((bytes) => new Uint8Array(bytes).fill(before)),
    });
    return artifacts.find((a) => a.path.endsWith(".weights"))!.contents as Uint8Array;
  });
  expect(packed[0]!.length).toBeGreaterThan(10_000);
  expect(Buffer.compare(packed[0]!, packed[1]!)).toBe(0);
});
