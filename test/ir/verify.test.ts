import { expect, test } from "vitest";
import type { Graph, Node } from "../../compiler/ir/graph.ts";
import { hashGraph } from "../../compiler/ir/hash.ts";
import { parseGraph } from "../../compiler/ir/parse.ts";
import { parseProgram } from "../../compiler/ir/parse-program.ts";
import { faultText, verifyGraph } from "../../compiler/ir/verify.ts";
import { type MemoryRules, verifyProgram } from "../../compiler/ir/verify-program.ts";
import { opRules } from "../../compiler/ops/rules.ts";

const text = `graph g
  input x = %0 : f32[N, 4, 3, 3]
  %1 = conv(%0, weight=@conv.weight) {out=2, kernel=1} : f32[N, 2, 3, 3]  # conv
  %2 = relu(%1) : f32[N, 2, 3, 3]  # relu
  output y = %2
  tensor @conv.weight : f32[2, 4, 1, 1] = uniform(0.5)
  tensor @half : f32[2] = constant() {value=0.5}
  tensor @less : f32[2] = sum(@half, @half)`;
const graph = parseGraph(text, opRules);
const [conv, relu] = graph.nodes as [Node, Node];
const faults = (g: Graph): string[] => verifyGraph(g, opRules).map(faultText);

test("a legal graph has no faults", () => {
  expect(faults(graph)).toEqual([]);
});

test("every rule of a graph is checked", () => {
  expect(faults({ ...graph, nodes: [relu, conv] })).toContain("relu: input 0 (%1, conv) is not defined before it");
  expect(faults({ ...graph, nodes: [conv, { ...relu, output: conv.output }] })).toContain("relu: value %1 is defined twice");
  expect(faults({ ...graph, nodes: [conv, { ...relu, output: { ...relu.output, id: 1 } }] })).toContain(
    "relu: id 1 belongs to conv already",
  );
  expect(faults({ ...graph, nodes: [conv, { ...relu, path: "conv" }] })).toContain("conv: two nodes have this path");
  expect(faults({ ...graph, nodes: [{ ...conv, op: "cov" }, relu] })).toEqual(["conv: no op cov"]);
  expect(faults({ ...graph, nodes: [{ ...conv, attrs: { ...conv.attrs, out: 3 } }, relu] })).toEqual([
    "conv: the type is f32[N, 2, 3, 3], conv gives f32[N, 3, 3, 3]",
    "conv: the tensor weight is f32[2, 4, 1, 1], conv wants f32[3, 4, 1, 1]",
  ]);
  expect(faults({ ...graph, nodes: [{ ...conv, attrs: { ...conv.attrs, groups: 3 } }, relu] })[0]).toMatch(
    /^conv: conv does not accept its inputs: /,
  );
  expect(faults({ ...graph, nodes: [{ ...conv, weights: {} }, relu] })).toEqual(["conv: the tensor weight is missing"]);
  expect(faults({ ...graph, weights: [] })).toEqual(["conv: the tensor weight (%3) is not one of the graph's"]);
  expect(faults({ ...graph, nodes: [conv, { ...relu, weights: { w: graph.weights[0]!.value } }] })).toEqual(["relu: relu has no tensor w"]);
  expect(faults({ ...graph, outputs: [] })).toEqual(["graph: no output"]);
  expect(faults({ ...graph, nodes: [conv] })).toEqual(["graph: output y (%2) is not defined"]);
  expect(faults({ ...graph, outputs: [...graph.outputs, graph.outputs[0]!] })).toEqual(["graph: two outputs called y"]);
  const [weight, half, less] = graph.weights as [Graph["weights"][0], Graph["weights"][0], Graph["weights"][0]];
  expect(faults({ ...graph, weights: [weight, less, half] })).toContain("less: derived from half, which is not a tensor before it");
  expect(faults({ ...graph, weights: [{ ...weight, preserve: { factor: 3, group: 0 } }, half, less] })).toEqual([
    "conv.weight: preserve factor 3 is no power of two",
  ]);
});

const programText = `program p
  input x = %0
  contract conv
    buffers %0, @conv.weight, out %1
    window [4, 3, 3] to [2, 3, 3], kernel [1, 1], stride [1, 1], dilation [1, 1], pad [0, 0, 0, 0], groups 1, batch 1
    acc = %0 conv @conv.weight
    %1 = max(acc, 0.0)
  loop pool
    buffers %1, out %2
    for n < 1, c < 2, y < 2, x < 2
      acc = max from lowest over kh < 2, kw < 2 of
        1 <= y + kh && y + kh - 1 < 3 ? %1[n, c, y + kh - 1, x + kw] : lowest
      %2[n, c, y, x] = acc * 2.0
  output y = %2
  value %0 : f32[1, 4, 3, 3] x, nchw channels 4 halo 0, arena 0 at 0 bytes 256 live 0..0
  value %1 : f32[1, 2, 3, 3] conv, nchw channels 2 halo 0, arena 1 at 0 bytes 256 live 0..1
  value %2 : f32[1, 2, 2, 2] pool, nchw channels 2 halo 0, arena 0 at 0 bytes 256 live 1..1
  memory arenas [256, 256], lower bound 512
  tensor @conv.weight : f32[2, 4, 1, 1] = uniform(0.5)`;
const rules: MemoryRules = { alignment: 256, arenas: "colored" };
const broken = (from: string, to: string): string[] => {
  expect(programText).toContain(from);
  return verifyProgram(parseProgram(programText.replace(from, to)), rules).map(faultText);
};

test("a legal program has no faults", () => {
  expect(verifyProgram(parseProgram(programText), rules)).toEqual([]);
});

test("every rule of kernels is checked", () => {
  expect(broken("1 <= y + kh && ", "")).toEqual(["pool: loads %1 [1, 2, 3, 3] at -1 on axis 2 (n=0 c=0 y=0 x=0 kh=0 kw=0)"]);
  expect(broken("x + kw]", "x]")).toEqual([]);
  expect(broken("x + kw]", "q]")).toEqual(["pool: no axis q"]);
  expect(broken("y + kh - 1, x + kw]", "x + kw]")).toEqual(["pool: loads %1 [1, 2, 3, 3] with 3 coordinates"]);
  expect(broken("kw] : lowest", "kw] : acc")).toEqual(["pool: acc outside an epilogue"]);
  expect(broken("acc * 2.0", "acc * %2[n, c, y, x]")).toEqual(["pool: loads from %2, which it writes"]);
  expect(broken("%2[n, c, y, x] = acc", "%2[n, c, y, x + 1] = acc")).toEqual([
    "pool: stores %2 [1, 2, 2, 2] at 2 on axis 3 (n=0 c=0 y=0 x=1)",
  ]);
  expect(broken("for n < 1, c < 2, y < 2, x < 2", "for n < 1, c < 2, y < 2, x < 1")).toEqual([
    "pool: 4 elements of %2 are stored, it has 8",
  ]);
  expect(broken("buffers %1, out %2", "buffers %1, %2")).toEqual([
    "pool: buffer 1 (%2, pool) is read before any kernel writes it",
    "pool: output (%2) is bound for reading",
    "program: output y (%2) is never written",
  ]);
  expect(broken("to [2, 3, 3]", "to [2, 3, 4]")).toEqual(["conv: output has 18 elements, the window says 24"]);
  expect(broken("%1 = max(acc, 0.0)", "%1 from channel 1 = max(acc, 0.0)")).toEqual([
    "conv: channels 1 to 3 of 3x3 are no part of the output",
  ]);
  expect(broken("to [2, 3, 3]", "to [1, 3, 3]").slice(0, 1)).toEqual(["conv: output has 18 elements, the window says 9"]);
  expect(broken("[4, 3, 3] to", "[2, 3, 3] to")).toEqual([
    "conv: input has 36 elements, the window says 18",
    "conv: weight has 8 elements, the window says 4",
  ]);
  expect(broken("conv, nchw channels 2 halo 0, arena 1", "conv, arena 1")).toEqual([
    "conv: buffer 2 (%1, conv) has no storage",
    "pool: buffer 0 (%1, conv) has no storage",
  ]);
});

test("every rule of memory is checked", () => {
  const pool = "arena 0 at 0 bytes 256 live 1..1";
  expect(broken(pool, "arena 0 at 4 bytes 252 live 1..1")).toEqual(["pool: %2 lies at 4, which is not a multiple of 256"]);
  expect(broken(pool, "arena 0 at 0 bytes 28 live 1..1")).toEqual(["pool: %2 has 28 bytes and needs 32"]);
  expect(broken(pool, "arena 0 at 256 bytes 256 live 1..1")).toEqual(["pool: %2 lies outside arena 0"]);
  expect(broken(pool, "arena 1 at 0 bytes 256 live 1..1")).toEqual([
    "conv: %1 and %2 (pool) overlap",
    "pool: reads and writes arena 1 in one dispatch",
  ]);
  expect(broken(pool, "arena 0 at 0 bytes 256 live 0..1")).toEqual(["x: %0 and %2 (pool) overlap"]);
  expect(broken(pool, "arena 0 at 0 bytes 256 live 2..2")).toEqual(["pool: %2 is used by kernel 1 and lives 2..2"]);
  const two = programText.replace(pool, "arena 1 at 256 bytes 256 live 1..1").replace("[256, 256]", "[256, 512]");
  const faultsWith = (mixed: string, text = two): string[] =>
    verifyProgram(parseProgram(text.replace("bound 512", `bound 512${mixed}`)), rules).map(faultText);
  expect(faultsWith("")).toEqual(["pool: reads and writes arena 1 in one dispatch"]);
  expect(faultsWith(", mixed kernels [0]")).toEqual(["pool: reads and writes arena 1 in one dispatch"]);
  expect(faultsWith(", mixed kernels [1]")).toEqual([]);
  expect(faultsWith(", mixed kernels [1]", two.replace("buffers %1, out %2", "buffers %1, out %2, %1"))).toEqual([
    "pool: is mixed and binds a value twice",
  ]);
  expect(broken(`, ${pool}`, "")).toEqual(["pool: %2 has no place"]);
  const halo = parseProgram(programText.replace("conv, nchw channels 2 halo 0", "conv, nhwc channels 4 halo 1"));
  expect(verifyProgram(halo, rules).map(faultText)).toEqual(["conv: %1 has 256 bytes and needs 400"]);
});

test("the hash sees structure, not value numbers", () => {
  const renumbered = text.replaceAll("%1", "%11").replaceAll("%2", "%22");
  expect(hashGraph(parseGraph(renumbered, opRules))).toBe(hashGraph(graph));
  expect(hashGraph(graph)).toMatch(/^[0-9a-f]{32}$/);
  for (const [from, to] of [
    ["relu(", "tanh("],
    ["conv(%0", "conv(%0"],
    ["uniform(0.5)", "uniform(0.25)"],
    ["# relu", "# act"],
    ["output y", "output z"],
  ] as const)
    expect(hashGraph(parseGraph(text.replace(from, to), opRules)) === hashGraph(graph)).toBe(from === to);
});

test("malformed text is refused with its line", () => {
  const at = (from: string, to: string): string => {
    try {
      parseGraph(text.replace(from, to), opRules);
    } catch (error) {
      return (error as Error).message.split("\n")[0]!;
    }
    return "";
  };
  expect(at("relu(%1)", "relu(%7)")).toBe("IR text, line 4, column 15: expected a value that is defined before");
  expect(at("@conv.weight)", "@conv.wait)")).toMatch(/line 3, .*expected a tensor that is listed/);
  expect(at("f32[N, 2, 3, 3]  # relu", "f33[N]  # relu")).toMatch(/line 4, .*expected a dtype/);
  expect(at("%2 = relu", "%1 = relu")).toMatch(/line 4, .*a new value, %1 is there already/);
  expect(at("graph g", "")).toBe("IR text: no line `graph NAME`");
});
