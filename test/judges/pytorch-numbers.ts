/**
 * model.py of every net that ships, in parts: PyTorch makes the weights, runs the net and writes them with the net's own `save_weights`; the
 * cpu target reads that file and gives the same numbers.
 */
import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import type { Backend } from "../../backends/backend.ts";
import { cpu } from "../../backends/cpu/index.ts";
import { emitTarget } from "../../backends/emit.ts";
import { pytorch } from "../../backends/pytorch/index.ts";
import { modelText } from "../../backends/pytorch/model.ts";
import { fileSource } from "../../cli/weights.ts";
import { Diagnostics } from "../../compiler/diagnostics/diagnostic.ts";
import type { CheckedNet } from "../../compiler/frontend.ts";
import { vectorMemory } from "../../compiler/vectors/memory.ts";
import { matchWeights } from "../../compiler/weights/check.ts";
import { memoryStore } from "../../compiler/weights/piece-store.ts";
import { weightReader } from "../../compiler/weights/reader.ts";
import { type ByteSource, openSafetensors } from "../../compiler/weights/safetensors.ts";
import type { WeightReader } from "../../compiler/weights/source.ts";
import { type Answering, pythonFor, startScript, temporary } from "./python.ts";
import { smallNet } from "./pytorch-nets.ts";
import { everyNet } from "./whole-nets.ts";

/** The two targets of one net, each within its own limit of the reference: so within the sum of each other. */
const LIMIT = (cpu.wholeNetLimit ?? 0) + (pytorch.wholeNetLimit ?? 0);

/** Where tensors are made and the weights file of the cpu target lies: memory that the next net takes (why: scripts/test.mjs). */
const memory = vectorMemory();
const packedMemory = memory.region("piece");

const shapeAt1 = (shape: readonly (number | string)[]): number[] => shape.map((d) => (typeof d === "number" ? d : 1));
const floats = (file: string): Float32Array => {
  const bytes = readFileSync(file);
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
};

function readerOf({ graph }: CheckedNet, source: ByteSource): WeightReader {
  const opened = openSafetensors("weights.safetensors", source);
  if (!opened.ok) throw new Error(opened.problem.title);
  const { plan, diagnostics } = matchWeights(graph, opened.file, {});
  expect(diagnostics.map((d) => d.title)).toEqual([]);
  return weightReader({ plan, file: opened.file, memory });
}

async function ourNumbers(net: CheckedNet, weights: WeightReader, inputs: Readonly<Record<string, Float32Array>>) {
  const diagnostics = new Diagnostics();
  const backend = cpu as unknown as Backend;
  const { graph, tree } = net;
  const emitted = emitTarget({
    backend,
    graph,
    tree,
    options: {},
    weights,
    batch: 1,
    level: 2,
    diagnostics,
    source: "net.se",
    store: memoryStore(packedMemory),
  });
  expect(diagnostics.all).toEqual([]);
  const runner = await backend.runner?.(emitted.artifacts, graph.name);
  if (!runner || "unavailable" in runner) throw new Error("the cpu target runs everywhere");
  try {
    return await runner.run(inputs);
  } finally {
    await runner.close();
  }
}

/** Largest difference over the largest value; infinite for what is not a number. */
function difference(ours: Float32Array, theirs: Float32Array): number {
  const largest = theirs.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
  let worst = 0;
  ours.forEach((v, i) => {
    const error = Math.abs(v - (theirs[i] as number)) / largest;
    if (!(error <= worst)) worst = Number.isNaN(error) ? Number.POSITIVE_INFINITY : error;
  });
  return worst;
}

async function judge(net: CheckedNet, folder: string): Promise<number> {
  const { graph } = net;
  const numbersOf = (name: string): Float32Array => floats(path.join(folder, `${name}.f32`));
  const inputs = Object.fromEntries(graph.inputs.map((v) => [v.name, numbersOf(v.name)]));
  const file = openSync(path.join(folder, "weights.safetensors"), "r");
  const ours = await ourNumbers(net, readerOf(net, fileSource(file)), inputs).finally(() => closeSync(file));
  expect(Object.keys(ours)).toEqual(graph.outputs.map((o) => o.name));
  const errors = Object.entries(ours).map(([name, values]) => {
    const theirs = numbersOf(name);
    expect(theirs.length).toBe(values.length);
    // numbers that are all alike would agree whatever the weights are
    if (theirs.length > 1) expect(new Set(theirs).size, `different values of ${name}`).toBeGreaterThan(1);
    return difference(values, theirs);
  });
  return Math.max(...errors);
}

/** The tests of one of `parts` files: every so-many-th net, so that families are spread. */
export function pytorchNumbers(part: number, parts: number): void {
  let torch: Answering | undefined;
  afterAll(() => torch?.close());
  const folder = temporary();
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const nets = everyNet().filter((_, i) => i % parts === part - 1);
  test.for(nets)("$net: names, shapes and numbers of PyTorch", { timeout: 600_000 }, async (which, context) => {
    torch ??= startScript(pythonFor(context), "pytorch_numbers.py");
    const net = smallNet(which);
    const { graph, tree } = net;
    writeFileSync(path.join(folder, "model.py"), modelText(graph, tree, "net.se", "none.safetensors").text);
    const shapes = Object.fromEntries(graph.inputs.map((v) => [v.name, shapeAt1(v.type.shape)]));
    writeFileSync(path.join(folder, "inputs.json"), JSON.stringify(shapes));
    const state = JSON.parse(await torch.ask(folder)) as { name: string; shape: number[]; dtype: string }[];
    expect(state).toEqual(
      graph.weights.map((w) => ({
        name: w.path,
        shape: w.value.type.shape,
        dtype: w.value.type.dtype === "i64" ? "torch.int64" : "torch.float32",
      })),
    );
    const worst = await judge(net, folder);
    console.log(`${which.net}: ${worst.toExponential(1)} of the largest value`);
    expect(worst).toBeLessThanOrEqual(LIMIT);
  });
}
