/** `init preserve` on ResNet-50 as it ships: the weights of the net before the edit give the same logits, bit for bit. */
import { describe, expect, test } from "vitest";
import type { Backend } from "../backends/backend.ts";
import { cpu } from "../backends/cpu/index.ts";
import type { Graph } from "../compiler/ir/graph.ts";
import { outputOn } from "./judges/describe-torch.ts";
import { hashedWeights } from "./judges/hashed-values.ts";
import { torchInput } from "./judges/torch.ts";
import { graphOf, readerOf, shippedGraph } from "./judges/whole-nets.ts";

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
