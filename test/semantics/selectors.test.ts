/** Selectors (language.md section 9.1): every row of the tables, counted in resnet50. */
import { describe, expect, it } from "vitest";
import { Diagnostics } from "../../compiler/diagnostics/diagnostic.ts";
import { listPlaces, type Place } from "../../compiler/semantics/list-places.ts";
import { matchesGlob } from "../../compiler/semantics/match-glob.ts";
import type { NetTree } from "../../compiler/semantics/tree.ts";
import { sourceFile } from "../../compiler/source.ts";
import { parseSelector } from "../../compiler/syntax/parse.ts";
import { sample, treeOf } from "./expanded.ts";

function select(tree: NetTree, selector: string): Place[] {
  const diagnostics = new Diagnostics();
  const parsed = parseSelector({ file: sourceFile("selector", selector), text: selector }, diagnostics);
  const places = parsed && listPlaces(tree, parsed, diagnostics);
  if (!places) throw new Error(diagnostics.all.map((d) => `${d.code} ${d.title}`).join("\n"));
  return places;
}

const resnet50 = treeOf(sample("resnet50.se"), "resnet50");
const paths = (selector: string, tree = resnet50): string[] => select(tree, selector).map((p) => p.path);

describe("counts in resnet50", () => {
  it.each([
    ["@residual.main", 16],
    ["layer3.*.@residual.main", 6],
    ["layer1|layer2.*.@residual.main", 7],
    ["@bottleneck.bn2", 16],
    ["layer1.0.*", 10],
    ["@conv[kernel=3, in.c>=128, c>=128]", 13],
    ["@bottleneck.@relu", 48],
    ["@residual.main.2", 16],
    ["@residual.2", 0],
    ["layer1.0.2", 0],
    ["@conv|@linear", 54],
    ["@residual.shortcut.*", 4],
    ["**", 211],
    ["@resnet50", 0],
    ["@bottleneck[stride=2]", 3],
    ["@bottleneck[width!=64]", 13],
    ["@conv[kernel=[3,3]]", 16],
    ["@conv[kernel=7]", 1],
    ["@maxpool[stride=2]", 1],
    ["layer4.**", 43],
    ["layer4.**.@conv", 10],
    ['"layer*".0', 4],
    ["@group.@bottleneck", 16],
    ["@relu[h=56]", 10],
    ["@linear[c=1000, in.c=2048]", 1],
    ["fc[in.h=7]", 0],
  ])("%s matches %i places", (selector, count) => {
    if (selector === "**") expect(paths(selector).length).toBeGreaterThan(200);
    else if (selector === "fc[in.h=7]") expect(() => paths(selector)).toThrow("SE308");
    else expect(paths(selector)).toHaveLength(count);
  });

  it("layer1.0.* are the layers of that block and its group, in text order", () => {
    expect(select(resnet50, "layer1.0.*").map((p) => p.type)).toEqual("conv bn relu conv bn relu conv bn group relu".split(" "));
  });

  it("a number in a branch counts only directly after the branch's name", () => {
    expect(paths("layer1.0.main.2")).toHaveLength(1);
    expect(paths("layer1.0.@residual.main.2")).toEqual(paths("layer1.0.main.2"));
    expect(paths("layer1.0.main.9")).toHaveLength(0);
  });
});

describe("segments", () => {
  const text = `se 1
net inner { input x: f32[N, 4, 8, 8]  conv1: conv(4, 3)  act("relu")  output y }
net outer {
  input x: f32[N, 4, 8, 8]
  "a/b/conv": conv(4, 1)
  "a/c": conv(4, 1)
  "a*": conv(4, 1)
  body: inner
  act("none")
  shared("body.conv1")
  joined: add { left { in1: conv(4, 1) } right {} }
  output y
}`;
  const tree = treeOf(text, "outer");
  it.each([
    ['"a/*"', ["a/c"]],
    ['"a/**"', ["a/b/conv", "a/c"]],
    ['"**conv"', ["a/b/conv"]],
    ["body.*", ["body.conv1", "body.1"]],
    ["@relu", ["body.1"]],
    ["@identity", ["4"]],
    ["@shared", ["5"]],
    ["@inner", ["body"]],
    ["joined.in1", ["joined.in1"]],
    ["joined.left", ["joined.left"]],
    ["in1", []],
    ["@add.left.*", ["joined.in1"]],
    ["**.conv1", ["body.conv1"]],
    ["conv1", []],
    ["body.**.conv1", ["body.conv1"]],
    ['@relu[kind="relu"]', ["body.1"]],
    ["4", ["4"]],
  ])("%s matches %j", (selector, wanted) => {
    expect(paths(selector, tree)).toEqual(wanted);
  });

  it("an unknown key is SE308 with the nearest one", () => {
    expect(() => paths("@conv[kernal=3]", tree)).toThrow("SE308 no `conv` has an argument or size called `kernal`");
  });
});

describe("quoted text", () => {
  it.each([
    ["/head/cls/Conv", "/head/**", true],
    ["/head/cls/Conv", "/head/*", false],
    ["/head/cls/Conv", "/head/*/Conv", true],
    ["a*b", "a\\*b", true],
    ["axb", "a\\*b", false],
    ["conv1", "conv", false],
    ["", "**", true],
    [`${"a".repeat(2000)}c`, `${"*a".repeat(200)}b`, false],
  ])("%s by %s: %s", (text, pattern, wanted) => {
    expect(matchesGlob(text, pattern)).toBe(wanted);
  });
});

describe("places", () => {
  it("a branch lists what is in it, inserted layers included", () => {
    const [first] = select(treeOf(sample("se-resnet50.se"), "se_resnet50"), "@residual.main");
    expect(first).toEqual({
      path: "layer1.0.@residual.main",
      kind: "branch",
      type: "",
      shape: ["N", 256, 56, 56],
      contents: "conv1 bn1 relu conv2 bn2 relu conv3 bn3 se",
    });
  });

  it("what was inserted can be selected by its names", () => {
    const tree = treeOf(sample("se-resnet50.se"), "se_resnet50");
    expect(paths("@se.fc1", tree)).toHaveLength(16);
    expect(paths("layer1.0.se", tree)).toEqual(["layer1.0.se"]);
    expect(paths("@residual.main.se", tree)).toHaveLength(16);
    expect(paths("@se.scale", tree)).toHaveLength(16);
  });

  it("5,000 layers take no time that grows with their square", () => {
    const tree = treeOf(`se 1\nblock b { conv1: conv(1, 1) }\nnet deep { input x: f32[N, 1, 1, 1]  body: { b * 5000 }  output y }`, "deep");
    expect(paths("**.@conv", tree)).toHaveLength(5000);
    expect(paths("body.**.**.**.conv1", tree)).toHaveLength(5000);
  });
});
