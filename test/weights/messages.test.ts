import { expect, test } from "vitest";
import { type Diagnostic, diagnostic } from "../../compiler/diagnostics/diagnostic.ts";
import { renderText } from "../../compiler/diagnostics/render.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
import { LIMITS } from "../../compiler/limits.ts";
import { type MatchOptions, matchWeights } from "../../compiler/weights/check.ts";
import { checkValues } from "../../compiler/weights/check-values.ts";
import { bytesSource, openSafetensors, type TensorFile, writeSafetensors } from "../../compiler/weights/safetensors.ts";
import { openShards } from "../../compiler/weights/shards.ts";
import { graphOf, type Listed, virtualFile } from "./nets.ts";

const text = `se 1
net pets { input image: f32[N, 3, 8, 8]  stem: { conv: conv(8, 3)  bn: bn }  relu
  residual { main { conv1: conv(8, 3) bn1: bn } shortcut {} }  relu
  gap  flatten  fc: linear(10)  output logits }
net gated from pets { insert se(reduction=4) as se after **.bn1 }`;
const pets = graphOf(text, "pets");
const gated = graphOf(text, "gated");
const tensors = (graph: Graph): Listed[] => graph.weights.map((w) => ({ name: w.path, shape: w.value.type.shape as number[] }));
const file = (list: Listed[]): TensorFile => virtualFile(list, "old.safetensors");
const problems = (graph: Graph, list: Listed[], options?: MatchOptions): readonly Diagnostic[] =>
  matchWeights(graph, file(list), options).diagnostics;
const opened = (name: string, bytes: Uint8Array): Diagnostic[] => {
  const result = openSafetensors(name, bytesSource(bytes));
  return result.ok ? [] : [diagnostic(result.problem)];
};
const sharded = (index: string): Diagnostic[] => {
  const result = openShards("m.safetensors.index.json", index, () => undefined);
  return result.ok ? [] : [diagnostic(result.problem)];
};
const stored = (dtype: string): TensorFile => {
  const base = file(tensors(pets));
  return { ...base, tensors: new Map([...base.tensors].map(([n, t]) => [n, n === "fc.weight" ? { ...t, dtype } : t])) };
};
const values = (): readonly Diagnostic[] => {
  const list = tensors(pets).filter((t) => !t.name.endsWith("tracked"));
  const data = (t: Listed): Float32Array => {
    const out = new Float32Array(t.shape.reduce((a, b) => a * b, 1)).fill(1);
    if (t.name === "stem.bn.running_var") out[3] = -1e-3;
    if (t.name === "fc.weight") out[0] = Number.NaN;
    return out;
  };
  const bytes = writeSafetensors(list.map((t) => ({ ...t, data: data(t) })));
  const result = openSafetensors("old.safetensors", bytesSource(bytes));
  if (!result.ok) throw new Error(result.problem.title);
  return checkValues(matchWeights(pets, result.file).plan!, result.file);
};

test("messages about weights, as the user sees them", async () => {
  const all = tensors(pets);
  const huge = file(all);
  const big = {
    ...huge,
    bytes: 9_000_000,
    tensors: new Map([...huge.tensors].map(([n, t], i) => [n, i === 0 ? { ...t, end: t.begin + LIMITS.tensorBytes + 4 } : t])),
  };
  const shown: [string, readonly Diagnostic[]][] = [
    [
      "missing",
      problems(
        pets,
        all.filter((t) => !t.name.startsWith("fc.")),
      ),
    ],
    [
      "renamed",
      problems(
        pets,
        all.map((t) => ({ ...t, name: t.name.replace("stem", "layer0").replace("fc", "last_linear") })),
      ),
    ],
    [
      "a part renamed, a part missing",
      problems(
        pets,
        all.map((t) => ({ ...t, name: t.name.replace("stem", "layer0") })).filter((t) => t.name !== "fc.bias"),
      ),
    ],
    ["extra", problems(pets, [...all, { name: "aux.weight", shape: [10, 8] }, { name: "stem.conv.bias", shape: [8] }])],
    ["fresh", problems(pets, all, { fresh: ["fcc"] })],
    [
      "half of an insertion",
      problems(
        gated,
        tensors(gated).filter((t) => !t.name.endsWith("fc2.weight")),
      ),
    ],
    [
      "another number of classes",
      problems(
        pets,
        all.map((t) => (t.name.startsWith("fc.") ? { ...t, shape: [1000, ...t.shape.slice(1)] } : t)),
      ),
    ],
    [
      "one other shape",
      problems(
        pets,
        all.map((t) => (t.name === "fc.bias" ? { ...t, shape: [11] } : t)),
      ),
    ],
    ["an insertion the file does not have", problems(gated, all)],
    [
      "collision",
      matchWeights(pets, file([...all, { name: "head.weight", shape: [10, 8] }]), { rename: [{ from: ["head"], to: ["fc"] }] }).diagnostics,
    ],
    ["dtype", matchWeights(pets, stored("F8_E4M3")).diagnostics],
    ["malformed", opened("cut.safetensors", new Uint8Array([9, 0, 0]))],
    ["pickle", opened("net.pth", new Uint8Array(20))],
    ["foreign", opened("net.h5", new Uint8Array(20))],
    ["shards", sharded('{"weight_map": {"a": "../a.safetensors"}}')],
    ["values", values()],
    ["size", matchWeights(pets, big).diagnostics],
  ];
  const codes = new Set(shown.flatMap(([, list]) => list.map((d) => d.code)));
  expect([...codes].sort()).toEqual(["SE401", "SE402", "SE403", "SE405", "SE406", "SE407", "SE408", "SE491", "SE492"]);
  const page = shown.map(([what, list]) => `# ${what}\n\n${list.map((d) => renderText(d)).join("\n\n")}\n`).join("\n");
  await expect(page).toMatchFileSnapshot("messages.txt");
});
