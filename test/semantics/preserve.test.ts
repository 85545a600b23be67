/** `init preserve` (language.md section 10): every accepted and refused row, and that accepted means bit-identical. */
import { describe, expect, it } from "vitest";
import { Diagnostics } from "../../compiler/diagnostics/diagnostic.ts";
import type { Weight } from "../../compiler/ir/graph.ts";
import { opOf } from "../../compiler/ops/index.ts";
import type { Tensor } from "../../compiler/ops/op.ts";
import { buildGraph } from "../../compiler/semantics/build-graph.ts";
import { type NetTree, pathOf } from "../../compiler/semantics/tree.ts";
import { evaluateTree } from "../../compiler/semantics/tree-values.ts";
import { codes, expand, sample, treeOf } from "./expanded.ts";

/** Two residual units, the first with a projection, and a head: small, and every place of a ResNet is there. */
const BASE = `se 1
block unit(width) {
  residual {
    main {
      conv1: conv(width, 1)  bn1: bn  relu
      conv2: conv(width, 3)  bn2: bn  relu
      conv3: conv(width, 1)  bn3: bn
    }
    shortcut { if in.c != width { downsample: { conv(width, 1)  bn } } }
  }
  relu
}
net base {
  input x: f32[N, 8, 6, 6]
  u: unit(16)
  v: unit(16)
  stem: conv(16, 3, bias=true)  norm: bn  act: relu  next: conv(16, 1)
  a: hswish  b: conv(16, 1)  c: silu  d: conv(16, 1)  e: relu6  f: conv(16, 1)
  gap  flatten
  fc: linear(5)
  output y
}
`;
const derived = (edits: string, base = BASE): string => `${base}net n from base {\n${edits}\n}`;

// ---- the net on numbers, f32 after every layer -------------------------------------------------------------------------

function random(seed: string): () => number {
  let h = 2166136261;
  for (const c of seed) h = Math.imul(h ^ c.charCodeAt(0), 16777619);
  return () => {
    h = (Math.imul(h, 1664525) + 1013904223) | 0;
    return (h >>> 0) / 2 ** 32;
  };
}

const fround = (t: Tensor): Tensor => ({ shape: t.shape, data: t.data.map(Math.fround) });

/** A tensor of the file the net before the insertion had: by name only, so that both nets get the same. */
function trained(path: string, shape: readonly number[]): Tensor {
  const next = random(path);
  const n = shape.reduce((a, b) => a * b, 1);
  const low = path.endsWith("running_var") ? 0.5 : -1;
  return fround({ shape, data: Float64Array.from({ length: n }, () => low + next() * (low < 0 ? 2 : 1)) });
}

/** Weights as loading makes them from a file of the net before the edit (weights.md section 4, step 10). */
function weightData(weight: Weight): Tensor {
  const shape = weight.value.type.shape as number[];
  if (!weight.inserted) {
    const t = trained(weight.path, shape);
    const factor = weight.preserve?.factor ?? 1;
    return fround({ shape, data: t.data.map((v) => v * factor) });
  }
  if (weight.init.kind === "constant") {
    const { value } = weight.init;
    return { shape, data: new Float64Array(shape.reduce((a, b) => a * b, 1)).fill(value) };
  }
  return trained(weight.path, shape);
}

function run(tree: NetTree): number[][] {
  const graph = buildGraph(tree, new Diagnostics());
  if (!graph) throw new Error("no graph");
  const data = new Map(graph.weights.map((w) => [w.path, weightData(w)]));
  const outputs: number[][] = [];
  evaluateTree<Tensor>(tree.root, {
    input: (item) => trained(item.name, [2, ...(item.type?.shape.slice(1) ?? [])] as number[]),
    layer(node, input) {
      const op = opOf(node.op);
      const type = { dtype: "f32" as const, shape: input.shape };
      const own = Object.keys(op.weights?.([type], node.args as never) ?? {});
      const weights = Object.fromEntries(own.map((name) => [name, data.get(`${pathOf(node)}.${name}`) as Tensor]));
      return fround(op.reference([input], weights, node.args as never));
    },
    merge(node, branches, _use, arriving) {
      const inputs = node.word === "residual" && branches.length === 1 ? [...branches, arriving] : branches;
      return fround(opOf(node.word === "residual" ? "add" : node.word).reference(inputs, {}, node.args as never));
    },
    unknown: () => {
      throw new Error("no value");
    },
    output(item, value) {
      if (tree.root.items.includes(item)) outputs.push([...value.data]);
    },
  });
  return outputs;
}

/** Factors by tensor. */
function factors(tree: NetTree): Record<string, number> {
  const graph = buildGraph(tree, new Diagnostics());
  return Object.fromEntries((graph?.weights ?? []).flatMap((w) => (w.preserve ? [[w.path, w.preserve.factor]] : [])));
}

function zeroed(tree: NetTree): string[] {
  const graph = buildGraph(tree, new Diagnostics());
  return (graph?.weights ?? [])
    .filter((w) => w.inserted && w.trainable && w.init.kind === "constant" && w.init.value === 0)
    .map((w) => w.path);
}

const baseOutputs = new Map<string, number[][]>();

function expectIdentical(edits: string, base = BASE): NetTree {
  const tree = treeOf(derived(edits, base), "n");
  const before = baseOutputs.get(base) ?? run(treeOf(base, "base"));
  baseOutputs.set(base, before);
  expect(run(tree)).toEqual(before);
  return tree;
}

const BN3 = { "u.bn3.weight": 2, "u.bn3.bias": 2, "v.bn3.weight": 2, "v.bn3.bias": 2 };

describe("step 1: what a block does to its input", () => {
  it.each([
    ["se(reduction=8)", 2],
    ["se(reduction=8, bias=true)", 2],
    ['se(reduction=8, gate="hsigmoid6")', 2],
    ['se(reduction=8, gate="hsigmoid5")', 2],
    ['se(reduction=8, act="silu")', 2],
    ["ese", 2],
    ["eca", 2],
    ["sse", 2],
    ["gc(reduction=8)", 2],
    ["cbam(reduction=8)", 4],
    ["coord(reduction=8)", 4],
    ["scse(reduction=8)", 1],
    ["gct", 1],
    ["adapter", 1],
    ["conv_adapter", 1],
    ["identity", 1],
    ["dropout", 1],
    ["scaled", 1],
  ])("%s keeps the function with the factor %i", (block, factor) => {
    const blocks = `
block adapter { residual { main { c: conv(in.c, 3, bias=true)  b: bn } } }
block conv_adapter { residual { main { d: conv(8, 1)  relu  c: conv(in.c, 1, bias=true) } } }
block scaled { add { a { times(0.5) } b { times(2)  times(0.25) } } }
`;
    const tree = expectIdentical(`insert ${block} as new  after @residual.main  expect 2  init preserve`, BASE + blocks);
    expect(factors(tree)).toEqual(factor === 1 ? {} : Object.fromEntries(Object.keys(BN3).map((k) => [k, factor])));
    expect(tree.root.type).toBe("n");
  });

  it("only the last weighted layers start at zero", () => {
    expect(zeroed(expectIdentical("insert se(reduction=8) as se after u.@residual.main init preserve"))).toEqual(["u.se.fc2.weight"]);
    expect(zeroed(expectIdentical("insert cbam(reduction=8) as m after u.@residual.main init preserve"))).toEqual([
      "u.m.channel.fc2.weight",
      "u.m.spatial.conv.bn.weight",
      "u.m.spatial.conv.bn.bias",
    ]);
  });

  it.each([
    ["bam(reduction=8)", "is 1.5 times its input"],
    ["simam", "depends on the data: `gap` (u.new.scale.mean.0)"],
    ["ge", "depends on the data: `gap`"],
    ["conv(16, 1)", "is 0 whatever arrives"],
    ["relu", "depends on the data: `relu`"],
    ["times(2)", "is 2 times its input"],
    ["times(0.3)", "is 0.3 times its input"],
    ["times(-1)", "is -1 times its input"],
    ["thirds", "only up to rounding"],
    ["quarters", "only up to rounding"],
    ["reciprocals", "only up to rounding"],
    ["summed", "depends on the data"],
    ["squared", "depends on the data: `mul`"],
    ["inner", "depends on the data: `conv`"],
    ["averaged", "depends on the data"],
    ["two_weights", "depends on the data"],
    ["instance", "depends on the data: `instnorm`"],
  ])("%s is refused: %s", (block, reason) => {
    const blocks = `
block thirds { add { a { times(0.75) } b { times(0.25) } } }
block quarters { add { a { times(0.25) } b { times(0.5) } c { times(0.25) } } }
block reciprocals { mul { x {} a { c: conv(1, 1)  plus(3) } b { d: conv(1, 1)  plus(3)  recip } } }
block summed { add { a {} b { c: conv(in.c, 1)  sigmoid } } }
block squared { mul { a {} b {} } }
block inner { mul { x {} s { c: conv(in.c, 1)  p: prelu  sigmoid } } }
block averaged { mul { x {} s { c: conv(in.c, 1)  sigmoid  avgpool(3, stride=1, pad=1) } } }
block two_weights { mul { x {} s { c: conv(in.c, 1)  i: instnorm(affine=true)  sigmoid } } }
block instance { mul { x {} s { c: conv(in.c, 1)  sigmoid  instnorm } } }
`;
    const result = expand(derived(`insert ${block} as new  after u.@residual.main  init preserve`, BASE + blocks), "n");
    expect(codes(result)).toEqual(["SE404"]);
    expect(result.diagnostics[0]?.title).toContain(reason);
  });
});

describe("step 2: who takes the factor", () => {
  const SE = "se(reduction=8) as se";
  it.each([
    ["after @residual.main", BN3],
    ["at end of @residual.main", BN3],
    ["before @residual.main", { "u.conv1.weight": 2, "v.conv1.weight": 2 }],
    ["after @unit.bn2", { "u.bn2.weight": 2, "u.bn2.bias": 2, "v.bn2.weight": 2, "v.bn2.bias": 2 }],
    ["after act", { "norm.weight": 2, "norm.bias": 2 }],
    ["after stem", { "stem.weight": 2, "stem.bias": 2 }],
    ["before a", { "next.weight": 2 }],
    ["at end of u", { "u.bn3.weight": 2, "u.bn3.bias": 2, "u.downsample.1.weight": 2, "u.downsample.1.bias": 2 }],
    ["at end of v", { "stem.weight": 2 }],
    ["after u.@residual.shortcut", { "u.downsample.1.weight": 2, "u.downsample.1.bias": 2 }],
    ["after f", { "f.weight": 2 }],
    ["after @gap", { "f.weight": 2 }],
    ["after a", { "b.weight": 2 }],
    ["after c", { "d.weight": 2 }],
    ["after e", { "f.weight": 2 }],
  ] as [string, Record<string, number>][])("%s", (place, wanted) => {
    const edits = `insert ${SE}  ${place}  init preserve`;
    expect(factors(expectIdentical(edits))).toEqual(wanted);
  });

  const small = (body: string): string => `se 1
block add_up { residual { main { c: conv(in.c, 1) } } }
net base { input x: f32[N, 8, 6, 6]  ${body}  output y }
`;
  it.each([
    [
      "through a chain that commutes",
      "p: conv(8, 1)  leaky_relu  prelu  maxpool(2)  upsample(2)  dropout  abs  q: identity  relu6",
      "after q",
      "p.weight",
    ],
    [
      "through layers that move",
      "p: conv(8, 1)  pad(1)  chanshuffle(2)  slice(0, 4)  pixelshuffle(2)  q: swaphw  relu6",
      "after q",
      "p.weight",
    ],
    [
      "through add with all branches",
      "add { l { p: conv(8, 1) } r { o: conv(8, 3, bias=true) } }  q: relu  relu6",
      "after q",
      "p.weight o.weight o.bias",
    ],
    [
      "through concat with all branches",
      "concat { l { p: conv(4, 1) } r { o: conv(4, 3) } }  q: relu  relu6",
      "after q",
      "p.weight o.weight",
    ],
    ["into affine", "p: affine  q: relu  hswish", "after q", "p.weight p.bias"],
    ["into ln", "p: ln  q: relu  hswish", "after q", "p.weight p.bias"],
    ["into gn", "p: gn(2)  q: relu  hswish", "after q", "p.weight p.bias"],
    ["into deconv", "p: deconv(8, 2, bias=true)  q: relu  hswish", "after q", "p.weight p.bias"],
    ["forward into linear", "hswish  q: gap  flatten  p: linear(3)", "after q", "p.weight"],
    ["forward into deconv", "q: hswish  relu  p: deconv(4, 2)", "after q", "p.weight"],
  ])("%s", (_what, body, place, tensors) => {
    const tree = expectIdentical(`insert ese as se  ${place}  init preserve`, small(body));
    expect(factors(tree)).toEqual(Object.fromEntries(tensors.split(" ").map((t) => [t, 2])));
  });

  it.each([
    ["hswish, then nothing", "p: conv(8, 1)  q: hswish  relu6  o: conv(8, 1)", "`hswish` at q does not commute"],
    ["silu", "p: conv(8, 1)  q: silu  relu6", "`silu` at q does not commute"],
    ["relu6", "p: conv(8, 1)  q: relu6  hswish", "`relu6` at q does not commute"],
    ["a value with two readers before", "p: conv(8, 1)  residual { main { q: relu  hswish } }", "has other readers"],
    ["a norm without weights", "p: bn(affine=false)  q: relu  hswish", "has no weight that could take the factor"],
    ["instnorm", "p: instnorm(affine=true)  q: relu  hswish", "`instnorm` at p does not commute"],
    ["an add with an empty branch", "residual { main { p: conv(8, 1) } }  q: relu  hswish", "the input `x` is read 2 times"],
    ["padding with ones", "p: conv(8, 1)  q: pad(1, value=1)  hswish", "`pad` at q does not commute"],
    ["mul", "p: conv(8, 1)  mul { a { o: conv(8, 1) } b { r: conv(8, 1) } }  q: relu  hswish", "`mul` at @mul does not commute"],
    ["a shared layer", 'p: conv(8, 1)  q: relu  hswish  shared("p")', "are used more than once"],
    ["an output", "p: conv(8, 1)  output z  q: relu  hswish", "is an output of the net"],
    ["the input", "q: identity  hswish", "the input `x` has no layer before it"],
  ])("refused: %s", (_what, body, reason) => {
    const result = expand(derived("insert ese as se  after q  init preserve", small(body)), "n");
    expect(codes(result)).toEqual(["SE404"]);
    expect(result.diagnostics[0]?.notes[0]).toContain(reason);
  });

  it("a part that `shared` uses twice is refused", () => {
    const text = small('part: { p: conv(8, 1)  relu  q: conv(8, 1) }  hswish  shared("part")');
    const result = expand(derived("insert ese as se  after part.@relu  init preserve", text), "n");
    expect(codes(result)).toEqual(["SE404"]);
    expect(result.diagnostics[0]?.title).toContain("`shared`");
  });

  it("inserts that follow one another are one block, one group, one factor", () => {
    const tree = expectIdentical("insert ese as e1 after @unit.bn2 init preserve  insert eca as e2 after @unit.bn2 init preserve");
    expect(new Set(Object.values(factors(tree)))).toEqual(new Set([4]));
    const graph = buildGraph(tree, new Diagnostics());
    expect(new Set(graph?.weights.flatMap((w) => (w.inserted ? [w.inserted.group] : []))).size).toBe(1);
    expectIdentical("insert ese as e2 before @unit.conv3 init preserve  insert eca as e1 after @unit.bn2 init preserve");
  });

  it("factors that meet in one tensor are multiplied and make one group", () => {
    const tree = expectIdentical("insert ese as e1 before next init preserve  insert eca as e2 after next init preserve");
    expect(factors(tree)).toEqual({ "norm.weight": 2, "norm.bias": 2, "next.weight": 2 });
    const text = small("hswish  p: conv(8, 1, bias=true)  hswish");
    const both = expectIdentical("insert ese as e1 before p init preserve  insert eca as e2 after p init preserve", text);
    expect(factors(both)).toEqual({ "p.weight": 4, "p.bias": 2 });
    const graph = buildGraph(both, new Diagnostics());
    expect(new Set(graph?.weights.flatMap((w) => (w.inserted ? [w.inserted.group] : []))).size).toBe(1);
  });

  it("groups are one per edit otherwise, numbered in tree order", () => {
    const tree = treeOf(sample("se-resnet50.se"), "se_tuned");
    const graph = buildGraph(tree, new Diagnostics());
    const groups = new Map((graph?.weights ?? []).flatMap((w) => (w.inserted ? [[w.path.split(".")[0], w.inserted.group]] : [])));
    expect([...groups]).toEqual([
      ["layer1", 0],
      ["layer2", 0],
      ["layer3", 1],
      ["layer4", 1],
    ]);
    expect(Object.keys(factors(tree))).toHaveLength(32);
    expect(factors(tree)["layer4.2.bn3.bias"]).toBe(2);
  });

  it("an output between two inserts keeps them apart", () => {
    const text = small("p: conv(8, 1)  q: relu  output z  hswish");
    const edits = "insert ese as e1 after q init preserve  insert eca as e2 before @hswish init preserve";
    const result = expand(derived(edits, text), "n");
    expect(codes(result)).toEqual(["SE404"]);
    expect(result.diagnostics[0]?.title).toContain("at e2");
    expect(factors(expectIdentical("insert ese as e1 after q init preserve", text))).toEqual({ "p.weight": 2 });
  });

  it("layers that another insertion put into the block are not touched", () => {
    const edits = "insert se(reduction=8) as se after u.@residual.main init preserve  insert eca as e after @se.fc2";
    expect(codes(expand(derived(edits), "n"))).toEqual(["SE404"]);
    // its trained bias would add to the zero that the block's own layer gives
    const twin = `${BASE}\nblock twin { mul { x {} s { c: conv(in.c, 1)  add { p {} q {} }  sigmoid } } }\n`;
    expectIdentical("insert twin as t after u.@residual.main init preserve", twin);
    const norm = "insert twin as t after u.@residual.main init preserve  insert bn as n after @twin.s.@add.q";
    expect(codes(expand(derived(norm, twin), "n"))).toEqual(["SE404"]);
    const inside = "insert se(reduction=8) as se after u.@residual.main init preserve  insert eca as e after @se.fc1";
    expect(zeroed(expectIdentical(inside))).toEqual(["u.se.fc2.weight"]);
  });

  it("an insertion without preserve next to one with it is an ordinary layer", () => {
    const result = expand(
      derived("insert conv(16, 1) as extra after u.@residual.main  insert ese as se after u.@residual.main init preserve"),
      "n",
    );
    expect(result.diagnostics).toEqual([]);
    expect(factors(result.tree as NetTree)).toEqual({ "u.extra.weight": 2 });
  });

  it("nothing is applied when one place is refused, and the help names a place that works", () => {
    const three = BASE.replace("  v: unit(16)\n", "  v: unit(16)\n  w: unit(16)\n  relu6\n");
    const result = expand(derived(`insert ${SE}  at end of @unit  init preserve`, three), "n");
    expect(codes(result)).toEqual(["SE404"]);
    expect(result.tree).toBeUndefined();
    const [error] = result.diagnostics;
    expect(error?.title).toBe("cannot preserve the function at 2 of 3 places");
    expect(error?.notes.map((n) => n.split(":")[0])).toEqual(["v.se", "w.se"]);
    expect(error?.notes[0]).toContain("`se` at v.se");
    expect(result.diagnostics[0]?.help).toContain("after @residual.main");
  });
});
