/** What an import refuses, it refuses with one message that says all: SE601, SE602, SE603. */
import { describe, expect, test } from "vitest";
import { importModel } from "../../compiler/import/index.ts";
import { handModel } from "../judges/onnx-models.ts";

/** A model whose nodes form a chain from `x` to the last node's output. */
const model = (ops: readonly (readonly [name: string, op: string])[], shape: readonly (number | string)[]): Uint8Array =>
  handModel({
    input: ["x", shape],
    nodes: ops.map(([name, op], i) => ({ name, op, inputs: [i === 0 ? "x" : `v${i - 1}`], output: `v${i}` })),
    output: `v${ops.length - 1}`,
  });

function refusal(bytes: Uint8Array): { code: string; title: string; help?: string | undefined } {
  const outcome = importModel(bytes, { file: "m.onnx" });
  if (!("problem" in outcome)) throw new Error(`imported: ${outcome.spec}`);
  return outcome.problem;
}

describe("models that cannot be imported", () => {
  test("what is supported comes in", () => {
    const outcome = importModel(model([["a", "Relu"]], ["N", 3, 8, 8]), { file: "m.onnx" });
    expect("problem" in outcome ? outcome.problem : outcome.spec).toContain("relu");
  });

  test("SE602 names every node that has no equivalent, and counts them", () => {
    const { code, title } = refusal(
      model(
        [
          ["first", "Relu"],
          ["odd one", "NonZero"],
          ["between", "Relu"],
          ["last", "Einsum"],
        ],
        ["N", 3, 8, 8],
      ),
    );
    expect(code).toBe("SE602");
    expect(title).toMatch(/^2 of the nodes of `m\.onnx`/);
    expect(title).toContain("odd one");
    expect(title).toContain("last");
    expect(title).not.toContain("between");
  });

  test("SE601: an output that is a constant, or that no node makes", () => {
    const chain = { input: ["x", ["N", 3, 8, 8]] as const, nodes: [{ op: "Relu", inputs: ["x"], output: "a" }] };
    const one = { shape: [1], data: [1] };
    const stated = refusal(handModel({ ...chain, output: "k", tensors: { k: one } }));
    expect(stated).toMatchObject({ code: "SE601", title: "the output `k` of `m.onnx` is a constant: it is the same for every input" });
    const sum = { op: "Add", inputs: ["k", "k"], output: "s" };
    expect(refusal(handModel({ ...chain, nodes: [...chain.nodes, sum], output: "s", tensors: { k: one } })).title).toContain("a constant");
    const missing = refusal(handModel({ ...chain, output: "elsewhere" }));
    expect(missing).toMatchObject({ code: "SE601", title: "the output `elsewhere` of `m.onnx` is made by none of its nodes" });
    // beside an output that is made
    const two = refusal(handModel({ ...chain, output: "a", more: ["k"], tensors: { k: one } }));
    expect(two.title).toContain("`k`");
  });

  test("SE603: open sizes, with the flag that gives them", () => {
    const { code, title, help } = refusal(model([["a", "Relu"]], ["N", 3, "height", "width"]));
    expect(code).toBe("SE603");
    expect(title).toContain("`x`");
    expect(help).toContain("--shape x=");
  });

  test("SE601: bytes that are no model; every cut of a model is refused or read, never a throw", () => {
    expect(refusal(new TextEncoder().encode("no model at all")).code).toBe("SE601");
    const whole = model([["a", "Relu"]], ["N", 3, 8, 8]);
    for (let n = 0; n < whole.length; n++) {
      const outcome = importModel(whole.subarray(0, n), { file: "m.onnx" });
      if ("problem" in outcome) expect(outcome.problem.code).toMatch(/^SE60[123]$/);
    }
  });

  test("folding constants makes no more than the file holds, and a few numbers", () => {
    const w = { shape: [1024, 1024], data: Array.from({ length: 1 << 20 }, () => 0) };
    const turned = Array.from({ length: 50 }, (_, i) => ({ op: "Transpose", inputs: [i === 0 ? "w" : `t${i - 1}`], output: `t${i}` }));
    const relu = { op: "Relu", inputs: ["x"], output: "y" };
    const { code, title } = refusal(handModel({ nodes: [...turned, relu], output: "y", tensors: { w } }));
    expect(code).toBe("SE602");
    expect(title).toMatch(/^1 of the nodes .*`t3`/);
  });

  test("changed bytes never throw", () => {
    const whole = model(
      [
        ["a", "Relu"],
        ["b", "Softmax"],
      ],
      ["N", 3, 8, 8],
    );
    for (let at = 0; at < whole.length; at++) {
      for (const value of [0, 0x7f, 0xff]) {
        const changed = whole.slice();
        changed[at] = value;
        const outcome = importModel(changed, { file: "m.onnx" });
        if ("problem" in outcome) expect(outcome.problem.code).toMatch(/^SE\d{3}$/);
      }
    }
  });
});
