/** `sec graph`: formats, depth, hostile names; and what must hold of every layout: nothing overlaps, nothing leaves its frame. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { outputSchemas } from "../../cli/output-schemas.ts";
import { diagramOf, layersOf } from "../../compiler/picture/diagram.ts";
import { layOut, type PlacedView } from "../../compiler/picture/layout.ts";
import { pictureOf, type ViewOptions } from "../../compiler/picture/view.ts";
import { treeOf } from "../semantics/expanded.ts";
import { sec } from "./sec.ts";

const shipped = (file: string): string => readFileSync(`specs/nets/${file}.se`, "utf8").replace(/^use "(?!sec\/)/gm, 'use "sec/');
const NETS: readonly (readonly [file: string, net: string])[] = [
  ["plain", "plain"],
  ["resnet", "resnet18"],
  ["se_resnet50", "se_resnet50"],
  ["se_resnet50", "se_identity"],
  ["senet154", "senet154"],
  ["mobilenet_v3_large", "mobilenet_v3_large"],
  ["unet_scse", "scse_unet"],
  ["se_block", "se_attention"],
];

const HOSTILE = `se 1
net hostile {
  input image: f32[N, 3, 8, 8]
  "a<b&c-->]": conv(4, 3)  relu
  "script": { "</text><script>": conv(4, 1)  bn  conv(2, 1) }
  "end": { conv(4, 1)  "sub|graph \\\\ {x}": { conv(4, 1) conv(3, 1) } }
  output y
}
`;

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "sec-graph-"));
  writeFileSync(path.join(folder, "hostile.se"), HOSTILE);
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Names of elements, when every one is closed in its order and nothing stands unescaped between them. */
function elements(svg: string): string[] {
  const open: string[] = [];
  const names: string[] = [];
  let rest = svg.replace(/<style>[^<]*<\/style>/, "");
  while (rest !== "") {
    const match = /^[^<>&]+|^&(?:amp|lt|gt|quot);|^<(\/?)([a-z]+)((?: [\w:-]+="[^"<>]*")*)(\/?)>/.exec(rest);
    if (!match) throw new Error(`not well-formed: ${rest.slice(0, 80)}`);
    rest = rest.slice(match[0].length);
    const [, end, name, , empty] = match;
    if (name === undefined) continue;
    if (end) expect(open.pop()).toBe(name);
    else {
      names.push(name);
      if (!empty) open.push(name);
    }
  }
  expect(open).toEqual([]);
  return names;
}

const within = (a: PlacedView, b: { x: number; y: number; width: number; height: number }): boolean =>
  a.x >= b.x && a.y >= b.y && a.x + a.width <= b.x + b.width && a.y + a.height <= b.y + b.height;
const overlap = (a: PlacedView, b: PlacedView): boolean =>
  a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;

describe.each(NETS)("%s#%s", (file, net) => {
  const tree = treeOf(shipped(file), net);
  const options: readonly ViewOptions[] = [{}, { depth: 1 }, { depth: 2, unfolded: true }, { depth: 64 }];

  test.each(options)("%j: nothing overlaps or leaves its frame; every edge ends at its boxes", (view) => {
    const picture = pictureOf(diagramOf(tree), view);
    const layout = layOut(picture);
    const placed = new Map(layout.views.map((p) => [p.view, p]));
    const page = { x: 0, y: 0, width: layout.width, height: layout.height };
    for (const p of layout.views) expect(within(p, placed.get(p.view.parent as never) ?? page), p.view.path).toBe(true);
    layout.views.forEach((a, i) => {
      for (const b of layout.views.slice(i + 1))
        if (a.view.parent === b.view.parent) expect(overlap(a, b), `${a.view.path} and ${b.view.path}`).toBe(false);
    });
    const arrivals = new Set(picture.links.map((l) => `${l.to.id} ${l.value.path}`));
    const arrows = layout.edges.filter((e) => e.arrow);
    expect(arrows).toHaveLength(arrivals.size);
    for (const { points } of arrows) {
      const end = points.at(-1);
      const touches = layout.views.some((p) => end && end.y === p.y && end.x >= p.x && end.x <= p.x + p.width);
      expect(touches).toBe(true);
    }
  });

  test("about sixty boxes at most by default, and every layer is somewhere", () => {
    const root = diagramOf(tree);
    expect(pictureOf(root).boxes).toBeLessThanOrEqual(60);
    const everything = pictureOf(root, { depth: 64, unfolded: true });
    expect(everything.closed).toBe(0);
    const rows = layOut(everything).views.flatMap((p) => (p.view.kind === "cell" ? p.view.rows : []));
    const layers = [...layersOf(root)].filter((l) => l.op !== "identity");
    expect(rows.filter((r) => r.op !== "identity")).toHaveLength(layers.length);
  });
});

describe("folding", () => {
  const root = diagramOf(treeOf(shipped("senet154"), "senet154"));

  test("35 bottlenecks in a row are one box; --unfold draws them all", () => {
    const times = (options: ViewOptions): number[] =>
      layOut(pictureOf(root, options)).views.flatMap(({ view }) =>
        view.kind !== "cell" && view.type === "se_bottleneck" ? [view.times] : [],
      );
    expect(times({ depth: 2 })).toEqual([1, 2, 1, 7, 1, 35, 1, 2]);
    expect(times({ depth: 2, unfolded: true })).toEqual(new Array(50).fill(1));
  });

  test("modules that differ, or whose inside another layer reads, are not folded", () => {
    const text = `se 1
block b(n) { c: conv(n, 1)  relu }
net n {
  input x: f32[N, 4, 8, 8]
  g: { b(4)  b(4)  b(8)  b(8) }
  h: { b(8)  b(8) }
  mul { a {} b { from h.0 } }
  output y
}
`;
    const titles = pictureOf(diagramOf(treeOf(text, "n")), { depth: 2 }).root.parts.flatMap((p) =>
      p.kind === "frame" ? p.parts.map((q) => (q.kind === "cell" ? q.title : `${q.title} ${q.type}`)) : [],
    );
    expect(titles).toEqual(["0 … 1 b", "2  b", "3  b", "0  b", "1  b"]);
  });
});

describe("the command", () => {
  test("SVG: well-formed, deterministic, what the edit inserted is marked, shapes are on the edges", async () => {
    const { code, out, err } = await sec(["graph", "se_resnet50"]);
    expect(code).toBe(0);
    expect(elements(out).filter((e) => e === "svg")).toHaveLength(1);
    expect(out.match(/class="box inserted"\/><text/g)).toHaveLength(8 + 1); // eight kinds of bottleneck, and the legend
    expect(out).toContain(">64×112×112</text>");
    expect(out).toContain("28,088,024 parameters");
    expect(err).toContain("--depth 4");
    expect((await sec(["graph", "se_resnet50"])).out).toBe(out);
  });

  test.each(["svg", "html", "mermaid", "dot"])("%s: names cannot break out of their text", async (format) => {
    const { code, out } = await sec(["graph", "hostile.se", "--format", format, "--depth", "64"], folder);
    expect(code).toBe(0);
    if (format !== "dot") expect(out).not.toContain("<script"); // in DOT it is a text like any other
    if (format === "svg") expect(elements(out)).not.toContain("script");
    if (format === "mermaid") {
      expect(out).not.toMatch(/"[^"\n]*[<&\]|](?!br\/>)[^"\n]*"/);
      const lines = out.split("\n").map((l) => l.trim());
      expect(lines.filter((l) => l === "end")).toHaveLength(lines.filter((l) => l.startsWith("subgraph ")).length);
    }
    if (format === "dot")
      expect(
        out
          .replace(/"(?:[^"\\\n]|\\.)*"/g, "")
          .match(/[<>&|]/g)
          ?.join(""),
      ).toMatch(/^(->|>)*$/);
  });

  test("Mermaid: every end of an edge is declared", async () => {
    const { out } = await sec(["graph", "scse_unet", "--format", "mermaid"]);
    const declared = new Set([...out.matchAll(/^\s*(n\d+)[[(]/gm)].map((m) => m[1]));
    const used = [...out.matchAll(/^ {2}(n\d+) -->(?:\|"[^"]*"\|)? (n\d+)$/gm)].flatMap((m) => [m[1], m[2]]);
    expect(used.length).toBeGreaterThan(60);
    expect(used.filter((u) => !declared.has(u))).toEqual([]);
    expect(out).toMatch(/class (?:[mn]\d+,){6}[mn]\d+ inserted/);
  });

  test("JSON and wrong use", async () => {
    const { out } = await sec(["graph", "plain", "--format", "dot", "--json", "--depth", "1"]);
    const result = outputSchemas.graph.parse(JSON.parse(out));
    expect(result).toMatchObject({ net: "plain", format: "dot", depth: 1 });
    expect(result.text).toMatch(/^digraph "plain" \{/);
    expect((await sec(["graph", "plain", "--format", "png"])).code).toBe(2);
    expect((await sec(["graph", "plain", "--depth", "0"])).code).toBe(2);
    expect((await sec(["graph", "nothing"])).code).toBe(2);
  });
});
