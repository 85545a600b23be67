/** `--json`: one value a line on standard output, nothing else there, in the shape of the published schemas. */
import { describe, expect, test } from "vitest";
import type * as z from "zod";
import { outputSchemas } from "../../cli/output-schemas.ts";
import { tensors, WEIGHT } from "./bad-input-row.ts";
import { PLAIN, project, TINY, TWO } from "./project.ts";

const files = {
  "net.se": PLAIN,
  "tiny.se": TINY,
  "two.se": TWO,
  "bad.se": "se 1\nnet n { input x: f32[N, 3, 8, 8]  convv(3, 3)  output y }\n",
};

async function results<K extends keyof typeof outputSchemas>(
  kind: K,
  args: readonly string[],
): Promise<z.output<(typeof outputSchemas)[K]>[]> {
  const ran = await project(files).sec([...args, "--json"]);
  expect(ran.code, ran.err).toBe(0);
  return ran.json().map((value) => outputSchemas[kind].parse(value) as z.output<(typeof outputSchemas)[K]>);
}

describe("every command's output follows its schema", () => {
  test.each([
    ["check", ["check", "net.se"]],
    ["inspect", ["inspect", "net.se", "-t", "cpu,webgpu"]],
    ["compile", ["compile", "tiny.se", "two.se", "-t", "cpu,webgpu,tfjs"]],
    ["verify", ["verify", "two.se", "-t", "cpu", "--samples", "1", "--layers"]],
    ["run", ["run", "tiny.se", "--top", "2"]],
    ["bench", ["bench", "tiny.se", "-t", "wasm,cpu,onnx", "--runs", "2"]],
    ["ls", ["ls", "net.se", "@conv"]],
    ["expand", ["expand", "net.se"]],
    ["targets", ["targets"]],
    ["ops", ["ops"]],
    ["fmt", ["fmt", "two.se"]],
    ["init", ["init", "fresh"]],
    ["explain", ["explain", "SE202"]],
    ["explain", ["explain"]],
  ] as const)("%s: %j", async (kind, args) => {
    expect(await results(kind, args)).not.toEqual([]);
  });
});

test("inspect: the exact numbers of the documents", async () => {
  const [result] = await results("inspect", ["inspect", "net.se"]);
  expect(result).toMatchObject({
    net: "plain",
    inputs: [{ name: "image", dtype: "f32", shape: [1, 3, 32, 32] }],
    outputs: [{ name: "logits", dtype: "f32", shape: [1, 10] }],
    params: 21162,
    macs: 5604992,
  });
  expect(Object.keys(result ?? {})).toEqual([
    "net",
    "inputs",
    "outputs",
    "params",
    "macs",
    "elementOps",
    "activationBytes",
    "weightBytes",
    "tensors",
    "layers",
  ]);
  expect(result?.tensors[0]).toEqual({ name: "conv1.weight", shape: [32, 3, 3, 3], dtype: "f32", trainable: true });
  expect(result?.tensors.map((t) => t.name)).toEqual([
    "conv1.weight",
    ...["weight", "bias", "running_mean", "running_var", "num_batches_tracked"].map((t) => `bn1.${t}`),
    "conv2.weight",
    ...["weight", "bias", "running_mean", "running_var", "num_batches_tracked"].map((t) => `bn2.${t}`),
    "att.fc1.weight",
    "att.fc2.weight",
    "fc.weight",
    "fc.bias",
  ]);
  expect(result?.tensors.find((t) => t.name === "bn1.num_batches_tracked")).toMatchObject({ dtype: "i64", shape: [], trainable: false });
  expect(result?.layers[0]).toMatchObject({ path: "conv1", op: "conv", output: [1, 32, 32, 32], params: 864, macs: 884736 });
  expect(result?.layers.reduce((n, l) => n + l.params, 0)).toBe(21162);
  expect(result?.layers.reduce((n, l) => n + l.macs, 0)).toBe(5604992);
});

test("inspect: weights that fit change nothing of the result", async () => {
  const p = project({ "net.se": "se 1\nnet n { input x: f32[N, 4, 8, 8]  c: conv(2, 1)  output y }\n" });
  p.write("w.safetensors", tensors(WEIGHT, 32));
  const plain = await p.sec(["inspect", "net.se", "--json"]);
  const fitted = await p.sec(["inspect", "net.se", "--weights", "w.safetensors", "--json"]);
  expect(fitted).toMatchObject({ code: 0, out: plain.out, err: expect.stringContaining("1 of 1 tensors come from w.safetensors") });
});

test("inspect: --batch and --shape", async () => {
  const [batch] = await results("inspect", ["inspect", "net.se", "--batch", "3"]);
  expect(batch).toMatchObject({ params: 21162, macs: 3 * 5604992, outputs: [{ shape: [3, 10] }] });
  const [shape] = await results("inspect", ["inspect", "net.se", "--shape", "image=1x3x64x64"]);
  expect(shape).toMatchObject({ params: 21162, inputs: [{ shape: [1, 3, 64, 64] }] });
  expect(shape?.macs).toBe(4 * (884736 + 4718592) + 512 + 512 + 640);
});

test("compile: one object a line, a net after the other; paths are relative; the dry run says the same and writes nothing", async () => {
  const p = project(files);
  const ran = await p.sec(["compile", "two.se", "-t", "cpu,webgpu", "--json", "-o", "out/deep"]);
  const list = ran.json().map((v) => outputSchemas.compile.parse(v));
  expect(list.map((o) => [o.net, o.target])).toEqual([
    ["first", "cpu"],
    ["first", "webgpu"],
    ["second", "cpu"],
    ["second", "webgpu"],
  ]);
  const written = p.files().filter((f) => f.startsWith("out/"));
  expect(list.flatMap((o) => o.files.map((f) => f.path)).sort()).toEqual(written);
  for (const { path, bytes } of list.flatMap((o) => o.files)) expect(p.bytes(path).length).toBe(bytes);
  expect(list[1]?.dispatches).toBe(1);
  expect(list[0]?.arenaBytes).toBeGreaterThan(0);

  const q = project(files);
  const dry = await q.sec(["compile", "two.se", "-t", "cpu,webgpu", "--json", "-o", "out/deep", "--dry-run"]);
  expect(dry.json()).toEqual(ran.json());
  expect(q.files()).toEqual(Object.keys(files).sort());
});

test("run: every value of the output, and the largest of them", async () => {
  const [result] = await results("run", ["run", "tiny.se", "--top", "2", "--seed", "3"]);
  const output = result?.outputs[0];
  expect(result).toMatchObject({ net: "tiny", target: "wasm", inputs: [{ name: "image", shape: [1, 3, 6, 6], source: "random, seed 3" }] });
  expect(output).toMatchObject({ name: "logits", dtype: "f32", shape: [1, 5] });
  const largest = [...(output?.data ?? [])].map((value, index) => ({ index, value: value as number })).sort((a, b) => b.value - a.value);
  expect(output?.data).toHaveLength(5);
  expect(output?.top).toEqual(largest.slice(0, 2));
});

test("targets and ops: options and arguments as JSON Schema", async () => {
  const [targets] = await results("targets", ["targets"]);
  expect(targets?.targets.map((t) => t.name)).toEqual(["cpu", "onnx", "pytorch", "tfjs", "wasm", "webgpu"]);
  expect(targets?.targets.find((t) => t.name === "webgpu")?.options).toMatchObject({
    type: "object",
    properties: { f16: { type: "boolean" } },
  });
  const [ops] = await results("ops", ["ops", "conv"]);
  expect(ops?.ops).toHaveLength(1);
  expect(ops?.ops[0]).toMatchObject({ name: "conv", targets: { cpu: "native", tfjs: "native", webgpu: "native" } });
});

test("a failure: only diagnostics on standard output, with places in lines, columns and offsets", async () => {
  const ran = await project(files).sec(["compile", "bad.se", "-t", "cpu", "--json"]);
  expect(ran.code).toBe(1);
  expect(ran.err).toBe("");
  const [result] = ran.json().map((v) => outputSchemas.check.parse(v));
  expect(result?.diagnostics).toHaveLength(1);
  expect(result?.diagnostics[0]).toMatchObject({
    code: "SE104",
    severity: "error",
    labels: [{ file: "bad.se", start: { line: 2, column: 35, offset: 39 }, end: { line: 2, column: 40, offset: 44 } }],
  });
});

test("a warning without errors: exit 0, the result on standard output; check lists it", async () => {
  const warned = "se 1\nnet n { input x: f32[N, 3, 8, 8]  relu * 0  c: conv(3, 3)  output y }\n";
  const p = project({ "net.se": warned });
  const [checked] = (await p.sec(["check", "net.se", "--json"])).json().map((v) => outputSchemas.check.parse(v));
  expect(checked?.diagnostics.map((d) => d.severity)).toEqual(["warning"]);
  const compiled = await p.sec(["compile", "net.se", "-t", "cpu", "--json"]);
  expect(compiled.code).toBe(0);
  expect(compiled.json()).toHaveLength(1);
});
