import { describe, expect, test } from "vitest";
import { type Diagnostic, diagnostic } from "../../compiler/diagnostics/diagnostic.ts";
import { plainTheme, renderGithub, renderJson, renderText } from "../../compiler/diagnostics/render.ts";
import { sourceFile, span } from "../../compiler/source.ts";

const message = { code: "SE104", severity: "error", title: "there is no `x`", notes: [], help: "say y" } as const;
const at = (text: string, marked: string): Diagnostic => {
  const file = sourceFile("a.se", text);
  const start = text.indexOf(marked);
  return diagnostic(message, span(file, start, start + marked.length));
};
const caretsUnder = (rendered: string): string => {
  const [, line = "", carets = ""] = rendered.split("\n");
  return line.slice(carets.indexOf("^"), carets.lastIndexOf("^") + 1);
};

describe("carets stand under what is meant", () => {
  test.each([
    ["plain", "  conv: xx(1)", "xx"],
    ["behind a tab", "\tconv:\txx(1)", "xx"],
    ["at the end", "conv: xx", "xx"],
    ["on a later line", "a\nb xx\nc", "xx"],
  ])("%s", (_, text, marked) => expect(caretsUnder(renderText(at(text, marked)))).toBe(marked));

  test("wide and combining characters count as the terminal shows them", () => {
    // 漢字 takes four columns, the accent none: ten in all before the mark
    expect(renderText(at('"漢字e\u0301": xx', "xx")).split("\n")[2]).toBe("    |          ^^");
  });

  test("a tab is shown as blanks up to the next stop", () => {
    expect(renderText(at("a\txx", "xx")).split("\n").slice(1, 3)).toEqual(["  1 | a   xx", "    |     ^^"]);
  });

  test("an empty place gets one caret", () => {
    const file = sourceFile("a.se", "abc");
    expect(renderText(diagnostic(message, span(file, 3, 3))).split("\n")[2]).toBe("    |    ^");
  });

  test("a place over several lines is marked to the end of its first", () => {
    expect(renderText(at("a {\n b }", "{\n b }")).split("\n")[2]).toBe("    |   ^");
  });

  test("only what can come near the screen is laid out: a file of one line costs no more than a short one", () => {
    const text = `${"\u{1f600}".repeat(1_000_000)} xx ${"b ".repeat(1_000_000)}`;
    // the time limit of the test is what a layout of the whole line would break
    let printed = "";
    for (let i = 0; i < 200; i++) printed = renderText(at(text, "xx"), { width: 81 });
    expect(caretsUnder(printed)).toBe("xx");
    expect(printed).toMatch(/^ {2}1 \| \.\.\.\u{1f600}+ xx (b )*b? ?\.\.\.$/mu);
  });

  test("a line too long for the screen is cut around the mark", () => {
    const rendered = renderText(at(`${"a ".repeat(200)}MARK${" b".repeat(200)}`, "MARK"), { width: 60 });
    for (const line of rendered.split("\n").slice(1, 3)) expect(line.length).toBeLessThanOrEqual(60);
    expect(caretsUnder(rendered)).toBe("MARK");
    expect(rendered.split("\n")[1]).toMatch(/\| \.\.\..*\.\.\.$/);
  });
});

test("the form of language.md section 15, other places and notes included", () => {
  const file = sourceFile("net.se", "se 1\nattn: CBAM(1)\n");
  const other = sourceFile("b.se", "\n\nblock");
  const shown = renderText(
    diagnostic(message, span(file, 11, 15), {
      notes: ["why"],
      related: [{ span: span(file, 0, 2), text: "it begins here" }, { span: span(other, 2, 7) }],
    }),
  );
  expect(shown).toBe(`net.se:2:7: error SE104: there is no \`x\`
  2 | attn: CBAM(1)
    |       ^^^^
  note: it begins here (line 1)
  note: the other place is b.se:3:1
  note: why
  help: say y`);
});

test("a problem without a place has no frame", () => {
  expect(renderText(diagnostic(message))).toBe("error SE104: there is no `x`\n  help: say y");
});

test("a terminal cannot be steered from a file", () => {
  const rendered = renderText(
    diagnostic({ ...message, title: "a\u001b[31m\u202eb\nc" }, span(sourceFile("a\u001b.se", "x\u001b[2Jy\u0000"), 0, 1)),
  );
  expect(["\u0000", "\u001b", "\u202e"].filter((c) => rendered.includes(c))).toEqual([]);
  expect(rendered.split("\n")[0]).toBe("a␛.se:1:1: error SE104: a␛[31m�b c");
});

test("colours come from the theme, part by part", () => {
  const theme = {
    ...plainTheme,
    error: (s: string) => `<e>${s}</e>`,
    caret: (s: string) => `<c>${s}</c>`,
    help: (s: string) => `<h>${s}</h>`,
  };
  expect(renderText(at("xx", "xx"), { theme }).split("\n")).toEqual([
    "a.se:1:1: <e>error SE104</e>: there is no `x`",
    "  1 | xx",
    "    | <c>^^</c>",
    "  <h>help:</h> say y",
  ]);
});

test("JSON has the shape of cli.md section 5", () => {
  expect(JSON.parse(renderJson([at("a\nb xx", "xx")]))).toEqual({
    diagnostics: [
      {
        code: "SE104",
        severity: "error",
        title: "there is no `x`",
        labels: [{ file: "a.se", start: { line: 2, column: 3, offset: 4 }, end: { line: 2, column: 5, offset: 6 } }],
        notes: [],
        help: "say y",
      },
    ],
  });
});

test("GitHub gets one line, its special characters escaped", () => {
  const file = sourceFile("a,b:c.se", "xx");
  expect(renderGithub(diagnostic({ ...message, title: "50%\nof it" }, span(file, 0, 2), { notes: ["why"] }))).toBe(
    "::error file=a%2Cb%3Ac.se,line=1,endLine=1,col=1,endColumn=3,title=SE104::50%25%0Aof it%0Anote: why%0Ahelp: say y",
  );
});
