/** Edits (language.md section 9.2): names, order, counts of section 13 and of senet.md section 4. */
import { describe, expect, it } from "vitest";
import { Diagnostics } from "../../compiler/diagnostics/diagnostic.ts";
import { buildGraph } from "../../compiler/semantics/build-graph.ts";
import { flowOf } from "../../compiler/semantics/preserve-flow.ts";
import { pathOf, walk } from "../../compiler/semantics/tree.ts";
import { codes, expand, sample, sizes, tensorNames, treeOf } from "./expanded.ts";

const BASE = `se 1
use "resnet50.se"
`;
const derived = (edits: string): string => `${BASE}net a from resnet50 {\n${edits}\n}`;

describe("section 13: parameters and tensors", () => {
  it.each([
    ["se-resnet50.se", "se_resnet50", 28_088_024, 384],
    ["se-resnet50.se", "se_pre", 27_548_200, 352],
    ["se-resnet50.se", "se_post", 28_071_976, 352],
    ["se-resnet50.se", "se_identity", 28_071_976, 352],
    ["se-resnet50.se", "se_3x3", 25_714_216, 352],
    ["se-resnet50.se", "se_stage4", 26_343_464, 332],
    ["se-resnet50.se", "se_cheap", 26_499_112, 346],
    ["se-resnet50.se", "se_convs", 26_015_784, 346],
    ["se-resnet50.se", "se_tuned", 27_047_976, 352],
    ["se-resnet50.se", "se_last", 27_129_896, 326],
    ["relatives-resnet50.se", "cbam_resnet50", 28_073_576, 448],
    ["relatives-resnet50.se", "ese_resnet50", 45_691_688, 352],
    ["relatives-resnet50.se", "bam_resnet50", 25_915_099, 416],
    ["relatives-resnet50.se", "sk_resnet50", 37_120_408, 528],
    ["fpn.se", "backbone", 23_508_032, 318],
    ["fpn.se", "fpn", 25_475_136, 326],
    ["fpn.se", "se_fpn", 27_990_080, 358],
    ["unet-scse.se", "scse_unet", 1_941_493, 134],
    ["se-bn-inception.se", "se_bn_inception", 11_931_622, 456],
  ])("%s %s", (file, net, parameters, tensors) => {
    expect(sizes(treeOf(sample(file), net))).toEqual({ parameters, tensors });
  });
});

describe("senet.md section 4: exact counts", () => {
  it.each([
    [2, 45_676_584],
    [4, 35_616_808],
    [8, 30_586_920],
    [16, 28_071_976],
    [32, 26_814_504],
  ])("4.1: reduction %i", (r, parameters) => {
    expect(sizes(treeOf(derived(`insert se(reduction=${r}) as se  after @residual.main  expect 16`), "a")).parameters).toBe(parameters);
  });

  it.each([
    ["layer1", 25_581_608],
    ["layer2", 25_688_104],
    ["layer3", 26_343_464],
    ["layer4", 27_129_896],
  ])("4.3: only in %s", (stage, parameters) => {
    expect(sizes(treeOf(derived(`insert se as se  after ${stage}.*.@residual.main`), "a")).parameters).toBe(parameters);
  });
});

describe("names", () => {
  const names = (edits: string): string[] => tensorNames(treeOf(derived(edits), "a"));
  it.each([
    ["insert se as se  after @residual.main", "layer1.0.se.fc1.weight"],
    ["insert se as se  at end of @bottleneck", "layer1.0.se.fc1.weight"],
    ['insert se as "{}_se"  after @conv[kernel=3]', "layer1.0.conv2_se.fc1.weight"],
    ["insert se as se  after layer1", "se.fc1.weight"],
    ["insert se as se  at end of layer1", "layer1.se.fc1.weight"],
    ["insert se as se  before @residual", "layer1.0.se.fc1.weight"],
    ['insert se as "{}_se"  after layer1.*', "layer1.1_se.fc1.weight"],
    ['insert se as "{}_se"  after layer1.0.@residual.main', "layer1.0.main_se.fc1.weight"],
  ])("%s gives %s", (edits, name) => {
    expect(names(edits)).toContain(name);
  });

  it("untouched tensors keep their names and their order", () => {
    const before = tensorNames(treeOf(sample("resnet50.se"), "resnet50"));
    const after = names("insert se as se  after @residual.main").filter((n) => !n.includes(".se."));
    expect(after).toEqual(before);
  });

  it("`after @bottleneck` would give three layers one name", () => {
    const result = expand(derived("insert se as se  after @bottleneck"), "a");
    expect(codes(result)).toEqual(["SE106"]);
    expect(result.diagnostics[0]?.help).toContain("at end of @bottleneck");
  });
});

describe("order", () => {
  const base = `se 1
net base { input x: f32[N, 4, 8, 8]  body: { conv1: conv(4, 3)  residual { main { c: conv(4, 3) } }  relu }  output y }
`;
  const order = (edits: string, of = "a"): string[] => {
    const paths: string[] = [];
    walk(treeOf(`${base}net a from base {\n${edits}\n}`, of).root, (n) => {
      if (n.kind === "layer") paths.push(pathOf(n));
    });
    return paths;
  };
  it.each([
    ["insert dropout as a after body.conv1  insert dropout as b after body.conv1", "body.conv1 body.a body.b body.c body.1"],
    ["insert dropout as a before body.conv1  insert dropout as b before body.conv1", "body.a body.b body.conv1 body.c body.1"],
    ["insert dropout as a at start of body  insert dropout as b at start of body", "body.a body.b body.conv1 body.c body.1"],
    ["insert dropout as a at end of body  insert dropout as b at end of body", "body.conv1 body.c body.1 body.a body.b"],
    ["insert dropout as a after @residual.main  insert dropout as b before @residual.main", "body.conv1 body.b body.c body.a body.1"],
    ["insert dropout as a at end of @residual  insert dropout as b after @residual", "body.conv1 body.c body.a body.b body.1"],
    ["insert dropout as b after @residual  insert dropout as a at end of @residual", "body.conv1 body.c body.a body.b body.1"],
    ["insert dropout as a after body.conv1  insert dropout as b after body.a", "body.conv1 body.a body.b body.c body.1"],
    ["insert dropout as a after body.conv1  insert dropout as b before body.a", "body.conv1 body.b body.a body.c body.1"],
    ["insert dropout as a after body.conv1  remove body.conv1", "body.a body.c body.1"],
    ["insert dropout as a after body.conv1  replace body.conv1 with conv(4, 1)", "body.conv1 body.a body.c body.1"],
    ["insert dropout as a after @residual.main  remove @residual", "body.conv1 body.1"],
  ])("%s", (edits, wanted) => {
    expect(order(edits)).toEqual(wanted.split(" "));
  });
});

describe("rules", () => {
  const base = `se 1
block unit(width, k = 3) { conv1: conv(width, k)  bn1: bn  relu }
net base(n = 4) { input x: f32[N, n, 8, 8]  u: unit(4)  v: unit(8)  fc: conv(2, 1)  output y }
`;
  const net = (edits: string, params = ""): string => `${base}net a${params} from base {\n${edits}\n}`;
  const found = (edits: string): string[] => codes(expand(net(edits), "a"));

  it("an edit never sees what it inserts, a later one does", () => {
    expect(found('insert conv(in.c, 1) as "{}_x" after @conv  expect 3')).toEqual([]);
    expect(found('insert conv(in.c, 1) as "{}_x" after @conv  expect 3  insert bn as "{}_bn" after @conv  expect 6')).toEqual([]);
  });

  it("`in` and `here` in the arguments are the value at the place", () => {
    const tree = treeOf(net('insert conv(here.c, 3, groups=in.c) as "{}_dw" after @bn'), "a");
    expect(tensorNames(tree)).toContain("v.bn1_dw.weight");
  });

  it("parameters of the derived net are visible in arguments, predicates and `expect`", () => {
    expect(codes(expand(net("insert se(reduction=r) as se after @bn[c=8 * r - 8]  expect r - 1", "(r = 2)"), "a"))).toEqual([]);
  });

  it("`set` changes a layer in place, and expands a block anew", () => {
    expect(sizes(treeOf(net("set fc(out=5, bias=true)"), "a")).parameters).toBe(4 * 4 * 9 + 8 + 8 * 4 * 9 + 16 + 8 * 5 + 5);
    expect(sizes(treeOf(net("set u(width=6)"), "a")).parameters).toBe(4 * 6 * 9 + 12 + 8 * 6 * 9 + 16 + 16);
    expect(sizes(treeOf(net("set u(width=6)  set u(k=1)"), "a")).parameters).toBe(4 * 6 + 12 + 8 * 6 * 9 + 16 + 16);
  });

  it("`set` after an edit inside is SE309, outside it is fine", () => {
    expect(found("insert se(hidden=1) as se after u.bn1  set u(width=6)")).toEqual(["SE309"]);
    expect(found("remove u.relu  set u(width=6)")).toEqual(["SE301"]);
    expect(found("remove u.@relu  set u(width=6)")).toEqual(["SE309"]);
    expect(found("insert se(hidden=1) as se after u  set u(width=4)")).toEqual([]);
    expect(found("insert se(hidden=1) as se at end of u  set u(width=4)")).toEqual(["SE309"]);
  });

  it("a shape error that a later edit mends is none", () => {
    expect(found("replace u.bn1 with slice(0, 2)  replace v with conv(8, 1)")).toEqual([]);
    const text = `se 1
net base { input x: f32[N, 4, 8, 8]  residual { main { c: conv(4, 3) } }  output y }
net a from base { replace c with conv(8, 3)  insert conv(4, 1) as d after c }
net b from base { replace c with conv(8, 3)  replace c with conv(4, 1) }
net d from base { replace c with conv(8, 3) }
net e from base { replace c with conv(8, 3)  insert relu as r after @residual }`;
    expect(codes(expand(text, "a"))).toContain("SE304");
    expect(codes(expand(text, "b"))).toEqual([]);
    expect(codes(expand(text, "d"))).toEqual(["SE201"]);
    expect(codes(expand(text, "e"))).toEqual(["SE201"]);
  });

  it("`except` also drops what lies inside", () => {
    expect(found('insert dropout as "{}_d" after @conv except u  expect 2')).toEqual([]);
    expect(found('insert dropout as "{}_d" after @conv except u except v  expect 1')).toEqual([]);
    expect(found('insert dropout as "{}_d" after @conv except u except w')).toEqual(["SE303"]);
  });

  it("removing a layer leaves its number unused", () => {
    const tree = treeOf(net("remove u.@bn"), "a");
    const paths: string[] = [];
    walk(tree.root, (n) => {
      if (n.kind === "layer") paths.push(pathOf(n));
    });
    expect(paths).toEqual(["u.conv1", "u.2", "v.conv1", "v.bn1", "v.2", "fc"]);
  });

  it("what is inserted after a value is read by `from` and by `output`, too; before, by nobody else", () => {
    const readersOf = (edit: string): (string | undefined)[] => {
      const text = `se 1
net base { input x: f32[N, 4, 8, 8]  a: conv(4, 3)  output mid  relu  add { l {} r { from a } }  output y }
net n from base { ${edit} }`;
      const { steps } = flowOf(treeOf(text, "n").root);
      const dropout = steps.find((s) => s.what === "dropout");
      return [...(dropout?.readers.map((r) => r.what) ?? []), ...(dropout && dropout.outputs > 0 ? ["output"] : [])];
    };
    expect(readersOf("insert dropout as d after a")).toEqual(["relu", "add", "output"]);
    expect(readersOf("insert dropout as d before @relu")).toEqual(["relu"]);
    expect(readersOf("insert dropout as d before @add")).toEqual(["add"]);
    expect(readersOf("insert dropout as d at end of @add.r")).toEqual(["add"]);
  });

  it("nets used as layers can be edited from outside, and bring their own edits", () => {
    const text = `se 1
net inner { input x: f32[N, 4, 8, 8]  c: conv(4, 3)  output mid  r: relu  output y }
net gated from inner { insert eca as eca after c }
net outer { input x: f32[N, 4, 8, 8]  body: gated  from body.mid  head: conv(2, 1)  output z  from body.y  output w }
net a from outer { insert conv(4, 1) as extra at end of body }
net b from outer { set body.c(kernel=5) }`;
    expect(tensorNames(treeOf(text, "outer"))).toEqual(["body.c.weight", "body.eca.conv.weight", "head.weight"]);
    expect(tensorNames(treeOf(text, "a"))).toEqual(["body.c.weight", "body.eca.conv.weight", "body.extra.weight", "head.weight"]);
    expect(sizes(treeOf(text, "b")).parameters).toBe(4 * 4 * 25 + 3 + 8);
  });

  it("`set` on a net used as a layer applies that net's own edits again, so they do not stand in the way", () => {
    const text = `se 1
net inner(k = 3) { input x: f32[N, 4, 8, 8]  c: conv(4, k)  output y }
net gated(k = 3) from inner(k=k) { insert eca as eca after c }
net outer { input x: f32[N, 4, 8, 8]  body: gated  head: conv(2, 1)  output z }
net a from outer { set body(k=5) }
net b from outer { insert eca as e2 after body.c  set body(k=5) }`;
    expect(tensorNames(treeOf(text, "a"))).toEqual(["body.c.weight", "body.eca.conv.weight", "head.weight"]);
    expect(sizes(treeOf(text, "a")).parameters).toBe(4 * 4 * 25 + 3 + 8);
    expect(codes(expand(text, "b"))).toEqual(["SE309"]);
  });

  it("`replace ... init paper` starts the new weights that way, without making them an insertion", () => {
    const starts = (edits: string): unknown[] =>
      (buildGraph(treeOf(net(edits), "a"), new Diagnostics())?.weights ?? [])
        .filter((w) => w.path.startsWith("fc.") || w.path.startsWith("m."))
        .map((w) => [w.path, w.init.kind, w.inserted?.policy]);
    expect(starts("replace fc with conv(2, 1, bias=true) init paper")).toEqual([
      ["fc.weight", "normal", undefined],
      ["fc.bias", "constant", undefined],
    ]);
    expect(starts("insert conv(2, 1) as m after fc init paper")).toEqual([
      ["fc.weight", "uniform", undefined],
      ["m.weight", "normal", "paper"],
    ]);
    expect(starts("insert conv(2, 1) as m after fc")[1]).toEqual(["m.weight", "uniform", "default"]);
  });
});
