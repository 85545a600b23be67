/** The attention blocks of the library: their tensors, parameter counts and numbers against PyTorch (test/python/blocks.py), on every target. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Backend } from "../../backends/backend.ts";
import { cpu } from "../../backends/cpu/index.ts";
import { emitTarget } from "../../backends/emit.ts";
import { parseBackendOptions } from "../../backends/registry.ts";
import { tfjs } from "../../backends/tfjs/index.ts";
import { referenceOf, verifyTarget } from "../../backends/verify.ts";
import { webgpu } from "../../backends/webgpu/index.ts";
import { costOf } from "../../compiler/analysis/cost.ts";
import { Diagnostics } from "../../compiler/diagnostics/diagnostic.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
import { numel } from "../../compiler/ir/type.ts";
import { libraryBlocks } from "../../compiler/semantics/index.ts";
import { hashedValues } from "../judges/hashed-values.ts";
import { graphOf, hashedReader } from "../judges/whole-nets.ts";

interface BlockCase {
  readonly call: string;
  /** At 256 channels, in order. */
  readonly tensors: readonly string[];
  readonly every: number;
  readonly max: number;
  readonly values: readonly number[];
}

const fixture = JSON.parse(readFileSync(new URL("../fixtures/attention-blocks.json", import.meta.url), "utf8")) as {
  readonly shape: readonly [number, number, number, number];
  readonly blocks: readonly BlockCase[];
};
const [batch, channels, height, width] = fixture.shape;

const graphWith = (call: string, c: number): Graph =>
  graphOf(`se 1\nnet one { input input: f32[N, ${c}, ${height}, ${width}]\n att: ${call}\n output out }\n`, "one");

/** Trainable parameters at C = 256, by the formulas of the papers. */
const PARAMETERS: Readonly<Record<string, number>> = {
  se: 8_192,
  "se(bias=true)": 8_464,
  "se(hidden=3, bias=true)": 2 * 256 * 3 + 256 + 3,
  'se(act="silu", bias=true)': 8_464,
  'se(gate="hsigmoid6", bias=true)': 8_464,
  'se(gate="tanh")': 8_192,
  'se(gate="relu")': 8_192,
  'se(pool="max")': 8_192,
  'se(pool="mix", bias=true)': 8_464,
  ese: 65_792,
  eca: 5,
  'eca(pad_mode="circular")': 5,
  cse: 8_464,
  sse: 257,
  scse: 8_721,
  cbam: 8_292,
  "cbam(bias=true, max_first=true)": 8_564,
  bam: 17_361,
  ge: 0,
  "ge(extent=2)": 0,
  "ge(extent=8)": 0,
  "ge(mlp=true)": 8_464,
  "ge(learned=true)": 256 * height * width + 512,
  "ge(extent=2, learned=true)": 256 * 9 + 512,
  "ge(extent=8, learned=true, mlp=true)": 3 * (256 * 9 + 512) + 8_464,
  gct: 768,
  simam: 0,
  coord: 6_680,
  gc: 16_993,
  'gc(fuse="add")': 16_993,
  sk: 1_192_992,
  "sk(split=true)": 603_168,
};

test("every block of the library is here", () => {
  const called = new Set(fixture.blocks.map(({ call }) => call.replace(/\(.*/, "")));
  expect(libraryBlocks().filter((name) => !called.has(name))).toEqual([]);
  expect(fixture.blocks.map(({ call }) => call)).toEqual(Object.keys(PARAMETERS));
});

describe.each(fixture.blocks.map((block) => [block.call, block] as const))("%s", (call, block) => {
  test("has the tensors and the parameters of its formula", () => {
    const graph = graphWith(call, 256);
    expect(graph.weights.map((w) => `${w.path.replace(/^att\./, "")} [${w.value.type.shape.join(", ")}]`)).toEqual(block.tensors);
    expect(costOf(graph).params).toBe(PARAMETERS[call]);
  });

  test("computes what PyTorch computes; the cpu target within its bound", async () => {
    const graph = graphWith(call, channels);
    const input = hashedValues("input", numel(fixture.shape), -2, 2);
    const diagnostics = new Diagnostics();
    const request = {
      graph,
      weights: hashedReader(graph),
      batch,
      level: 2,
      samples: [{ input }],
      diagnostics,
      source: "block.se",
      draws: 1,
    } as const;
    const reference = referenceOf(request);
    const exact = reference.outputs[0]?.out?.data ?? new Float64Array();
    const sampled = Array.from(exact).filter((_, i) => i % block.every === 0);
    expect(sampled).toHaveLength(block.values.length);
    const worst = Math.max(...sampled.map((v, i) => Math.abs(v - (block.values[i] as number))));
    // both sides are f64, on weights that are f32; 9 digits are stored
    expect(worst).toBeLessThanOrEqual(1e-8 * block.max);
    const verdict = await verifyTarget(
      cpu as unknown as Backend,
      parseBackendOptions(cpu as unknown as Backend, {}, diagnostics),
      request,
      reference,
    );
    expect(verdict).toMatchObject({ verdict: "pass" });
    expect(diagnostics.all).toEqual([]);
  });

  test.each([tfjs, webgpu] as unknown as Backend[])("compiles for $name", (backend) => {
    const graph = graphWith(call, channels);
    const diagnostics = new Diagnostics();
    const { artifacts } = emitTarget({
      backend,
      graph,
      options: parseBackendOptions(backend, {}, diagnostics),
      weights: hashedReader(graph),
      batch,
      level: 2,
      diagnostics,
      source: "block.se",
    });
    expect(diagnostics.all.map((d) => `${d.code} ${d.title}`)).toEqual([]);
    expect(artifacts.length).toBeGreaterThan(0);
  });
});
