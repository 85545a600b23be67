import { describe, expect, test } from "vitest";
import { Diagnostics } from "../../compiler/diagnostics/diagnostic.ts";
import { LIMITS } from "../../compiler/limits.ts";
import { type Span, sourceFile } from "../../compiler/source.ts";
import type { Expr, SpecFile, Statement } from "../../compiler/syntax/ast.ts";
import { formatExpr } from "../../compiler/syntax/format-parts.ts";
import { wholeFile } from "../../compiler/syntax/fragment.ts";
import { createGrammar } from "../../compiler/syntax/grammar.ts";
import { parseExpression, parsePath, parseSelector, parseSpec } from "../../compiler/syntax/parse.ts";
import { parsed } from "./parsed.ts";

const textOf = ({ file, start, end }: Span): string => file.text.slice(start, end);
const read = (text: string): SpecFile => {
  const { tree, messages } = parsed(sourceFile("a.se", text));
  expect(messages).toEqual([]);
  return tree;
};
const bodyOf = (statements: string): readonly Statement[] => {
  const [def] = read(`se 1 block a { ${statements} }`).defs;
  return def?.kind === "block" ? def.body.statements : [];
};
const codes = (text: string): string[] => {
  const diagnostics = new Diagnostics();
  parseSpec(sourceFile("a.se", text), diagnostics);
  return diagnostics.all.map((d) => d.code);
};

test("the grammar passes chevrotain's own checks", () => {
  expect(() => createGrammar(true)).not.toThrow();
});

describe("words", () => {
  test("every keyword may be a label, a branch, an argument and a part of a path", () => {
    const statements = bodyOf("set: conv(8, 1)  block: { if: relu }  add { from { residual: relu } in {} }  x(init=1)  from block.if.not");
    expect(statements.map((s) => (s.kind === "layer" ? (s.label?.text ?? "-") : s.kind))).toEqual(["set", "block", "-", "-", "from"]);
  });

  test("only merge words take branches: `relu { }` is a layer and a group", () => {
    expect(bodyOf("relu { gap }").map((s) => s.kind === "layer" && s.what.kind)).toEqual(["call", "group"]);
  });

  test("se, onnx, start, end and of are ordinary names elsewhere", () => {
    expect(codes("se 1 block onnx(start, end = start) { of: se(start)  end }")).toEqual([]);
  });

  test("line breaks only separate tokens", () => {
    expect(codes("se\n1\nnet\na\n{\ninput\nx\n:\nf32\n[\nN\n,\n3\n]\noutput\ny\n}")).toEqual([]);
  });

  test("CR LF and LF are the same", () => {
    const unix = "se 1\nnet a {\n  relu # c\n}\n";
    const [one, two] = [read(unix), read(unix.replaceAll("\n", "\r\n"))];
    expect(two.comments.map((c) => c.text)).toEqual(one.comments.map((c) => c.text));
    expect(two.defs.length).toBe(1);
  });
});

describe("numbers", () => {
  const parts = (text: string) =>
    parsePath(wholeFile(sourceFile("p", text)), new Diagnostics())?.parts.map((p) => (p.kind === "number" ? p.value : p.text));

  test.each([
    ["blocks.1.0.conv_pw", ["blocks", 1, 0, "conv_pw"]],
    ["0.1", [0, 1]],
    ["0.1.2.x", [0, 1, 2, "x"]],
    ["a.0.1e", undefined],
    ['"0".1', ["0", 1]],
  ])("the path %s", (text, expected) => expect(parts(text)).toEqual(expected));

  test("`0.1` at the start of a selector is two steps with their own places", () => {
    const selector = parseSelector(wholeFile(sourceFile("s", "0.1|2[c = 3].*")), new Diagnostics());
    expect(selector?.segments.map((s) => textOf(s.span))).toEqual(["0", "0.1|2[c = 3]", "*"]);
    expect(selector?.segments.map((s) => (s.atoms.kind === "parts" ? s.atoms.parts.map((p) => textOf(p.span)) : s.atoms.kind))).toEqual([
      ["0"],
      ["1", "2"],
      "any",
    ]);
  });

  test("behind a bar a number takes no fraction either", () => {
    const selector = parseSelector(wholeFile(sourceFile("s", "a|0.1.2")), new Diagnostics());
    expect(selector?.segments.map((s) => textOf(s.span))).toEqual(["a|0", "1", "2"]);
  });

  test.each(["1", "1.5", "1e3", "1.5e-3", "0.001"])("%s is the number it looks like", (text) => {
    const expr = parseExpression(wholeFile(sourceFile("e", text)), new Diagnostics());
    expect(expr).toMatchObject({ kind: "number", value: Number(text) });
  });
});

describe("operators", () => {
  const show = (e: Expr): string => {
    if (e.kind === "binary") return `(${show(e.left)} ${e.operator} ${show(e.right)})`;
    if (e.kind === "unary") return `(${e.operator} ${show(e.operand)})`;
    return textOf(e.span);
  };
  test.each([
    ["a or b and c", "(a or (b and c))"],
    ["not a == b and c", "((not (a == b)) and c)"],
    ["a - b - c", "((a - b) - c)"],
    ["a + b * c // d", "(a + ((b * c) // d))"],
    ["-a * b", "((- a) * b)"],
    ["a * -b.c[0]", "(a * (- b.c[0]))"],
    ["(a < b) == (c < d)", "((a < b) == (c < d))"],
    ["not not a", "(not (not a))"],
    ["(a + b) * c", "((a + b) * c)"],
  ])("%s", (text, expected) => {
    const diagnostics = new Diagnostics();
    const expr = parseExpression(wholeFile(sourceFile("e", text)), diagnostics);
    expect(diagnostics.all).toEqual([]);
    expect(expr && show(expr)).toBe(expected);
  });
});

test.each([
  "a - (b - c)",
  "(a + b) * c",
  "-(a + b)",
  "(a == b) == c",
  "(not a) == b",
  "not (a and b)",
  "(a or b) and c",
  "(1).c",
  "(-a)[0]",
  "a // (b * c)",
])("the parentheses of %s are kept, others are not", (text) => {
  for (const spelling of [text, `((${text}))`]) {
    const expr = parseExpression(wholeFile(sourceFile("e", spelling)), new Diagnostics());
    expect(expr && formatExpr(expr)).toBe(text);
  }
});

test("every node knows its place", () => {
  const [def] = read(
    'se 1\nnet b from a(x=1) {\n  insert se(reduction = 16) as "s-e"  at end of @conv[in.c >= 2]  except c  expect 2  init preserve\n}',
  ).defs;
  if (def?.kind !== "net" || def.form.kind !== "derived") throw new Error("not a derived net");
  const [edit] = def.form.edits;
  if (edit?.kind !== "insert") throw new Error("not an insert");
  expect(textOf(def.form.base.span)).toBe("a(x=1)");
  expect(textOf(edit.call.span)).toBe("se(reduction = 16)");
  expect(edit.call.args.map((a) => [textOf(a.span), a.name && textOf(a.name.span), textOf(a.value.span)])).toEqual([
    ["reduction = 16", "reduction", "16"],
  ]);
  expect([edit.as.text, textOf(edit.as.span), edit.place, textOf(edit.placeSpan)]).toEqual(["s-e", '"s-e"', "end", "at"]);
  expect(textOf(edit.selector.span)).toBe("@conv[in.c >= 2]");
  expect(edit.except.map((s) => textOf(s.span))).toEqual(["c"]);
  expect([edit.expect && textOf(edit.expect.span), edit.init && textOf(edit.init.span)]).toEqual(["2", "preserve"]);
  expect(textOf(edit.span)).toMatch(/^insert .* preserve$/);
});

test("an expression in JSON knows the place of every character, escapes included", () => {
  const text = '{"se":1,"defs":[{"block":"b","body":[{"op":"x","args":["=\\"\\u00e4\\" == a.\\u0062"]}]}]}';
  const { tree, messages } = parsed(sourceFile("a.json", text));
  expect(messages).toEqual([]);
  const def = tree.defs[0];
  const layer = def?.kind === "block" ? def.body.statements[0] : undefined;
  const value = layer?.kind === "layer" && layer.what.kind === "call" ? layer.what.args[0]?.value : undefined;
  if (value?.kind !== "binary") throw new Error("not a comparison");
  expect(value.left).toMatchObject({ kind: "string", value: "ä" });
  expect(textOf(value.left.span)).toBe('\\"\\u00e4\\"');
  expect(textOf(value.right.span)).toBe("a.\\u0062");
});

test("a file over the limit is refused before it is read", () => {
  const wide = "ä".repeat(LIMITS.fileBytes / 2);
  expect(codes(`se 1 # ${wide}`)).toEqual(["SE010"]);
  expect(codes(`se 1 # ${wide.slice(8)}`)).toEqual([]);
});

test("64 levels are read, 65 are not", () => {
  const nested = (n: number) => `se 1 block a { ${"{ ".repeat(n - 1)} relu ${"} ".repeat(n - 1)} }`;
  expect(codes(nested(LIMITS.nesting))).toEqual([]);
  expect(codes(nested(LIMITS.nesting + 1))).toEqual(["SE010"]);
});

test("JSON is told by its name or its first character", () => {
  expect(parsed(sourceFile("a.se", ' {"se": 1, "defs": []}')).messages).toEqual([]);
  expect(codes("{")).toEqual(["SE008"]);
});
