/** Hostile and very large files: refused at once, or expanded in linear time (SE010, language.md section 15). */
import { describe, expect, test } from "vitest";
import { check } from "../../compiler/frontend.ts";
import type { Host } from "../../compiler/host.ts";
import { sourceFile } from "../../compiler/source.ts";

const noFiles: Host = { readText: () => ({ ok: false, reason: "no such file" }) };
const run = (text: string, host = noFiles) => check(sourceFile("net.se", text), host);
const codes = (text: string, host = noFiles): string[] => run(text, host).diagnostics.map((d) => d.code);
const net = (body: string, blocks = ""): string => `se 1\n${blocks}\nnet n { input x: f32[N, 8, 8, 8]\n${body}\noutput y }\n`;

describe("limits", () => {
  test("10^9 layers are refused after the first repetition", () => {
    expect(codes(net("{ { relu * 1000 } * 1000 } * 1000"))).toEqual(["SE010"]);
  });

  test("calls that do not exist count too", () => {
    expect(codes(net("{ { nothing_of_this_name * 1000 } * 1000 } * 1000"))).toEqual(["SE104", "SE010"]);
  });

  test("doubling blocks are refused", () => {
    const blocks = Array.from({ length: 40 }, (_, i) => (i === 0 ? "block b0 { relu }" : `block b${i} { b${i - 1}  b${i - 1} }`)).join(
      "\n",
    );
    expect(codes(net("b39", blocks))).toEqual(["SE010"]);
  });

  test("doubling blocks of nothing but empty groups are refused", () => {
    const blocks = Array.from({ length: 40 }, (_, i) => (i === 0 ? "block b0 { {} }" : `block b${i} { b${i - 1}  b${i - 1} }`)).join("\n");
    expect(codes(net("b39", blocks))).toEqual(["SE010"]);
  });

  test("doubling shared parts are refused", () => {
    const parts = Array.from({ length: 40 }, (_, i) =>
      i === 0 ? "t0: { relu }" : `t${i}: { shared("t${i - 1}")  shared("t${i - 1}") }`,
    ).join("\n");
    expect(codes(net(parts))).toEqual(["SE010"]);
  });

  test("doubling lists are refused", () => {
    const params = Array.from({ length: 40 }, (_, i) => (i === 0 ? "p0 = [1, 2]" : `p${i} = [p${i - 1}, p${i - 1}]`)).join(", ");
    expect(codes(net("b", `block b(${params}, q = p39 == p38) { if q { relu } }`))).toEqual(["SE010"]);
  });

  test("`* n` over the limit is refused", () => {
    expect(codes(net("relu * 10001"))).toEqual(["SE010"]);
  });

  test("a chain of calls deeper than the limit is refused", () => {
    const blocks = Array.from({ length: 5000 }, (_, i) => (i === 0 ? "block b0 { relu }" : `block b${i} { b${i - 1} }`)).join("\n");
    expect(codes(net("b4999", blocks))).toEqual(["SE010"]);
  });

  test("a chain of calls of 150 is fine", () => {
    const blocks = Array.from({ length: 150 }, (_, i) => (i === 0 ? "block b0 { relu }" : `block b${i} { b${i - 1} }`)).join("\n");
    expect(codes(net("b149", blocks))).toEqual([]);
  });

  test("a chain of nets that derive from one another is refused when it is too deep", () => {
    const nets = Array.from({ length: 2000 }, (_, i) =>
      i === 0 ? "net n0 { input x: f32[N, 8, 8, 8] relu output y }" : `net n${i}(p) from n${i - 1}${i > 1 ? "(p)" : ""}`,
    );
    const found = codes(`se 1\n${nets.join("\n").replace("net n1(p)", "net n1(p = 1)")}\nnet last from n1999(1)`);
    expect(new Set(found.filter((c) => c !== "SE191" && c !== "SE110"))).toEqual(new Set(["SE010"]));
  });

  test("`use` deeper than the limit is refused", () => {
    const host: Host = { readText: (path) => ({ ok: true, text: `se 1\nuse "f${Number(/\d+/.exec(path)?.[0]) + 1}.se"\n` }) };
    expect(codes('se 1\nuse "f0.se"\n', host)).toEqual(["SE010"]);
  });

  test("a cycle of definitions is reported once and does not run away", () => {
    expect(codes(net("a", "block a { b }\nblock b { c }\nblock c { a }"))).toEqual(["SE114"]);
  });
});

describe("size", () => {
  // anything quadratic would run into the test's time limit
  test("20,000 labelled layers", () => {
    expect(codes(net(Array.from({ length: 20_000 }, (_, i) => `l${i}: conv(8, 1)`).join("\n")))).toEqual([]);
  });

  test("jumps and residuals in a long net stay cheap", () => {
    const body = Array.from({ length: 5000 }, (_, i) => `r${i}: residual { main { c: conv(8, 3) b: bn } }  from r${i}`).join("\n");
    expect(codes(net(body))).toEqual([]);
  });
});
