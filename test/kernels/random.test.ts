/** Random small graphs: the optimised program is the function of the unoptimised one, for both kinds of target. */
import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import type { Graph, Value } from "../../compiler/ir/graph.ts";
import { buildNet, type NetBuilder, se } from "./nets.ts";
import { cpu, gpu, optimize } from "./optimize.ts";
import { relativeError, run } from "./run.ts";

interface Step {
  readonly kind: string;
  readonly a: number;
  readonly b: number;
}

const CHANNELS = 8;

const kinds = [
  "conv1",
  "conv3",
  "grouped",
  "depthwise",
  "relu",
  "hswish",
  "leaky_relu",
  "sigmoid",
  "times",
  "affine",
  "maxpool",
  "avgpool",
  "upsample",
  "add",
  "add",
  "mul",
  "concat",
  "slice",
  "chanshuffle",
  "swaphw",
  "identity",
  "se",
  "se",
  "se",
  "ese",
  "spatial",
  "flat",
] as const;

const sameShape = (a: Value, b: Value): boolean => a.type.shape.join() === b.type.shape.join();

/** Every step reads one or two earlier values; a step that does not fit is another activation. */
function apply(net: NetBuilder, values: Value[], { kind, a, b }: Step): Value {
  const { op } = net;
  const x = values[a % values.length] as Value;
  const y = values[b % values.length] as Value;
  const [, c = 1, h = 1] = x.type.shape as number[];
  switch (kind) {
    case "conv1":
      return op("conv", x, { out: CHANNELS, kernel: 1, bias: b % 2 === 0 });
    case "conv3":
      return op("conv", x, { out: CHANNELS, kernel: 3, bias: true, stride: h > 3 && b % 4 === 0 ? 2 : 1 });
    case "grouped":
      return op("conv", x, { out: c, kernel: 3, groups: 2 });
    case "depthwise":
      return op("conv", x, { out: c, kernel: 3, groups: c, bias: true });
    case "times":
      return op("times", x, { k: (b % 5) - 2 });
    case "affine":
    case "sigmoid":
    case "identity":
    case "swaphw":
    case "hswish":
    case "leaky_relu":
      return op(kind, x);
    case "maxpool":
    case "avgpool":
      return op(kind, x, { kernel: 3, stride: h > 3 && b % 2 ? 2 : 1, pad: 1 });
    case "upsample":
      return h < 5 ? op("upsample", x, { scale: 2 }) : op("relu", x);
    case "add":
    case "mul":
      return sameShape(x, y) && x !== y ? op(kind, [x, y]) : op("relu", x);
    case "concat": {
      const fits = x.type.shape.slice(2).join() === y.type.shape.slice(2).join();
      return fits && c + (y.type.shape[1] as number) <= 24 ? op("concat", [x, y]) : op("hswish", x);
    }
    case "slice":
      return c > 4 ? op("slice", x, { start: 2, stop: c - (c % 2 ? 1 : 2) }) : op("relu", x);
    case "chanshuffle":
      return op("chanshuffle", x, { groups: 2 });
    case "se":
      return se(net, x, { hidden: 2 + (b % 3), gate: b % 2 ? "hsigmoid6" : "sigmoid", linear: b % 5 === 0 }, `se${values.length}`);
    case "ese":
      return op("mul", [op("sigmoid", op("conv", op("gap", y), { out: c, kernel: 1 })), x]);
    case "spatial":
      return op("mul", [x, op("sigmoid", op("conv", x, { out: 1, kernel: 3 }))]);
    case "flat":
      return op("reshape", op("linear", op("flatten", op("gap", x)), { out: CHANNELS }), { dims: [CHANNELS, 1, 1] });
    default:
      return op("relu", x);
  }
}

function graphOf(steps: readonly Step[], outputs: number): Graph {
  const net = buildNet();
  const values = [net.input("image", "N", 4, 5, 7)];
  for (const s of steps) {
    // mostly the newest values, so that chains and residuals form
    const recent = values.slice(-4);
    values.push(apply(net, recent, s));
  }
  return net.finish(...values.slice(-outputs));
}

const step = fc.record({ kind: fc.constantFrom(...kinds), a: fc.nat(7), b: fc.nat(11) });
const graphs = fc.tuple(fc.array(step, { minLength: 3, maxLength: 14 }), fc.integer({ min: 1, max: 2 }));

describe("random graphs", () => {
  /** A backend that prints loops and nothing else: the least a target can do. */
  const loopsOnly = { ...gpu, kinds: [] };

  test.prop([graphs, fc.constantFrom(gpu, cpu, loopsOnly)], { numRuns: 150, seed: 20_180_622 })(
    "optimised = unoptimised",
    ([steps, outputs], capabilities) => {
      const graph = graphOf(steps, outputs);
      const exact = run(optimize(graph, gpu, 2, 0).program);
      const { program } = optimize(graph, capabilities, 2);
      if (capabilities === loopsOnly) expect(program.kernels.every((k) => k.kind === "loop")).toBe(true);
      const fused = run(program);
      for (const [name, values] of exact) expect(relativeError(values, fused.get(name) as Float64Array)).toBeLessThan(1e-11);
    },
  );

  test.prop([graphs], { numRuns: 15, seed: 7 })("every address of the optimised program is inside its value", ([steps, outputs]) => {
    const { program } = optimize(graphOf(steps, outputs), gpu, 1);
    const strict = run(program, { mode: "strict" });
    for (const [name, values] of run(program)) expect(relativeError(values, strict.get(name) as Float64Array)).toBeLessThan(1e-12);
  });
});
