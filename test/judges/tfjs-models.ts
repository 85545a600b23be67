/** Models of TensorFlow.js saved in memory, and what they answer: the judge of their imports. */
import type * as Tf from "@tensorflow/tfjs";
import { expect } from "vitest";
import type { Backend } from "../../backends/backend.ts";
import { cpu } from "../../backends/cpu/index.ts";
import { emitTarget } from "../../backends/emit.ts";
import { parseBackendOptions } from "../../backends/registry.ts";
import { seededValues } from "../../backends/testing-samples.ts";
import { Diagnostics } from "../../compiler/diagnostics/diagnostic.ts";
import { type ImportOptions, importModel } from "../../compiler/import/index.ts";
import { must } from "../../compiler/invariant.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
import { numel } from "../../compiler/ir/type.ts";
import { boundShape } from "../../compiler/reference/run.ts";
import type { WeightReader } from "../../compiler/weights/source.ts";
import type { Imported } from "./imported.ts";
import { graphOf, readerOf } from "./whole-nets.ts";

export interface TfjsFiles {
  readonly json: Uint8Array;
  readonly shards: ReadonlyMap<string, Uint8Array>;
}

/** The files of a model, its weights in two shards that are cut in the middle of a number. */
export function filesOf({ weightData, weightSpecs, ...artifacts }: Tf.io.ModelArtifacts): TfjsFiles {
  const data = new Uint8Array((weightData as ArrayBuffer | undefined) ?? new ArrayBuffer(0));
  const cut = Math.min(Math.floor(data.length / 2) | 1, data.length);
  const paths = ["group1-shard1of2.bin", "group1-shard2of2.bin"] as const;
  return {
    json: new TextEncoder().encode(JSON.stringify({ ...artifacts, weightsManifest: [{ paths, weights: weightSpecs ?? [] }] })),
    shards: new Map([
      [paths[0], data.slice(0, cut)],
      [paths[1], data.slice(cut)],
    ]),
  };
}

/** What `model.save` writes. */
export async function savedFiles(tf: typeof Tf, model: Tf.LayersModel): Promise<TfjsFiles> {
  let files: TfjsFiles | undefined;
  await model.save(
    tf.io.withSaveHandler(async (artifacts) => {
      files = filesOf(artifacts);
      return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: "JSON" } };
    }),
  );
  return must(files, "the files");
}

/** Values of all tensors, so that every one of them matters: norms too, with variances above 0. */
export function withSeededWeights(tf: typeof Tf, model: Tf.LayersModel): Tf.LayersModel {
  for (const [i, weight] of model.weights.entries()) {
    const shape = weight.shape as number[];
    const range: [number, number] = /variance|gamma/.test(weight.name) ? [0.5, 1.5] : [-0.5, 0.5];
    (weight as unknown as { write(value: Tf.Tensor): void }).write(tf.tensor(seededValues(`w${i}`, numel(shape), range), shape));
  }
  return model;
}

export const importFiles = ({ json, shards }: TfjsFiles, options: Partial<ImportOptions> = {}): ReturnType<typeof importModel> =>
  importModel(json, { file: "model.json", name: "imported", readPart: (path) => shards.get(path), ...options });

export function importedFiles(files: TfjsFiles, options: Partial<ImportOptions> = {}): Imported {
  const model = importFiles(files, options);
  if ("problem" in model) throw new Error(`${model.problem.code} ${model.problem.title}`);
  const graph = graphOf(model.spec, model.net.name);
  return { ...model, graph, weightReader: readerOf(graph, must(model.weights, "weights")) };
}

/** [N, C, H, W] as [N, H, W, C]; other ranks stay. */
function channelsLast(data: Float32Array, [n, c, h, w]: readonly number[]): Float32Array {
  if (n === undefined || c === undefined || h === undefined || w === undefined) return data;
  const out = new Float32Array(data.length);
  for (let i = 0; i < n; i++)
    for (let j = 0; j < c; j++) for (let p = 0; p < h * w; p++) out[(i * h * w + p) * c + j] = data[(i * c + j) * h * w + p] as number;
  return out;
}

const BATCH = 2;

/** What the net gives on `cpu` for seeded inputs. */
export async function answersOn(graph: Graph, weights: WeightReader, batch = BATCH) {
  const diagnostics = new Diagnostics();
  const backend = cpu as unknown as Backend;
  const options = parseBackendOptions(backend, {}, diagnostics);
  const emitted = emitTarget({ backend, graph, options, weights, batch, level: 2, diagnostics, source: "net.se" });
  expect(diagnostics.all).toEqual([]);
  const runner = await backend.runner?.(emitted.artifacts, graph.name);
  if (!runner || "unavailable" in runner) throw new Error("cpu has no runner");
  const inputs = graph.inputs.map(({ name, type }) => {
    const shape = boundShape(type, batch);
    return { name, shape, data: seededValues(`in ${name}`, numel(shape), [-2, 2]) };
  });
  const ours = await runner.run(Object.fromEntries(inputs.map(({ name, data }) => [name, data])));
  await runner.close();
  return { inputs, ours };
}

/** The import on `cpu` against what the model itself answers, relative to its largest answer; maps of the model are channels last. */
export async function expectSame(
  tf: typeof Tf,
  { graph, weightReader }: Imported,
  predict: (inputs: Tf.Tensor[]) => Tf.Tensor | Tf.Tensor[],
  { isLast = true, limit = 2e-6, batch = BATCH } = {},
): Promise<void> {
  const { inputs, ours } = await answersOn(graph, weightReader, batch);
  const answers = predict(
    inputs.map(({ shape, data }) => {
      const [n, c, h, w] = shape as [number, number, number, number];
      return shape.length === 4 && isLast ? tf.tensor(channelsLast(data, shape), [n, h, w, c]) : tf.tensor(data, shape);
    }),
  );
  const theirs = Array.isArray(answers) ? answers : [answers];
  expect(graph.outputs.length).toBe(theirs.length);
  graph.outputs.forEach(({ name, value: { type } }, i) => {
    const shape = boundShape(type, batch);
    const mine = ours[name] as Float32Array;
    const got = isLast ? channelsLast(mine, shape) : mine;
    const wanted = (theirs[i] as Tf.Tensor).dataSync() as Float32Array;
    expect(got.length).toBe(wanted.length);
    const largest = wanted.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    expect(largest).toBeGreaterThan(0);
    const difference = got.reduce((a, b, k) => Math.max(a, Math.abs(b - (wanted[k] as number))), 0);
    expect(difference / largest, name).toBeLessThanOrEqual(limit);
  });
}
