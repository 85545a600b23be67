import fc from "fast-check";
import { expect, test } from "vitest";
import { Diagnostics } from "../../compiler/diagnostics/diagnostic.ts";
import { exprText, readExpr } from "../../compiler/ir/expr-text.ts";
import type { BinaryFn, Expr, Program, UnaryFn } from "../../compiler/ir/kernel.ts";
import { parseGraph } from "../../compiler/ir/parse.ts";
import { parseProgram } from "../../compiler/ir/parse-program.ts";
import { printProgram } from "../../compiler/ir/print-program.ts";
import { lineReader } from "../../compiler/ir/text.ts";
import { faultText } from "../../compiler/ir/verify.ts";
import { verifyProgram } from "../../compiler/ir/verify-program.ts";
import { lowerGraph } from "../../compiler/lower.ts";
import { allOps } from "../../compiler/ops/index.ts";
import { opRules } from "../../compiler/ops/rules.ts";
import { kernelPasses } from "../../compiler/passes/kernel-pipeline.ts";
import type { OptimizeLevel } from "../../compiler/passes/pass.ts";
import { optimizeGraph, runKernelPasses } from "../../compiler/passes/pipeline.ts";
import { sampleGraph } from "../../compiler/reference/sample-graph.ts";
import { gpu as capabilities } from "../kernels/optimize.ts";
import { randomGraph } from "../passes/random-graph.ts";

const context = { diagnostics: new Diagnostics(), remark: () => {}, training: false };

function expectRoundTrip(program: Program): void {
  const text = printProgram(program);
  const back = parseProgram(text);
  expect(printProgram(back)).toBe(text);
  expect(verifyProgram(back, capabilities).map(faultText)).toEqual([]);
  // an epilogue that is just `acc` says the same as none
  const bare = (p: Program) =>
    p.kernels.map(({ from: _from, buffers, ...k }) => ({
      ...k,
      ...(k.kind === "loop" && k.reduce ? { epilogue: k.epilogue ?? { kind: "acc" } } : {}),
      access: buffers.map((b) => b.access),
    }));
  expect(bare(back)).toEqual(bare(program));
}

for (const level of [0, 2] satisfies OptimizeLevel[])
  test(`kernels of every op sample are legal and read back as they print, -O${level}`, () => {
    for (const [op, record] of allOps())
      for (const sample of record.samples) {
        const { graph } = sampleGraph(op, sample);
        const lowered = lowerGraph(graph, { batch: 1, capabilities, level, ...context });
        expect(verifyProgram(lowered, capabilities).map(faultText), `${op} ${sample.name}`).toEqual([]);
        expectRoundTrip(lowered);
      }
  });

test("whole programs after all passes read back as they print", () => {
  fc.assert(
    fc.property(randomGraph, (graph) => {
      const optimised = optimizeGraph(graph, { ...context, level: 2 });
      const program = lowerGraph(optimised, { batch: 2, capabilities, level: 2, ...context });
      expectRoundTrip(runKernelPasses(program, kernelPasses, { ...context, level: 2, capabilities }, { verify: true }));
    }),
    { numRuns: 60 },
  );
});

const leaf: fc.Arbitrary<Expr> = fc.oneof(
  fc.constantFrom<Expr>({ kind: "acc" }, { kind: "index", name: "c" }, { kind: "index", name: "kh" }),
  fc.integer({ min: -9, max: 9 }).map((value): Expr => ({ kind: "const", type: "i32", value })),
  fc
    .constantFrom(0, 1, -0.5, 1e-9, 3.4028234663852886e38, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN)
    .map((value): Expr => ({ kind: "const", type: "f32", value })),
  fc.boolean().map((value): Expr => ({ kind: "const", type: "bool", value: value ? 1 : 0 })),
);
const BINARY: BinaryFn[] = ["add", "sub", "mul", "div", "min", "max", "pow", "idiv", "imod", "lt", "le", "eq", "and"];
const UNARY: UnaryFn[] = ["neg", "abs", "exp", "log", "sqrt", "rsqrt", "tanh", "floor", "float", "int", "not"];
const { expr } = fc.letrec<{ expr: Expr }>((tie) => ({
  expr: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    leaf,
    fc.record({ kind: fc.constant("binary"), fn: fc.constantFrom(...BINARY), a: tie("expr"), b: tie("expr") }) as fc.Arbitrary<Expr>,
    fc.record({ kind: fc.constant("unary"), fn: fc.constantFrom(...UNARY), x: tie("expr") }) as fc.Arbitrary<Expr>,
    fc.record({ kind: fc.constant("select"), cond: tie("expr"), yes: tie("expr"), no: tie("expr") }) as fc.Arbitrary<Expr>,
    fc.record({ kind: fc.constant("load"), buffer: fc.nat(2), at: fc.array(tie("expr"), { maxLength: 3 }) }) as fc.Arbitrary<Expr>,
  ),
}));

test("any expression reads back as the same tree", () => {
  const names = ["%3", "@layer1.0.conv-1.weight", '@"a b]"'];
  fc.assert(
    fc.property(expr, (e) => {
      const text = exprText(e, names);
      const r = lineReader(text, 1);
      expect(readExpr(r, (name) => names.indexOf(name))).toEqual(e);
      expect(r.atEnd()).toBe(true);
    }),
    { numRuns: 500 },
  );
});

test("the text of kernels, as people see it", async () => {
  const graph = parseGraph(
    `graph gated
      input x = %0 : f32[N, 8, 6, 6]
      %1 = conv(%0, weight=@conv.weight) {out=8, kernel=3, bias=false} : f32[N, 8, 6, 6] # conv
      %2 = gap(%1) : f32[N, 8, 1, 1] # se.gap
      %3 = conv(%2, weight=@se.fc1.weight) {out=2, kernel=1} : f32[N, 2, 1, 1] # se.fc1
      %4 = relu(%3) : f32[N, 2, 1, 1] # se.relu
      %5 = conv(%4, weight=@se.fc2.weight, bias=@se.fc2.bias) {out=8, kernel=1, bias=true} : f32[N, 8, 1, 1] # se.fc2
      %6 = sigmoid(%5) : f32[N, 8, 1, 1] # se.sigmoid
      %7 = mul(%1, %6) : f32[N, 8, 6, 6] # se.scale
      %8 = add(%7, %0) : f32[N, 8, 6, 6] # sum
      %9 = maxpool(%8) {kernel=3, stride=2, pad=1} : f32[N, 8, 3, 3] # pool
      output y = %9
      tensor @conv.weight : f32[8, 8, 3, 3] = uniform(0.1)
      tensor @se.fc1.weight : f32[2, 8, 1, 1] = uniform(0.3)
      tensor @se.fc2.weight : f32[8, 2, 1, 1] = uniform(0.7)
      tensor @se.fc2.bias : f32[8] = uniform(0.7)`,
    opRules,
  );
  const program = lowerGraph(graph, { batch: 1, capabilities, level: 2, ...context });
  const planned = runKernelPasses(program, kernelPasses, { ...context, level: 2, capabilities }, { verify: true });
  await expect(printProgram(planned)).toMatchFileSnapshot("gated.kernels.txt");
  expectRoundTrip(planned);
});
