import { readdirSync, readFileSync } from "node:fs";
import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { Diagnostics } from "../../compiler/diagnostics/diagnostic.ts";
import { renderGithub, renderJson, renderText } from "../../compiler/diagnostics/render.ts";
import { sourceFile } from "../../compiler/source.ts";
import { formatText } from "../../compiler/syntax/format.ts";
import { formatJson } from "../../compiler/syntax/format-json.ts";
import { formatExpr, formatSelector } from "../../compiler/syntax/format-parts.ts";
import { wholeFile } from "../../compiler/syntax/fragment.ts";
import { parseExpression, parseSelector, parseSpec } from "../../compiler/syntax/parse.ts";
import { scan } from "../../compiler/syntax/scan.ts";
import { arbitraryExpr, arbitrarySelector, arbitrarySpec } from "../syntax/arbitrary-spec.ts";
import { parsed, withoutSpans } from "../syntax/parsed.ts";

const FOLDER = "test/fixtures/samples";
const samples = readdirSync(FOLDER)
  .filter((name) => name.endsWith(".se"))
  .map((name) => readFileSync(`${FOLDER}/${name}`, "utf8"));

describe("what is written is what is read", () => {
  test.prop([arbitraryExpr], { numRuns: 500 })("expressions", (expr) => {
    const diagnostics = new Diagnostics();
    const text = formatExpr(expr);
    const back = parseExpression(wholeFile(sourceFile("x", text)), diagnostics);
    expect(diagnostics.all.map((d) => renderText(d))).toEqual([]);
    expect(withoutSpans(back)).toEqual(withoutSpans(expr));
  });

  test.prop([arbitrarySelector], { numRuns: 300 })("selectors", (selector) => {
    const diagnostics = new Diagnostics();
    const back = parseSelector(wholeFile(sourceFile("x", formatSelector(selector))), diagnostics);
    expect(diagnostics.all.map((d) => renderText(d))).toEqual([]);
    expect(withoutSpans(back)).toEqual(withoutSpans(selector));
  });

  test.prop([arbitrarySpec], { numRuns: 200 })("files as text", (spec) => {
    const text = formatText(spec);
    const back = parsed(sourceFile("a.se", text));
    expect(back.messages).toEqual([]);
    expect(withoutSpans(back.tree)).toEqual(withoutSpans(spec));
    expect(formatText(back.tree)).toBe(text);
  });

  test.prop([arbitrarySpec], { numRuns: 200 })("files as JSON", (spec) => {
    const json = formatJson(spec);
    const back = parsed(sourceFile("a.json", json));
    expect(back.messages).toEqual([]);
    expect(withoutSpans(back.tree)).toEqual(withoutSpans(spec));
    expect(formatText(back.tree)).toBe(formatText(spec));
    expect(formatJson(back.tree)).toBe(json);
  });
});

test.prop([arbitrarySpec, fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.boolean()), { minLength: 1, maxLength: 5 })], {
  numRuns: 200,
})("no comment is lost, wherever it stands", (spec, places) => {
  const clean = formatText(spec);
  const { tokens } = scan(wholeFile(sourceFile("a.se", clean)), new Diagnostics());
  const at = places.map(([share, own]) => ({ offset: tokens[Math.floor(share * (tokens.length - 1))]?.startOffset ?? 0, own }));
  let text = clean;
  for (const [i, { offset, own }] of at.sort((a, b) => b.offset - a.offset).entries())
    text = `${text.slice(0, offset)}${own ? "\n" : " "}# c${i}.\n${text.slice(offset)}`;
  const commented = parsed(sourceFile("a.se", text));
  const once = formatText(commented.tree);
  const again = parsed(sourceFile("a.se", once));
  expect(commented.messages).toEqual([]);
  expect(withoutSpans(again.tree)).toEqual(withoutSpans(spec));
  for (const i of at.keys()) expect(once.split(`# c${i}.`).length).toBe(2);
  expect(formatText(again.tree)).toBe(once);
});

/** Reads and prints whatever comes; the only thing asked for is that nothing is thrown and every mistake has its place in the text. */
function survives(name: string, text: string): void {
  const diagnostics = new Diagnostics();
  const tree = parseSpec(sourceFile(name, text), diagnostics);
  for (const d of diagnostics.all) {
    const at = d.labels[0]?.span;
    expect(at && at.start >= 0 && at.start <= at.end && at.end <= text.length).toBe(true);
    renderText(d, { width: 60 });
    renderGithub(d);
  }
  renderJson(diagnostics.all);
  if (diagnostics.hasErrors) return;
  expect(tree).toBeDefined();
  if (tree) expect(parsed(sourceFile("a.se", formatText(tree))).messages).toEqual([]);
}

describe("nothing that is read makes the parser throw", () => {
  const junk = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.string(),
    fc
      .array(
        fc.constantFrom(
          ...'{}()[]|@.*:;,=#"\\/\n ',
          "se 1",
          "net a",
          "block b",
          "if",
          "else",
          "insert",
          "conv",
          "**",
          "0.1",
          "3x3",
          "residual",
        ),
        { maxLength: 40 },
      )
      .map((p) => p.join(" ")),
  );
  test.prop([junk], { numRuns: 500 })("junk", (text) => {
    survives("a.se", text);
    survives("a.se", `se 1\nnet a { ${text}`);
    survives("a.json", text);
    survives("a.json", `{"se": 1, "defs": [${text}]}`);
  });

  const cut = fc.tuple(fc.nat(100_000), fc.nat(30), fc.oneof(fc.constant(""), junk));
  test.prop([fc.nat(samples.length - 1), fc.array(cut, { minLength: 1, maxLength: 3 }), fc.boolean()], { numRuns: 200 })(
    "damaged samples",
    (n, cuts, asJson) => {
      let text = samples[n] ?? "";
      if (asJson) text = formatJson(parsed(sourceFile("a.se", text)).tree);
      for (const [offset, length, replacement] of cuts) {
        const start = offset % text.length;
        text = text.slice(0, start) + replacement + text.slice(start + length);
      }
      survives(asJson ? "a.json" : "a.se", text);
    },
  );

  test.each([
    ["braces", "{".repeat(20_000)],
    ["parentheses", `se 1 net a { x: conv(${"(".repeat(20_000)}`],
    ["signs", `se 1 net a { x: conv(${"-".repeat(20_000)}1) }`],
    ["nots", `se 1 net a { x: conv(${"not ".repeat(20_000)}1) }`],
    ["a sum", `se 1 net a { x: conv(${"1+".repeat(20_000)}1) }`],
    ["indices", `se 1 net a { x: conv(a${"[0]".repeat(20_000)}) }`],
    ["else if", `se 1 net a { ${"if a {} else ".repeat(20_000)} {} }`],
    ["else", `se 1 net a { ${"if a { x {} } else { ".repeat(20_000)}`],
    ["a selector", `se 1 net a from b { remove ${"a.".repeat(20_000)}b }`],
    ["layers", `se 1 net a { ${"relu ".repeat(20_000)} }`],
    ["statements that fail", `se 1 net a { ${"x: = ".repeat(2_000)} }`],
    ["lines that fail", `se 1 net a {\n${"x: =\n".repeat(2_000)} }`],
  ])("a flood of %s", (_, text) => survives("a.se", text));

  test.each([
    ["lists", '{"se":1,"defs":'.concat("[".repeat(20_000))],
    ["objects", '{"a":'.repeat(20_000)],
    ["statements", `{"se":1,"defs":[{"net":"a","body":[${'{"op":"relu"},'.repeat(5_000)}{"op":"relu"}]}]}`],
  ])("a flood of JSON %s", (_, text) => survives("a.json", text));
});
