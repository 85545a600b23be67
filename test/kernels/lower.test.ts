/** Lowering itself: batch, provenance, names, what is left out. */
import { describe, expect, test } from "vitest";
import { buildNet, resnet50, se } from "./nets.ts";
import { cpu, gpu, optimize } from "./optimize.ts";

describe("lowerGraph", () => {
  test("binds the batch size everywhere", () => {
    const { program } = optimize(resnet50(true, 64), gpu, 3);
    const shapes = [...program.storage.keys()].map((v) => v.type.shape);
    expect(shapes.every((s) => s[0] === 3 && s.every((d) => typeof d === "number"))).toBe(true);
    expect(program.inputs[0]?.value.type.shape).toEqual([3, 3, 64, 64]);
  });

  test("every kernel says which layers it computes, and together they say all", () => {
    const graph = resnet50(true, 64);
    const { program } = optimize(graph);
    const told = new Set(program.kernels.flatMap((k) => k.from.map((n) => n.path)));
    expect(program.kernels.every((k) => k.from.length > 0)).toBe(true);
    expect(graph.nodes.map((n) => n.path).filter((path) => !told.has(path))).toEqual([]);
  });

  test("leaves out what no output needs", () => {
    const net = buildNet();
    const x = net.input("image", "N", 4, 5, 5);
    net.op("sigmoid", net.op("conv", x, { out: 4, kernel: 3 }));
    const { program } = optimize(net.finish(net.op("relu", x)), cpu, 1, 0);
    expect(program.kernels.map((k) => k.name)).toEqual(["relu0"]);
    expect(program.weights).toEqual([]);
  });

  test("a net whose output is its input has no kernel and one place", () => {
    const net = buildNet();
    const { program } = optimize(net.finish(net.input("image", 1, 4, 5, 5)));
    expect(program.kernels).toEqual([]);
    expect([...program.memory.places.values()]).toEqual([{ arena: 0, offset: 0, bytes: 400, live: [0, 0] }]);
  });

  test("weights are those the kernels read, once, in order of first use", () => {
    const net = buildNet();
    const u = net.op("relu", net.op("conv", net.input("image", "N", 4, 5, 5), { out: 8, kernel: 3, bias: true }, "stem"));
    const { program } = optimize(net.finish(net.op("conv", se(net, u, { hidden: 2 }), { out: 3, kernel: 1 }, "last")));
    expect(program.weights.map((w) => w.path)).toEqual([
      "stem.weight",
      "stem.bias",
      "se.fc1.weight",
      "se.fc1.bias",
      "se.fc2.weight",
      "se.fc2.bias",
      "last.weight",
    ]);
  });

  test("the same graph gives the same program", () => {
    const text = (): string =>
      JSON.stringify(optimize(resnet50(true, 64)).program.kernels.map((k) => [k.name, k.buffers.map((b) => b.value.id)]));
    expect(text()).toBe(text());
  });
});
