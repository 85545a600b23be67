/** What expansion decides besides errors: numbers, labels, paths, text and JSON, jumps, shared parts, nets as layers. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { Diagnostics } from "../../compiler/diagnostics/diagnostic.ts";
import { check } from "../../compiler/frontend.ts";
import type { Host } from "../../compiler/host.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
import { printGraph } from "../../compiler/ir/print.ts";
import { sourceFile } from "../../compiler/source.ts";
import { formatJson } from "../../compiler/syntax/format-json.ts";
import { parseSpec } from "../../compiler/syntax/parse.ts";

const folder = "test/fixtures/samples";
const names = readdirSync(folder);
const read = (name: string): string => readFileSync(`${folder}/${name}`, "utf8");
const host: Host = { readText: (path) => (names.includes(path) ? { ok: true, text: read(path) } : { ok: false, reason: "no such file" }) };

function graph(text: string, files: Host = host): Graph {
  const { diagnostics, nets } = check(sourceFile("net.se", text), files);
  expect(diagnostics.map((d) => `${d.code} ${d.title}`)).toEqual([]);
  return (nets.at(-1) as (typeof nets)[number]).graph;
}
const net = (body: string, blocks = ""): Graph => graph(`se 1\n${blocks}\nnet n { input x: f32[N, 8, 8, 8]\n${body}\noutput y }\n`);
const weights = (g: Graph): string[] => g.weights.map((w) => w.path);
const paths = (g: Graph): string[] => g.nodes.map((n) => `${n.path} ${n.op}`);

describe("text and JSON expand to the same graphs", () => {
  /** Every sample as JSON, its uses too. */
  const asJson = (name: string): string => {
    const diagnostics = new Diagnostics();
    const spec = parseSpec(sourceFile(name, read(name)), diagnostics);
    expect(diagnostics.all).toEqual([]);
    return formatJson(spec as NonNullable<typeof spec>).replaceAll(/"([\w-]+)\.se"/g, '"$1.json"');
  };
  const jsonHost: Host = { readText: (path) => ({ ok: true, text: asJson(path.replace(".json", ".se")) }) };

  test.each(names.filter((n) => n !== "onnx-edit.se"))("%s", (name) => {
    const text = check(sourceFile(name, read(name)), host);
    const json = check(sourceFile(name.replace(".se", ".json"), asJson(name)), jsonHost);
    expect(json.diagnostics).toEqual([]);
    expect(json.nets.map((n) => printGraph(n.graph))).toEqual(text.nets.map((n) => printGraph(n.graph)));
  });
});

describe("numbers and labels", () => {
  test("labelled children count, so a label renames nothing", () => {
    expect(weights(net("a: { conv(8, 3)  conv(8, 3)  conv(8, 3) }"))).toEqual(["a.0.weight", "a.1.weight", "a.2.weight"]);
    expect(weights(net("a: { conv(8, 3)  mid: conv(8, 3)  conv(8, 3) }"))).toEqual(["a.0.weight", "a.mid.weight", "a.2.weight"]);
  });

  test("a label with {} holds the layer's number and may be repeated", () => {
    const text = 'a: { "s1-{}": conv(8, 3) * 2  relu  "s1-{}": conv(8, 3)  "layer{1}": conv(8, 3) * 2 }';
    expect(weights(net(text))).toEqual(["a.s1-0.weight", "a.s1-1.weight", "a.s1-3.weight", "a.layer5.weight", "a.layer6.weight"]);
    expect(paths(net('"m{}": add { p { tanh } q {} }  from m0  relu'))).toContain("m0 add");
  });

  test("unlabelled merges and what is in them do not count; taken arms and repetitions do", () => {
    const g = net(
      `a: {
      conv(8, 3)
      residual { main { c: conv(8, 3)  relu } }
      if in.c == 8 { relu  relu } else { relu }
      conv(8, 3) * 2
    }`.replace("in.c", "here.c"),
    );
    expect(weights(g)).toEqual(["a.0.weight", "a.c.weight", "a.3.weight", "a.4.weight"]);
  });

  test("groups, labelled merges, identity and dropout count", () => {
    expect(weights(net("{ relu }  m: mul { p {}  q { gap } }  identity  dropout  conv(8, 1)"))).toEqual(["4.weight"]);
  });

  test("a labelled merge makes a level, its branches none", () => {
    const g = net("m: add { a { conv1: conv(8, 3) }  b { conv2: conv(8, 1)  relu } }");
    expect(weights(g)).toEqual(["m.conv1.weight", "m.conv2.weight"]);
    expect(paths(g)).toEqual(["m.conv1 conv", "m.conv2 conv", "m.b.1 relu", "m add"]);
  });

  test("names do not depend on `when`", () => {
    const block = "block u(out) { residual(when = in.c == out) { main { conv1: conv(out, 3)  bn1: bn  relu } } }";
    const g = net("l: { u(8)  u(16) }", block);
    expect(weights(g).filter((w) => w.endsWith("conv1.weight"))).toEqual(["l.0.conv1.weight", "l.1.conv1.weight"]);
    expect(paths(g).filter((p) => /main|add/.test(p))).toEqual(["l.0.main.2 relu", "l.0.@residual add", "l.1.main.2 relu"]);
  });

  test("two merges of one form get paths of their own", () => {
    const g = net("residual { main { relu } }  residual { main { relu } }");
    expect(paths(g)).toEqual(["main.0 relu", "@residual add", "main.0~2 relu", "@residual~2 add"]);
  });

  test("a label that looks like a display path keeps its name", () => {
    const g = net('residual { main { relu } }  "@residual": { conv(8, 1) }');
    expect(weights(g)).toEqual(["@residual.0.weight"]);
    expect(paths(g)).toEqual(["main.0 relu", "@residual~2 add", "@residual.0 conv"]);
  });
});

describe("values", () => {
  test("`from` goes down into a layer, `from in` to what arrived", () => {
    const g = net("body: { one: { conv(8, 3) }  conv(8, 3) }  add { a {}  b { from body.one }  c { from in } }");
    const add = g.nodes.at(-1);
    expect(add?.inputs.map((v) => v.name)).toEqual(["body.1", "body.one.0", "x"]);
  });

  test("`in` in a block is what arrives at the block, `here` what arrives at the statement", () => {
    const g = net("u", "block u { conv1: conv(2 * in.c, 3)  conv2: conv(here.c + in.c, 1) }");
    expect(g.weights.map((w) => w.value.type.shape)).toEqual([
      [16, 8, 3, 3],
      [24, 16, 1, 1],
    ]);
  });

  test("a shared part adds no tensors and its layers read the same weights", () => {
    const g = net('t: { c: conv(8, 3)  relu }  shared("t")');
    expect(weights(g)).toEqual(["t.c.weight"]);
    const convs = g.nodes.filter((n) => n.op === "conv");
    expect(convs.map((n) => n.path)).toEqual(["t.c", "1.c"]);
    expect(convs[0]?.weights.weight).toBe(convs[1]?.weights.weight);
  });

  test("a shared part inside a shared part", () => {
    const g = net('a: { c: conv(8, 3) }  b: { shared("a")  relu }  shared("b")');
    expect(g.nodes.map((n) => n.path)).toEqual(["a.c", "b.0.c", "b.1", "2.0.c", "2.1"]);
  });

  test("`round` goes to the even neighbour, `//` and `%` floor", () => {
    const widths = (expr: string): unknown => net(`conv(${expr}, 1)`).weights[0]?.value.type.shape[0];
    expect([widths("round(2.5)"), widths("round(3.5)"), widths("round(2.6)"), widths("-7 // 2 + 10"), widths("-7 % 3 + 1")]).toEqual([
      2, 4, 3, 6, 3,
    ]);
    expect([widths("make_divisible(36)"), widths("make_divisible(18, 8)"), widths("make_divisible(10, 8, 8, 0)")]).toEqual([40, 24, 8]);
  });
});

describe("nets as layers", () => {
  const inner = "net inner { input image: f32[N, 8, 32, 32]  c: conv(4, 3)  output low  d: conv(2, 3)  output high }";

  test("take height and width from what arrives; the value is the last output, the others are named", () => {
    const g = net("body: inner  add { a {}  b { from body.low  conv2: conv(2, 1) } }", inner);
    expect(weights(g)).toEqual(["body.c.weight", "body.d.weight", "conv2.weight"]);
    expect(g.outputs.map((o) => [o.name, o.value.type.shape])).toEqual([["y", ["N", 2, 8, 8]]]);
  });

  test("a derived net brings its edits", () => {
    const g = net("body: changed", `${inner}\nnet changed from inner { insert bn as extra  after c }`);
    expect(weights(g).slice(0, 3)).toEqual(["body.c.weight", "body.extra.weight", "body.extra.bias"]);
  });

  test("the same edits from outside put the layer at the same place", () => {
    const base = `${inner}\nnet outer { input x: f32[N, 8, 8, 8]  body: inner  output y }\nnet edited from outer { insert bn as extra  after body.c }`;
    expect(weights(graph(`se 1\n${base}`)).slice(0, 3)).toEqual(["body.c.weight", "body.extra.weight", "body.extra.bias"]);
  });
});

describe("files", () => {
  test("a used file's own uses are not passed on, and paths are relative to the using file", () => {
    const files: Record<string, string> = {
      "parts/unit.se": 'se 1\nuse "deep/leaf.se"\nblock unit { leaf }',
      "parts/deep/leaf.se": "se 1\nblock leaf { conv(8, 3) }",
    };
    const from: Host = {
      readText: (path) => (files[path] === undefined ? { ok: false, reason: `no ${path}` } : { ok: true, text: files[path] }),
    };
    const text = (call: string): string => `se 1\nuse "parts/unit.se"\nnet n { input x: f32[N, 8, 8, 8]  l: ${call}  output y }`;
    expect(weights(graph(text("unit"), from))).toEqual(["l.0.0.weight"]);
    expect(check(sourceFile("net.se", text("leaf")), from).diagnostics.map((d) => d.code)).toEqual(["SE104"]);
  });

  test("a file that two files use is read once and is no clash", () => {
    const seen: string[] = [];
    const files: Record<string, string> = {
      "a.se": 'se 1\nuse "c.se"\nblock a { leaf }',
      "b.se": 'se 1\nuse "c.se"\nblock b { leaf }',
      "c.se": "se 1\nblock leaf { conv(8, 3) }",
    };
    const from: Host = {
      readText(path) {
        seen.push(path);
        return { ok: true, text: files[path] ?? "" };
      },
    };
    graph('se 1\nuse "a.se"\nuse "b.se"\nuse "c.se"\nnet n { input x: f32[N, 8, 8, 8]  a  b  leaf  output y }', from);
    expect(seen).toEqual(["a.se", "c.se", "b.se"]);
  });

  test("names of Object.prototype are plain names", () => {
    const g = net(
      "constructor: { conv(8, 1) }  __proto__: unit(hasOwnProperty=8)",
      "block unit(hasOwnProperty) { toString: conv(hasOwnProperty, 1) }",
    );
    expect(weights(g)).toEqual(["constructor.0.weight", "__proto__.toString.weight"]);
  });
});
