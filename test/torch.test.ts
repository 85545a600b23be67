/** PyTorch judges cpu and tfjs: the recorded outputs always, PyTorch itself where it is installed. And `init preserve` on whole nets. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import type { Backend } from "../backends/backend.ts";
import { cpu } from "../backends/cpu/index.ts";
import { tfjs } from "../backends/tfjs/index.ts";
import type { Graph } from "../compiler/ir/graph.ts";
import { bytesSource, openSafetensors, type StoredTensor, type TensorFile } from "../compiler/weights/safetensors.ts";
import { describeTorch, outputOn } from "./judges/describe-torch.ts";
import { hashedWeights } from "./judges/hashed-values.ts";
import { useTfjs } from "./judges/tfjs-backend.ts";
import { askTorch, findTorch, recorded, torchCases, torchInput } from "./judges/torch.ts";
import { graphOf, readerOf, shippedGraph } from "./judges/whole-nets.ts";

beforeAll(async () => {
  await useTfjs("wasm");
});

describeTorch(cpu as unknown as Backend);
describeTorch(tfjs as unknown as Backend);

const opened = (bytes: Uint8Array): TensorFile => {
  const file = openSafetensors("weights.safetensors", bytesSource(bytes));
  if (!file.ok) throw new Error(file.problem.title);
  return file.file;
};

const bytesOf = (t: StoredTensor): Uint8Array => t.source.read(t.begin, t.end);

describe("the numbers of both sides are the same", () => {
  // resnet50's names and shapes are se_resnet50's too
  test.each(torchCases.filter((c) => c.title !== "se_block" && c.title !== "resnet50"))("weights of $title, bit for bit", (c) => {
    const python = findTorch();
    if (!python) {
      // without Python the outputs alone tell: other weights would give other outputs
      expect(process.env.CI).toBeFalsy();
      expect(recorded(c.judge).values.length).toBeGreaterThan(50);
      return;
    }
    const folder = mkdtempSync(path.join(tmpdir(), "sec-torch-"));
    try {
      const name = path.join(folder, "weights.safetensors");
      askTorch(python, c.judge, { weights: name, every: 1000 });
      const [theirs, ours] = [opened(readFileSync(name)), opened(c.weightsFile())];
      expect([...theirs.tensors.keys()].sort()).toEqual([...ours.tensors.keys()].sort());
      for (const [tensor, stored] of theirs.tensors) {
        const own = ours.tensors.get(tensor);
        expect(own?.shape, tensor).toEqual(stored.shape);
        const same = own !== undefined && Buffer.compare(bytesOf(stored), bytesOf(own)) === 0;
        expect(same, tensor).toBe(true);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

/** Weights of ResNet-50 alone: the inserted blocks start by `init preserve`. */
async function logits(graph: Graph, file: Uint8Array): Promise<Float32Array> {
  const output = await outputOn(cpu as unknown as Backend, graph, readerOf(graph, file), 1, torchInput(graph, 1));
  if (typeof output === "string") throw new Error(output);
  return output;
}

const different = (a: Float32Array, b: Float32Array): number =>
  a.length === b.length ? a.reduce((n, v, i) => n + (Object.is(v, b[i]) ? 0 : 1), 0) : Number.POSITIVE_INFINITY;

describe("init preserve on ResNet-50: the same logits, bit for bit, on cpu", () => {
  const edited = (edit: string, shapes?: Readonly<Record<string, readonly number[]>>): Graph =>
    graphOf(`se 1\nuse "resnet.se"\nnet x from resnet50 { ${edit} }\n`, "x", shapes);

  test("se after all 16 residual branches, at 224", async () => {
    const graph = shippedGraph("resnet.se", "resnet50");
    const file = hashedWeights(graph);
    const before = await logits(graph, file);
    const insert = "insert se(reduction=16) as se after @residual.main expect 16";
    expect(different(await logits(edited(`${insert} init preserve`), file), before)).toBe(0);
  });

  const shapes = { image: [1, 3, 32, 64] };
  const small = { before: undefined as Float32Array | undefined };
  const base = (): Graph => shippedGraph("resnet.se", "resnet50", shapes);
  const file = (): Uint8Array => hashedWeights(base());

  test.each([
    ["eca after bn3", "insert eca as g after @residual.main expect 16"],
    ["ese after bn3", "insert ese as g after @residual.main expect 16"],
    ["cbam after bn3", "insert cbam(reduction=16) as g after @residual.main expect 16"],
    ["scse after bn3", "insert scse(reduction=16) as g after @residual.main expect 16"],
    ["se before conv1", "insert se(reduction=16) as g before @residual.main expect 16"],
    ["se after the relu that follows bn2", "insert se(reduction=16) as g before @bottleneck.conv3 expect 16"],
  ])("%s, at 32 x 64", async (_, edit) => {
    small.before ??= await logits(base(), file());
    expect(different(await logits(edited(`${edit} init preserve`, shapes), file()), small.before)).toBe(0);
  });

  test("another start of the gates does change them", async () => {
    small.before ??= await logits(base(), file());
    const changed = await logits(edited("insert se(reduction=16) as se after @residual.main expect 16", shapes), file());
    expect(different(changed, small.before)).toBeGreaterThan(900);
  });
});
