import fc from "fast-check";
import { expect, test } from "vitest";
import { Diagnostics } from "../../compiler/diagnostics/diagnostic.ts";
import type { Graph, Weight } from "../../compiler/ir/graph.ts";
import { parseGraph } from "../../compiler/ir/parse.ts";
import { printGraph } from "../../compiler/ir/print.ts";
import { faultText, verifyGraph } from "../../compiler/ir/verify.ts";
import { opRules } from "../../compiler/ops/rules.ts";
import { graphPasses, optimizeGraph } from "../../compiler/passes/pipeline.ts";
import { bits } from "../../compiler/weights/init.ts";
import { weightReader } from "../../compiler/weights/reader.ts";
import { recipeOf } from "../../compiler/weights/recipes.ts";
import type { WeightReader } from "../../compiler/weights/source.ts";
import { interpret, randomGraph } from "./random-graph.ts";

const context = { level: 2, training: false, diagnostics: new Diagnostics(), remark: () => {} } as const;

/** Real statistics instead of the initial 0 and 1, which would hide a forgotten mean or scale. */
const trained: WeightReader = (() => {
  const readExact = (w: Weight): Float64Array => {
    const shape = w.value.type.shape as readonly number[];
    if (w.init.kind === "derived")
      return recipeOf(w.init.recipe).run(
        w.init.from.map((s) => ({ shape: s.value.type.shape as readonly number[], data: readExact(s) })),
        w.init.attrs,
        shape,
      );
    const next = bits(w.path, 3);
    const positive = w.path.endsWith("running_var");
    return Float64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => {
      const v = next() / 2 ** 31;
      return positive ? Math.abs(v) + 0.5 : v;
    });
  };
  return { readExact, read: (w) => Float32Array.from(readExact(w)) };
})();

function expectSame(before: Graph, after: Graph): void {
  const wanted = interpret(before, trained);
  const got = interpret(after, trained);
  expect([...got.keys()]).toEqual([...wanted.keys()]);
  for (const [name, w] of wanted) {
    const g = got.get(name)!;
    expect(g.shape).toEqual(w.shape);
    for (let i = 0; i < w.data.length; i++)
      // constants such as 1/6 are recognised to f32 precision, everything else agrees to f64 rounding
      if (!(Math.abs(g.data[i]! - w.data[i]!) <= 1e-9 * Math.max(1, Math.abs(w.data[i]!))))
        expect(g.data[i], `${name}[${i}]`).toBe(w.data[i]);
  }
}

test("optimised = unoptimised", () => {
  fc.assert(
    fc.property(randomGraph, (graph) => {
      expectSame(graph, optimizeGraph(graph, { ...context, verify: true }));
    }),
    { numRuns: 300 },
  );
});

test("every pass alone keeps the function", () => {
  fc.assert(
    fc.property(randomGraph, (graph) => {
      for (const pass of graphPasses) {
        const after = pass.run(graph, context);
        expect(verifyGraph(after, opRules).map(faultText)).toEqual([]);
        if (after !== graph) expectSame(graph, after);
      }
    }),
    { numRuns: 150 },
  );
});

test("a second run changes nothing", () => {
  fc.assert(
    fc.property(randomGraph, (graph) => {
      const once = optimizeGraph(graph, context);
      const again = optimizeGraph(once, context);
      expect(printGraph(again)).toBe(printGraph(once));
    }),
    { numRuns: 150 },
  );
});

test("while training, no batch norm is folded and no dropout taken out", () => {
  fc.assert(
    fc.property(randomGraph, (graph) => {
      const after = optimizeGraph(graph, { ...context, training: true });
      expect(after.weights.some((w) => w.init.kind === "derived")).toBe(false);
      expectSame(graph, after);
    }),
    { numRuns: 100 },
  );
});

test("the text form of a graph reads back as the graph", () => {
  fc.assert(
    fc.property(randomGraph, fc.boolean(), (graph, optimised) => {
      const g = optimised ? optimizeGraph(graph, context) : graph;
      for (const rules of [undefined, opRules]) {
        const text = printGraph(g, rules);
        const back = parseGraph(text, rules);
        expect(printGraph(back, rules)).toBe(text);
        expect(verifyGraph(back, opRules).map(faultText)).toEqual([]);
      }
      expect(weightReader({ seed: 1 }).read(g.weights[0] ?? fallback).length).toBeGreaterThan(0);
    }),
    { numRuns: 100 },
  );
});

const fallback: Weight = {
  value: { id: 0, type: { dtype: "f32", shape: [1] }, name: "w" },
  path: "w",
  trainable: true,
  init: { kind: "constant", value: 1 },
};
