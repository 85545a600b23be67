/** Random nets for emitted code: sizes and layers at the edges of tiles, vectors and fusions. */
import fc from "fast-check";
import { testOrigin } from "../../backends/testing-samples.ts";
import { graphBuilder } from "../../compiler/ir/build.ts";
import type { Graph, Value } from "../../compiler/ir/graph.ts";
import { f32, numel } from "../../compiler/ir/type.ts";
import { applyOp } from "../../compiler/ops/apply.ts";
import { Draw, draws } from "./draw.ts";
import { type Growing, layers } from "./layers.ts";

export interface RandomNet {
  readonly graph: Graph;
  readonly batch: number;
}

interface Step {
  readonly layer: string;
  readonly numbers: readonly number[];
}

/** Elements of a value for one image; what would be larger is left out. */
const LARGEST = 60_000;

function grow(input: readonly number[], steps: readonly Step[], outputs: number): Graph {
  const builder = graphBuilder("random");
  const values: Value[] = [builder.input("image", f32("N", ...input))];
  let made = 0;
  const net: Growing = {
    op(name, inputs, attrs = {}) {
      const list = Array.isArray(inputs) ? (inputs as readonly Value[]) : [inputs as Value];
      const value = applyOp(builder, name, list, attrs, { path: `${name}${made++}`, origin: testOrigin });
      return "problem" in value ? undefined : value;
    },
    earlier: (draw) => (draw.chance(0.7) ? (values.at(-1) as Value) : draw.from(values)),
  };
  for (const { layer, numbers } of steps) {
    const draw = new Draw(numbers);
    const value = layers[layer]?.(net, net.earlier(draw), draw);
    if (value && numel(value.type.shape.slice(1)) <= LARGEST) values.push(value);
  }
  // the newest value, and one that other layers read too
  const outputValues = [values.at(-1) as Value, values.at(-3)].slice(0, outputs);
  for (const [i, value] of outputValues.entries()) if (value && value !== values[0]) builder.output(`y${i}`, value);
  return builder.finish();
}

export const randomNet: fc.Arbitrary<RandomNet> = fc
  .record({
    input: fc.tuple(
      fc.constantFrom(3, 1, 4, 8, 5, 16, 17, 24, 32, 40, 64),
      fc.integer({ min: 1, max: 17 }),
      fc.integer({ min: 1, max: 17 }),
    ),
    steps: fc.array(fc.record({ layer: fc.constantFrom(...Object.keys(layers)), numbers: draws }), { minLength: 2, maxLength: 12 }),
    batch: fc.constantFrom(1, 1, 1, 1, 2, 3),
    outputs: fc.constantFrom(1, 1, 1, 2),
  })
  .map(({ input, steps, batch, outputs }) => ({ graph: grow(input, steps, outputs), batch }))
  .filter(({ graph }) => graph.outputs.length > 0);
