/** Model files imported as `sec import` does it: the written spec, read again, with the written weights. */
import { readFileSync } from "node:fs";
import { expect } from "vitest";
import type { Backend } from "../../backends/backend.ts";
import { emitTarget } from "../../backends/emit.ts";
import { onnx } from "../../backends/onnx/index.ts";
import { parseBackendOptions } from "../../backends/registry.ts";
import { Diagnostics } from "../../compiler/diagnostics/diagnostic.ts";
import { compileFrontend } from "../../compiler/frontend.ts";
import { type ImportedModel, importModel } from "../../compiler/import/index.ts";
import { must } from "../../compiler/invariant.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
import { sourceFile } from "../../compiler/source.ts";
import type { WeightReader } from "../../compiler/weights/source.ts";
import { graphOf, readerOf } from "./whole-nets.ts";

export interface Imported extends ImportedModel {
  readonly graph: Graph;
  readonly weightReader: WeightReader;
}

export function importedFrom(bytes: Uint8Array, file: string): Imported {
  const model = importModel(bytes, { file });
  if ("problem" in model) throw new Error(`${file}: ${model.problem.code} ${model.problem.title}`);
  const graph = graphOf(model.spec, model.net.name);
  return { ...model, graph, weightReader: readerOf(graph, must(model.weights, "weights")) };
}

export const importedFile = (file: string): Imported => importedFrom(readFileSync(file), file.split("/").at(-1) as string);

/** The model as a spec takes it in place, with these edits; the batch is the first of the sizes. */
export function netInPlace(model: Uint8Array, edits: string, shapes: Readonly<Record<string, readonly number[]>>): Graph {
  const diagnostics = new Diagnostics();
  const entry = sourceFile("edited.se", `se 1\nnet edited from onnx "model.onnx" { ${edits} }\n`);
  const host = {
    readText: () => ({ ok: false as const, reason: "there is no such file" }),
    readBytes: () => ({ ok: true as const, bytes: model }),
  };
  const { nets } = compileFrontend(entry, host, diagnostics, { shapes });
  expect(diagnostics.all).toEqual([]);
  return must(nets[0]?.graph, "the graph");
}

/** The model file of a graph. */
export function onnxBytes(graph: Graph, weights: WeightReader, options: Readonly<Record<string, unknown>> = {}): Uint8Array {
  const backend = onnx as unknown as Backend;
  const diagnostics = new Diagnostics();
  const parsed = parseBackendOptions(backend, options, diagnostics);
  const emitted = emitTarget({ backend, graph, options: parsed, weights, batch: 1, level: 2, diagnostics, source: "net.se" });
  if (diagnostics.hasErrors) throw new Error(diagnostics.all.map((d) => d.title).join("\n"));
  return emitted.artifacts.find((a) => a.path.endsWith(".onnx"))?.contents as Uint8Array;
}

/** Outputs of ONNX Runtime, by name; inputs with their batch in front. */
export async function runtimeOutputs(
  model: Uint8Array,
  inputs: Readonly<Record<string, { readonly data: Float32Array; readonly shape: readonly number[] }>>,
): Promise<Record<string, Float32Array>> {
  const ort = await import("onnxruntime-node");
  const session = await ort.InferenceSession.create(model, { logSeverityLevel: 3 });
  try {
    const feeds = Object.fromEntries(
      Object.entries(inputs).map(([name, { data, shape }]) => [name, new ort.Tensor("float32", data, shape)]),
    );
    const results = await session.run(feeds);
    return Object.fromEntries(Object.entries(results).map(([name, t]) => [name, t.data as Float32Array]));
  } finally {
    await session.release();
  }
}
