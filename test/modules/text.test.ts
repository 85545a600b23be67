/** Names, numbers and strings of users in emitted text. */
import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import {
  commentText,
  f32Literal,
  identifier,
  numberLiteral,
  propertyKey,
  stringLiteral,
  templateLiteral,
} from "../../backends/module/text.ts";

/** The value of a literal as JavaScript reads it: emitted text is what is under test. */
const read = (literal: string): unknown => new Function(`return ${literal}`)();

describe("identifier", () => {
  test("mangles to plain identifiers and keeps them distinct", () => {
    const taken = new Set<string>();
    const names = ["layer1.0.conv1", "layer1-0.conv1", "layer1_0_conv1", "1x1", "", "_", "__proto__", "class", "vec4", "naïve", "a*/b"];
    const made = names.map((n) => identifier(n, taken));
    expect(made).toEqual([
      "layer1_0_conv1",
      "layer1_0_conv1_2",
      "layer1_0_conv1_3",
      "_1x1",
      "unnamed",
      "unnamed_2",
      "_proto__",
      "class_",
      "vec4_",
      "na_ve",
      "a_b",
    ]);
    expect(new Set(made).size).toBe(made.length);
  });

  test.prop([fc.array(fc.string({ unit: "binary" }), { minLength: 1, maxLength: 20 })])("is an identifier for every text", (texts) => {
    const taken = new Set<string>();
    for (const text of texts) {
      const name = identifier(text, taken);
      expect(name).toMatch(/^[A-Za-z_][A-Za-z0-9_]*$/);
      expect(() => new Function(`"use strict"; let ${name};`)).not.toThrow();
    }
    expect(taken.size).toBe(texts.length);
  });
});

describe("literals", () => {
  test.prop([fc.string({ unit: "binary" })])("a string literal reads back and cannot end a script", (text) => {
    expect(read(stringLiteral(text))).toBe(text);
    expect(stringLiteral(`${text}</script>`)).not.toContain("</");
    expect(stringLiteral(text)).not.toMatch(/[\u2028\u2029\n]/);
  });

  test.prop([fc.string({ unit: "binary" })])("a template literal reads back", (text) => {
    // template literals normalise carriage returns
    const plain = text.replaceAll("\r", "");
    expect(read(templateLiteral(plain))).toBe(plain);
  });

  test.prop([fc.string({ unit: "binary" })])("a property key makes an own property of that name", (key) => {
    expect(Object.keys(read(`({ ${propertyKey(key)}: 1 })`) as object)).toEqual([key]);
  });

  test.prop([fc.double()])("a number literal reads back exactly", (value) => {
    expect(Object.is(read(numberLiteral(value)), value)).toBe(true);
  });

  test.prop([fc.float({ noNaN: true, noDefaultInfinity: true })])("an f32 literal rounds back exactly and reads as a float", (value) => {
    const text = f32Literal(value);
    expect(Object.is(Math.fround(Number(text)), Math.fround(value))).toBe(true);
    expect(text).toMatch(/[.e]/);
  });

  test("f32 literals are short", () => {
    expect([0.1, 1 / 6, 3, -0, 1e-7, 3.4028234663852886e38].map(f32Literal)).toEqual([
      "0.1",
      "0.16666667",
      "3.0",
      "-0.0",
      "1e-7",
      "3.4028235e+38",
    ]);
    expect(() => f32Literal(Number.NaN)).toThrow(RangeError);
  });
});

test.prop([fc.string({ unit: "binary" })])("comment text cannot end a comment, a line or a template literal", (text) => {
  expect(commentText(`${text}*/\`\${x}\n</script>`)).not.toMatch(/\*\/|`|\$\{|[\n\r\u2028\u2029]|<\//);
});
