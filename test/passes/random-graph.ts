/** Random small legal graphs for property tests, and the plain f64 interpretation that judges them. */
import fc from "fast-check";
import { graphBuilder } from "../../compiler/ir/build.ts";
import type { Attrs, Graph, Value } from "../../compiler/ir/graph.ts";
import { f32 } from "../../compiler/ir/type.ts";
import { applyOp } from "../../compiler/ops/apply.ts";
import { opOf } from "../../compiler/ops/index.ts";
import type { Tensor } from "../../compiler/ops/op.ts";
import { sourceFile, span } from "../../compiler/source.ts";
import { bits } from "../../compiler/weights/init.ts";
import type { WeightReader } from "../../compiler/weights/source.ts";

const origin = { span: span(sourceFile("random.se", "se 1\n"), 0, 4), via: [] };

/** One layer to try: it is applied if its op accepts what is there. */
interface Step {
  readonly op: string;
  readonly attrs: Attrs;
  /** How far back its inputs are, from the newest value. */
  readonly back: readonly number[];
  /** Use the tensors of an earlier node of the same op and shape, if there is one. */
  readonly shared: boolean;
}

const one = (op: string, attrs: fc.Arbitrary<Attrs> = fc.constant({})): fc.Arbitrary<[string, Attrs]> => fc.tuple(fc.constant(op), attrs);

const layer = fc.oneof(
  {
    arbitrary: one(
      "conv",
      fc.record({ out: fc.constantFrom(2, 4), kernel: fc.constantFrom(1, 3), bias: fc.boolean(), groups: fc.constantFrom(1, 2) }),
    ),
    weight: 4,
  },
  { arbitrary: one("bn", fc.record({ affine: fc.boolean(), eps: fc.constantFrom(1e-5, 1e-3) })), weight: 5 },
  one(
    "deconv",
    fc.record({
      out: fc.constant(4),
      kernel: fc.constant(2),
      stride: fc.constantFrom(1, 2),
      bias: fc.boolean(),
      groups: fc.constantFrom(1, 2),
    }),
  ),
  one("affine", fc.record({ bias: fc.boolean() })),
  one("times", fc.record({ k: fc.constantFrom(1, 2, 0.17, 1 / 6) })),
  one("plus", fc.record({ k: fc.constantFrom(0, 3, -1) })),
  one("clip", fc.constantFrom({ min: 0, max: 6 }, { min: 0, max: 1 })),
  one("relu"),
  one("sigmoid"),
  one("tanh"),
  one("softplus"),
  one("abs"),
  one("identity"),
  one("dropout", fc.constant({ p: 0.3 })),
  one("gap"),
  one("avgpool_to", fc.constant({ size: 1 })),
  one("maxpool", fc.record({ kernel: fc.constantFrom(1, 2, 4) })),
  one("slice", fc.constantFrom({ start: 0, stop: 2 }, { start: 0, stop: 4 })),
  one("chanshuffle", fc.record({ groups: fc.constantFrom(1, 2) })),
  one("flatten"),
  one("linear", fc.record({ out: fc.constantFrom(3, 4), bias: fc.boolean() })),
);
const merge = fc.constantFrom("add", "mul", "concat").map((op): [string, Attrs] => [op, {}]);

const step: fc.Arbitrary<Step> = fc
  .record({
    what: fc.oneof({ arbitrary: layer, weight: 5 }, { arbitrary: merge, weight: 2 }),
    // mostly the newest value, so that chains form
    back: fc.array(fc.oneof({ arbitrary: fc.constant(0), weight: 3 }, { arbitrary: fc.nat(5), weight: 1 }), { minLength: 2, maxLength: 2 }),
    shared: fc.boolean(),
  })
  .map(({ what: [op, attrs], back, shared }) => ({ op, attrs, back, shared }));

function build(steps: readonly Step[], outputs: readonly number[]): Graph {
  const builder = graphBuilder("random");
  const values: Value[] = [builder.input("x", f32(2, 4, 4, 4))];
  const own = new Map<string, Readonly<Record<string, Value>>>();
  for (const [i, s] of steps.entries()) {
    const inputs = s.back.slice(0, opOf(s.op).arity === "many" ? 2 : 1).map((b) => values[Math.max(0, values.length - 1 - b)]!);
    const path = `${s.op}${i}`;
    const key = JSON.stringify([s.op, s.attrs, inputs[0]!.type.shape.slice(1, 2)]);
    const known = s.shared ? own.get(key) : undefined;
    const made = applyOp(builder, s.op, inputs, s.attrs, { path, origin, ...(known ? { weights: known } : {}) });
    if ("problem" in made) continue;
    values.push(made);
    const node = builder.finish().nodes.at(-1)!;
    if (!own.has(key)) own.set(key, node.weights);
  }
  builder.output("y", values.at(-1)!);
  for (const [i, back] of outputs.entries()) {
    const value = values[Math.max(0, values.length - 1 - back)]!;
    if (builder.finish().nodes.some((n) => n.output === value) && !builder.finish().outputs.some((o) => o.value === value))
      builder.output(`y${i}`, value);
  }
  return builder.finish();
}

export const randomGraph: fc.Arbitrary<Graph> = fc
  .tuple(fc.array(step, { minLength: 1, maxLength: 14 }), fc.array(fc.nat(6), { maxLength: 2 }))
  .map(([steps, outputs]) => build(steps, outputs))
  .filter((g) => g.nodes.length > 0);

/** Outputs by name. Running variances are made positive, everything else is uniform in [-1, 1]. */
export function interpret(graph: Graph, weights: WeightReader): Map<string, Tensor> {
  const values = new Map<Value, Tensor>();
  for (const input of graph.inputs) {
    const next = bits(input.name, 7);
    const shape = input.type.shape as readonly number[];
    values.set(input, { shape, data: Float64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => next() / 2 ** 31) });
  }
  for (const w of graph.weights) values.set(w.value, { shape: w.value.type.shape as readonly number[], data: weights.readExact(w) });
  for (const n of graph.nodes) {
    const own = Object.fromEntries(Object.entries(n.weights).map(([name, v]) => [name, values.get(v)!]));
    values.set(
      n.output,
      opOf(n.op).reference(
        n.inputs.map((v) => values.get(v)!),
        own,
        n.attrs as never,
      ),
    );
  }
  return new Map(graph.outputs.map((o) => [o.name, values.get(o.value)!]));
}
