/** Every place an SE block can stand (kernels.md section 4.1): extra kernels, and the fused program is the unfused one's function (4.4). */
import { describe, expect, test } from "vitest";
import type { Graph, Value } from "../../compiler/ir/graph.ts";
import { buildNet, type GateOptions, type NetBuilder, se } from "./nets.ts";
import { cpu, gpu, optimize } from "./optimize.ts";
import { relativeError, run } from "./run.ts";

interface Shape {
  readonly c: number;
  readonly h: number;
  readonly w: number;
}

interface Placement {
  readonly name: string;
  /** Kernels beyond those of the same net without its gates. */
  readonly extra: number;
  /** The same under an activation that does not commute with a factor: the scale takes a pass. */
  readonly extraHswish?: number;
  /** `gate` scales the value where the placement has its SE block, or returns it as it is. */
  readonly build: (net: NetBuilder, x: Value, act: string, gate: (v: Value) => Value) => Value;
}

const conv = (net: NetBuilder, x: Value, out: number, kernel: number, groups = 1): Value =>
  net.op("conv", x, { out, kernel, groups, bias: true });
const activate = (net: NetBuilder, act: string, x: Value): Value => (act === "none" ? x : net.op(act, x));
const channels = (v: Value): number => v.type.shape[1] as number;

/** A block's input is the output of a convolution with an activation, as in a net. */
const before = (net: NetBuilder, x: Value, act: string): Value => activate(net, act, conv(net, x, channels(x), 1));
const after = (net: NetBuilder, x: Value): Value => conv(net, x, 8, 1);

const placements: readonly Placement[] = [
  {
    name: "bottleneck, after the last 1x1",
    extra: 1,
    build(net, x, act, gate) {
      const y = activate(net, act, conv(net, activate(net, act, conv(net, x, 4, 1)), 4, 3));
      return activate(net, act, net.op("add", [gate(conv(net, y, channels(x), 1)), x]));
    },
  },
  {
    name: "basic block, after the last 3x3",
    extra: 2,
    build: (net, x, act, gate) => {
      const y = activate(net, act, conv(net, x, channels(x), 3));
      return activate(net, act, net.op("add", [gate(conv(net, y, channels(x), 3)), x]));
    },
  },
  {
    name: "MobileNetV3, after the depthwise convolution",
    extra: 1,
    build: (net, x, act, gate) => {
      const y = activate(net, act, conv(net, x, channels(x), 3, channels(x)));
      return net.op("add", [conv(net, gate(y), channels(x), 1), x]);
    },
  },
  {
    name: "SE_3x3, before the activation",
    extra: 1,
    extraHswish: 2,
    build: (net, x, act, gate) => {
      const y = conv(net, activate(net, act, conv(net, x, 4, 1)), channels(x), 3);
      return net.op("add", [conv(net, activate(net, act, gate(y)), channels(x), 1), x]);
    },
  },
  {
    name: "SE-PRE, before the block",
    extra: 1,
    build: (net, x, act, gate) => {
      const y = activate(net, act, conv(net, gate(x), 4, 1));
      return activate(net, act, net.op("add", [conv(net, y, channels(x), 3), x]));
    },
  },
  {
    name: "SE-Identity, on the shortcut",
    extra: 1,
    build: (net, x, act, gate) => {
      const y = activate(net, act, conv(net, x, 4, 1));
      return activate(net, act, net.op("add", [conv(net, y, channels(x), 3), gate(x)]));
    },
  },
  {
    name: "SE-POST, after sum and activation",
    extra: 1,
    build: (net, x, act, gate) => {
      const first = activate(net, act, net.op("add", [conv(net, activate(net, act, conv(net, x, 4, 1)), channels(x), 3), x]));
      const y = gate(first);
      return activate(net, act, net.op("add", [conv(net, conv(net, y, 4, 1), channels(x), 3), y]));
    },
  },
];

function graphOf(p: Placement, act: string, { c, h, w }: Shape, options?: GateOptions): Graph {
  const net = buildNet();
  const x = before(net, net.input("image", "N", c, h, w), act);
  const y = p.build(net, x, act, options ? (v) => se(net, v, options) : (v) => v);
  return net.finish(after(net, y));
}

const shapes: readonly Shape[] = [8, 12, 20, 72].flatMap((c) => [
  { c, h: 1, w: 1 },
  { c, h: 7, w: 7 },
  { c, h: 9, w: 5 },
]);

describe.each(placements)("$name", (placement) => {
  test("in f32 within 1e-5 of the largest output (kernels.md section 1), fused as unfused", () => {
    // the interpreter that rounds to f32 is slow: a small map
    const graph = graphOf(placement, "relu", { c: 8, h: 5, w: 4 }, { hidden: 3 });
    const unfused = optimize(graph, gpu, 1, 0).program;
    const exact = run(unfused).get("out") as Float64Array;
    for (const program of [unfused, optimize(graph, gpu, 1).program])
      expect(relativeError(exact, run(program, { mode: "f32" }).get("out") as Float64Array)).toBeLessThan(1e-5);
  });

  /** Kernels of the net without its gates; images of a batch share them. */
  const plainKernels = new Map<string, number>();
  const plainCount = (act: string, shape: Shape): number => {
    const key = JSON.stringify({ act, shape });
    const count = plainKernels.get(key) ?? optimize(graphOf(placement, act, shape)).program.kernels.length;
    plainKernels.set(key, count);
    return count;
  };

  for (const act of ["relu", "hswish", "none"])
    for (const batch of [1, 3])
      test(`${act}, batch ${batch}`, () => {
        const extra = (act === "hswish" && placement.extraHswish) || placement.extra;
        for (const shape of shapes) {
          // what takes most of the time and differs in nothing but size: maps of 72 channels, more than one map per image of a batch
          if (shape.c === 72 && shape.h > 1 && (act !== "relu" || batch > 1 || shape.h === 7)) continue;
          if (batch > 1 && shape.h === 7) continue;
          const options = { hidden: Math.max(2, shape.c / 4) };
          const graph = graphOf(placement, act, shape, options);
          const plain = plainCount(act, shape);
          const exact = run(optimize(graph, gpu, batch, 0).program);
          for (const capabilities of shape.c === 12 ? [gpu, cpu] : [gpu]) {
            const { program, remarks } = optimize(graph, capabilities, batch);
            expect(program.kernels.length - plain, JSON.stringify({ shape, remarks })).toBe(extra);
            const fused = run(program);
            for (const [name, values] of exact) expect(relativeError(values, fused.get(name) as Float64Array)).toBeLessThan(1e-12);
          }
        }
      });
});
