/** What ships is kept as trees in the bundle of the command line: they are what the parser makes of the texts, places included. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { Diagnostics } from "../../compiler/diagnostics/diagnostic.ts";
import { renderText } from "../../compiler/diagnostics/render.ts";
import { compileFrontend } from "../../compiler/frontend.ts";
import type { Host } from "../../compiler/host.ts";
import { printGraph } from "../../compiler/ir/print.ts";
import { libraryTexts } from "../../compiler/semantics/library.gen.ts";
import { type SourceFile, sourceFile } from "../../compiler/source.ts";
import type { SpecFile } from "../../compiler/syntax/ast.ts";
import { keepFile, keepTree, keptFile, keptTree } from "../../compiler/syntax/kept-tree.ts";
import { parseSpec } from "../../compiler/syntax/parse.ts";

function parsed(file: SourceFile): SpecFile {
  const diagnostics = new Diagnostics();
  const tree = parseSpec(file, diagnostics);
  expect(diagnostics.all).toEqual([]);
  return tree as SpecFile;
}

const nets = readdirSync("specs/nets").filter((name) => name.endsWith(".se"));
const blocks = Object.entries(libraryTexts).flatMap(([name, text]) =>
  parsed(sourceFile(name, text)).defs.map((def) => [def.name.text, def] as const),
);

describe("every file and block that ships is kept as it is", () => {
  test.each(nets)("%s", (name) => {
    const file = sourceFile(`sec/${name}`, readFileSync(`specs/nets/${name}`, "utf8"));
    const tree = parsed(file);
    expect(keptFile(keepFile(tree), file)).toStrictEqual(tree);
  });

  test.each(blocks)("block %s", (_name, def) => {
    if (def.kind !== "block") throw new Error("the library has blocks only");
    expect(keptTree(keepTree(def), def.span.file)).toStrictEqual(def);
  });
});

const TEXT = "se 1\n\nnet tiny(width = 4) {\n  input x: f32[N, 3, 8, 8]\n  a: conv(width, 3)  relu\n  output y\n}\n";
const file = sourceFile("sec/tiny.se", TEXT);
const kept = keepFile(parsed(file));

test("a span under a name that is not known is our bug, not a copy of the whole text", () => {
  const { span } = parsed(file);
  expect(() => keepFile({ ...parsed(file), otherSpan: span } as SpecFile)).toThrow(/SPANS/);
});

describe("a kept file counts for its very text", () => {
  test("whatever the file is called; all nodes are of the file that was told", () => {
    const here = sourceFile("here.se", TEXT);
    const files = new Set<SourceFile>();
    const walk = (value: unknown): void => {
      if (typeof value !== "object" || value === null) return;
      const { file: of } = value as { readonly file?: SourceFile };
      if (of) files.add(of);
      else for (const inner of Object.values(value)) walk(inner);
    };
    walk(keptFile(kept, here));
    expect([...files]).toEqual([here]);
    expect([...files][0]).toBe(here);
  });

  test.each([
    ["changed", TEXT.replace("conv(width, 3)", "conv(width, 5)")],
    ["longer", `${TEXT}# more\n`],
    ["cut", TEXT.slice(0, -3)],
    ["empty", ""],
  ])("not for one that is %s", (_what, text) => {
    expect(keptFile(kept, sourceFile("sec/tiny.se", text))).toBeUndefined();
  });
});

describe("a net from a kept tree is the net from its text", () => {
  const read: Host = { readText: (name) => (name === file.name ? { ok: true, text: TEXT } : { ok: false, reason: "no such file" }) };
  const results = (text: string) => {
    const asked: string[] = [];
    const readKept = (name: string): string | undefined => {
      asked.push(name);
      return name === file.name ? kept : undefined;
    };
    const [fromText, fromKept] = [read, { ...read, readKept }].map((host) => {
      const diagnostics = new Diagnostics();
      const { nets: made } = compileFrontend(sourceFile("mine.se", text), host, diagnostics);
      return { problems: diagnostics.all.map((problem) => renderText(problem)), made: made.map(({ graph }) => printGraph(graph)) };
    });
    expect(asked).toEqual(["mine.se", file.name]);
    expect(fromKept).toEqual(fromText);
    return fromText as NonNullable<typeof fromText>;
  };

  test("derived", () => {
    const { problems, made } = results('se 1\nuse "sec/tiny.se"\nnet mine from tiny { insert se(reduction=2) as se after @relu }\n');
    expect(problems).toEqual([]);
    expect(made.length).toBe(1);
  });

  test("with mistakes, whose notes are about places in it", () => {
    const { problems } = results(
      'se 1\nuse "sec/tiny.se"\nnet tiny { input x: f32[N, 3, 8, 8]  relu  output y }\nnet mine from tiny { remove @conv }\n',
    );
    expect(problems.length).toBeGreaterThan(0);
  });
});
