/** Which gates are recognised (kernels.md section 4.3), and that each recognised one computes what its layers say. */
import { describe, expect, test } from "vitest";
import type { Attrs, Graph, Value } from "../../compiler/ir/graph.ts";
import { buildNet, excitation, type GateOptions, type NetBuilder, se } from "./nets.ts";
import { gpu, type Optimized, optimize } from "./optimize.ts";
import { relativeError, run, weightValues } from "./run.ts";

const C = 12;

/** conv 3x3 -> relu -> scaled by `gate` -> conv 1x1. */
function gated(scale: (net: NetBuilder, u: Value) => Value): Graph {
  const net = buildNet();
  const image = net.input("image", "N", 3, 7, 5);
  const u = net.op("relu", net.op("conv", image, { out: C, kernel: 3, bias: true }));
  return net.finish(net.op("conv", scale(net, u), { out: 6, kernel: 1, bias: true }));
}

function same(graph: Graph, batch = 2): Optimized {
  const optimized = optimize(graph, gpu, batch);
  const fused = run(optimized.program);
  for (const [name, values] of run(optimize(graph, gpu, batch, 0).program))
    expect(relativeError(values, fused.get(name) as Float64Array)).toBeLessThan(1e-12);
  return optimized;
}

const kindsOf = ({ program }: Optimized): string[] => program.kernels.map((k) => k.kind);
const dense = ({ op }: NetBuilder, x: Value, out: number, bias = true): Value => op("conv", x, { out, kernel: 1, bias });

describe("one excite kernel", () => {
  const variants: readonly (readonly [string, Partial<GateOptions>])[] = [
    ["with biases", {}],
    ["without biases", { bias: false }],
    ["gate as first operand", { swapped: true }],
    ["linear layers between flatten and reshape", { linear: true }],
    ["hard sigmoid of slope 1/6", { gate: "hsigmoid6" }],
    ["hard sigmoid of slope 1/5", { gate: "hsigmoid5" }],
    ["relu gate", { gate: "relu" }],
    ["silu inside", { act: "silu" }],
    ["wide hidden layer", { hidden: 40 }],
  ];
  test.each(variants)("%s", (_name, options) => {
    const optimized = same(gated((net, u) => se(net, u, { hidden: 3, ...options })));
    expect(kindsOf(optimized)).toEqual(["contract", "excite", "contract"]);
    expect(optimized.remarks).toEqual([]);
  });

  test("hard sigmoid written as plus, relu6, times", () => {
    const graph = gated((net, u) => {
      const g = dense(net, net.op("relu", dense(net, net.op("gap", u), 3)), C);
      return net.op("mul", [u, net.op("times", net.op("relu6", net.op("plus", g, { k: 3 })), { k: 1 / 6 })]);
    });
    expect(kindsOf(same(graph))).toEqual(["contract", "excite", "contract"]);
  });

  test("one dense layer (ese)", () => {
    const graph = gated((net, u) => net.op("mul", [u, net.op("hsigmoid6", dense(net, net.op("gap", u), C))]));
    expect(kindsOf(same(graph))).toEqual(["contract", "excite", "contract"]);
  });

  test.each(["zeros", "circular"])("a convolution over the channels (eca, %s)", (pad_mode) => {
    const graph = gated((net, u) => net.op("mul", [u, net.op("sigmoid", net.op("chanconv", net.op("gap", u), { kernel: 3, pad_mode }))]));
    expect(kindsOf(same(graph))).toEqual(["contract", "excite", "contract"]);
  });

  test("channel gate inside scse: the sum scales in one pass with the spatial gate", () => {
    const graph = gated((net, u) => {
      const spatial = net.op("sigmoid", net.op("conv", u, { out: 1, kernel: 1, bias: true }));
      return net.op("add", [se(net, u, { hidden: 3 }), net.op("mul", [u, spatial])]);
    });
    expect(kindsOf(same(graph)).filter((k) => k === "excite").length).toBe(1);
  });

  test("two gates on one value share its sums", () => {
    const net = buildNet();
    const u = net.op("relu", net.op("conv", net.input("image", "N", 3, 7, 5), { out: C, kernel: 3, bias: true }));
    const a = net.op("conv", se(net, u, { hidden: 3 }, "a"), { out: 6, kernel: 1 });
    const b = net.op("conv", se(net, u, { hidden: 5 }, "b"), { out: 6, kernel: 3 });
    expect(kindsOf(same(net.finish(a, b)))).toEqual(["contract", "excite", "contract", "excite", "contract"]);
  });

  test("the factor moves past maxpool and leaky relu into the next contraction", () => {
    const graph = gated((net, u) => net.op("maxpool", net.op("leaky_relu", se(net, u, { hidden: 3 })), { kernel: 3, stride: 2, pad: 1 }));
    expect(kindsOf(same(graph))).toEqual(["contract", "excite", "loop", "contract"]);
  });

  test("past gap and flatten into a linear layer", () => {
    const net = buildNet();
    const u = net.op("conv", net.input("image", "N", 3, 7, 5), { out: C, kernel: 3, bias: true });
    const x = net.op("flatten", net.op("gap", se(net, u, { hidden: 3 })));
    expect(kindsOf(same(net.finish(net.op("linear", x, { out: 4 }))))).toEqual(["contract", "excite", "loop", "contract"]);
  });

  test("into the accumulator of a depthwise convolution, before its bias", () => {
    const graph = gated((net, u) => net.op("conv", se(net, u, { hidden: 3 }), { out: C, kernel: 3, groups: C, bias: true }));
    expect(kindsOf(same(graph))).toEqual(["contract", "excite", "depthwise", "contract"]);
  });
});

describe("a pass of its own", () => {
  test("before a grouped 3x3, with the reason", () => {
    const optimized = same(gated((net, u) => net.op("conv", se(net, u, { hidden: 3 }), { out: C, kernel: 3, groups: 3 })));
    expect(kindsOf(optimized)).toEqual(["contract", "excite", "loop", "contract", "contract"]);
    expect(optimized.remarks.map((r) => r.text).join()).toContain("has 3 groups");
  });

  test("when the scaled value is an output of the net", () => {
    const net = buildNet();
    const u = net.op("conv", net.input("image", "N", 3, 7, 5), { out: C, kernel: 3, bias: true });
    expect(kindsOf(same(net.finish(se(net, u, { hidden: 3 }))))).toEqual(["contract", "excite", "loop"]);
  });

  test("when the unscaled value is read too, the squeeze stays fused", () => {
    const net = buildNet();
    const u = net.op("conv", net.input("image", "N", 3, 7, 5), { out: C, kernel: 1, bias: true });
    const y = net.op("hswish", se(net, u, { hidden: 3 }));
    const optimized = same(net.finish(net.op("conv", y, { out: 4, kernel: 1 }), net.op("conv", u, { out: 4, kernel: 3 })));
    expect(kindsOf(optimized)).toEqual(["contract", "excite", "loop", "contract", "contract"]);
  });
});

describe("what does not commute keeps its scale before it", () => {
  test.each([
    ["sqrt", {}],
    ["tanh", {}],
    ["relu6", {}],
    ["hswish", {}],
    ["elu", {}],
    ["square", {}],
    ["plus", { k: 1 }],
    ["clip", { min: -1, max: 0.5 }],
  ] as const)("%s", (op, attrs) => {
    const optimized = same(gated((net, u) => net.op(op, se(net, u, { hidden: 3 }), attrs)));
    expect(kindsOf(optimized)).toEqual(["contract", "excite", "loop", "contract"]);
  });

  test.each(["abs", "relu", "leaky_relu"])("%s commutes", (op) => {
    expect(kindsOf(same(gated((net, u) => net.op(op, se(net, u, { hidden: 3 })))))).toEqual(["contract", "excite", "contract"]);
  });
});

describe("hoisting needs a plain 1x1 convolution", () => {
  /** conv 3x3 -> relu -> `attrs` -> gate -> hswish (so that the scale cannot sink). */
  const hoist = (attrs: Attrs): Graph => {
    const net = buildNet();
    const v = net.op("relu", net.op("conv", net.input("image", "N", 3, 7, 5), { out: 6, kernel: 3, bias: true }));
    const u = net.op("conv", v, { out: C, ...attrs });
    return net.finish(net.op("conv", net.op("hswish", se(net, u, { hidden: 3, bias: attrs.bias === true })), { out: 2, kernel: 1 }));
  };
  test.each([[{ kernel: 1, bias: true }], [{ kernel: 1 }]])("hoisted: %j", (attrs) => {
    const optimized = same(hoist(attrs));
    expect(kindsOf(optimized)).toEqual(["contract", "excite", "contract", "contract"]);
    const recipes = optimized.program.weights.flatMap((w) => (w.init.kind === "derived" ? [w.init.recipe] : []));
    expect(recipes).toEqual("bias" in attrs ? ["matmul", "matvec-add"] : ["matmul"]);
  });
  test.each([[{ kernel: 1, pad: 1 }], [{ kernel: 1, stride: 2 }], [{ kernel: 1, groups: 2 }], [{ kernel: 3 }]])(
    "not hoisted: %j",
    (attrs) => {
      expect(kindsOf(same(hoist(attrs)))).toEqual(["contract", "contract", "excite", "loop", "contract"]);
    },
  );
});

describe("near misses are remarks", () => {
  const misses: readonly (readonly [string, string, (net: NetBuilder, u: Value) => Value])[] = [
    ["tanh gate", "`tanh` gate can be negative", (net, u) => excitation(net, u, { hidden: 3, gate: "tanh" })],
    ["no activation", "without activation can be negative", (net, u) => dense(net, net.op("relu", dense(net, net.op("gap", u), 3)), C)],
    ["softmax", "`softmax` is not part of an excitation", (net, u) => net.op("softmax", dense(net, net.op("gap", u), C))],
    ["no dense layer", "no dense layer", (net, u) => net.op("sigmoid", net.op("gap", u))],
    [
      "two branches",
      "`add` joins several values",
      (net, u) => net.op("sigmoid", net.op("add", [dense(net, net.op("gap", u), C), dense(net, net.op("gmp", u), C)])),
    ],
    ["maximum instead of mean", "`gmp` is not part", (net, u) => net.op("sigmoid", dense(net, net.op("gmp", u), C))],
  ];
  test.each(misses)("%s", (_name, reason, factors) => {
    const optimized = same(gated((net, u) => net.op("mul", [u, factors(net, u)])));
    expect(kindsOf(optimized)).not.toContain("excite");
    expect(
      optimized.remarks
        .filter((r) => r.pass === "recognize-gates")
        .map((r) => r.text)
        .join(),
    ).toContain(reason);
    expect(optimized.remarks.find((r) => r.pass === "recognize-gates")?.span).toBeDefined();
  });
});

describe("init preserve", () => {
  /** Bottlenecks with and without a gate that is exactly 1/2, whose conv3 is doubled. */
  const bottleneck = (gate: boolean): Graph => {
    const net = buildNet();
    let x = net.op("relu", net.op("conv", net.input("image", "N", 3, 7, 5), { out: C, kernel: 3, bias: true }, "stem"));
    const y = net.op("relu", net.op("conv", x, { out: 5, kernel: 3, bias: true }, "conv2"));
    let u = net.op("conv", y, { out: C, kernel: 1, bias: true }, "conv3");
    if (gate) u = se(net, u, { hidden: 3 });
    x = net.op("relu", net.op("add", [u, x]));
    return net.finish(net.op("conv", x, { out: 4, kernel: 1 }, "last"));
  };

  test.each(["f64", "f32"] as const)("a zeroed gate and a doubled producer change no bit (%s)", (mode) => {
    const plain = optimize(bottleneck(false)).program;
    const gate = optimize(bottleneck(true)).program;
    expect(gate.kernels.length).toBe(plain.kernels.length + 1);
    const weights = new Map<string, Float64Array>([
      ["se.fc2.weight", new Float64Array(C * 3)],
      ["se.fc2.bias", new Float64Array(C)],
    ]);
    for (const w of plain.weights)
      if (w.path.startsWith("conv3"))
        weights.set(
          w.path,
          weightValues(w).map((v) => 2 * v),
        );
    const before = run(plain, { mode }).get("out") as Float64Array;
    const after = run(gate, { mode, weights }).get("out") as Float64Array;
    expect([...after]).toEqual([...before]);
  });
});
