/** The nets that PyTorch judges (test/python/judge.py): weights as its users have them, inputs, and what PyTorch computed. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Graph } from "../../compiler/ir/graph.ts";
import { numel } from "../../compiler/ir/type.ts";
import type { WeightReader } from "../../compiler/weights/source.ts";
import { hashedValues, hashedWeights, type StoredAs } from "./hashed-values.ts";
import { findPython } from "./python.ts";
import { graphOf, readerOf, renames, shippedGraph } from "./whole-nets.ts";

/** PyTorch's outputs: every `every`-th element, in its own order. */
export interface TorchOutput {
  readonly net: string;
  readonly torch: string;
  readonly shape: readonly number[];
  readonly every: number;
  /** Largest absolute value of all elements. */
  readonly max: number;
  readonly values: readonly number[];
}

export interface TorchCase {
  readonly title: string;
  /** The name judge.py knows. */
  readonly judge: string;
  readonly batch: number;
  readonly graph: () => Graph;
  /** `--weights`: the file PyTorch would write, made here. */
  readonly weightsFile: () => Uint8Array;
  /** `--rename`. */
  readonly rename: readonly string[];
}

/** The part of torchvision's resnet50 with gates whose names and shapes are the reference module's. */
function seOfReference(path: string, shape: readonly number[]): StoredAs {
  const name = path.replace(/\bse\.fc1\b/, "se.fc.0").replace(/\bse\.fc2\b/, "se.fc.2");
  return { name, shape: name === path ? shape : shape.slice(0, 2) };
}

export const SE_RESNET50 = `se 1
use "resnet.se"
net se_resnet50_unbiased from resnet50 { insert se(reduction=16) as se after @residual.main expect 16 }
`;
const seResnet50 = (): Graph => graphOf(SE_RESNET50, "se_resnet50_unbiased");
const block = (net: string): Graph => shippedGraph("se_block.se", net);

export const torchCases: readonly TorchCase[] = [
  {
    title: "se_attention",
    judge: "se_attention",
    batch: 50,
    graph: () => block("se_attention"),
    weightsFile: () => hashedWeights(block("se_attention")),
    rename: [],
  },
  {
    title: "se_block",
    judge: "se_attention",
    batch: 50,
    graph: () => block("se_block"),
    weightsFile: () => hashedWeights(block("se_attention")),
    rename: ["fc.0=att.fc1", "fc.2=att.fc2"],
  },
  ...[
    ["resnet50", "resnet.se"],
    ["mobilenet_v3_large", "mobilenet_v3_large.se"],
  ].map(([net = "", file = ""]): TorchCase => {
    const graph = (): Graph => shippedGraph(file, net);
    return { title: net, judge: net, batch: 1, graph, weightsFile: () => hashedWeights(graph()), rename: [] };
  }),
  {
    title: "se_resnet50 without biases",
    judge: "unbiased_se_resnet50",
    batch: 1,
    graph: seResnet50,
    weightsFile: () => hashedWeights(seResnet50(), seOfReference),
    rename: ["se.fc.0=se.fc1", "se.fc.2=se.fc2"],
  },
];

export const readerOfCase = (c: TorchCase, graph: Graph): WeightReader => readerOf(graph, c.weightsFile(), renames(...c.rename));

/** The same input for both sides. */
export function torchInput(graph: Graph, batch: number): Record<string, Float32Array> {
  return Object.fromEntries(
    graph.inputs.map((v) => {
      const shape = v.type.shape.map((d) => (typeof d === "number" ? d : batch));
      return [v.name, hashedValues("input", numel(shape), -2, 2)];
    }),
  );
}

const FIXTURE = new URL("../fixtures/torch-nets.json", import.meta.url);
const JUDGE = fileURLToPath(new URL("../python/judge.py", import.meta.url));

export const fixtureFile = fileURLToPath(FIXTURE);

/** What PyTorch computed when the fixture was made. */
export function recorded(net: string): TorchOutput {
  const all = JSON.parse(readFileSync(FIXTURE, "utf8")) as readonly TorchOutput[];
  const found = all.find((o) => o.net === net);
  if (!found) throw new Error(`test/fixtures/torch-nets.json has no ${net}: run scripts/make-torch-fixtures.ts`);
  return found;
}

/** A Python with PyTorch and torchvision, Debian's first: a version manager's python3 before it in PATH does not see Debian's packages. */
export const findTorch = (): string | undefined => findPython(["torch", "torchvision"]);

function judge(python: string, args: readonly string[]): string {
  const result = spawnSync(python, [JUDGE, ...args], { encoding: "utf8", maxBuffer: 2 ** 28 });
  if (result.status !== 0) throw new Error(`judge.py ${args.join(" ")} failed: ${result.stderr}`);
  return result.stdout;
}

/** Asks PyTorch itself: every element of the net's output. */
export const askTorch = (python: string, net: string): TorchOutput => JSON.parse(judge(python, [net])) as TorchOutput;

export interface TorchQuestion {
  /** Every n-th element of the outputs. */
  readonly every?: number;
  /** A folder that gets the weights of every net, as NET.safetensors. */
  readonly weights?: string;
}

/** The same of several nets in one process, on images of their own size or a given one. */
export function askTorchAll(
  python: string,
  nets: readonly { readonly net: string; readonly size?: number }[],
  { every = 1, weights }: TorchQuestion = {},
): TorchOutput[] {
  const names = nets.map(({ net, size }) => (size === undefined ? net : `${net}@${size}`));
  const lines = judge(python, [...names, "--every", String(every), ...(weights === undefined ? [] : ["--weights", weights])]);
  return lines
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as TorchOutput);
}

/** One step of training (test/python/train_step.py): numbers after it by path, outputs with batch statistics before and running ones after. */
export interface TrainStep {
  readonly torch: string;
  readonly loss: number;
  readonly trained: readonly number[];
  readonly evaluated: readonly number[];
  readonly state: Readonly<Record<string, readonly number[]>>;
}

const STEP = new URL("../fixtures/torch-step.json", import.meta.url);
export const stepFile = fileURLToPath(STEP);

export const recordedStep = (): TrainStep => JSON.parse(readFileSync(STEP, "utf8")) as TrainStep;

export function askTrainStep(python: string): TrainStep {
  const result = spawnSync(python, [fileURLToPath(new URL("../python/train_step.py", import.meta.url))], { encoding: "utf8" });
  if (result.status !== 0) throw new Error(`train_step.py failed: ${result.stderr}`);
  return JSON.parse(result.stdout) as TrainStep;
}

/** Largest difference from PyTorch's values, over PyTorch's largest value. Infinite when the sizes differ or something is not a number. */
export function differenceFromTorch(ours: Float32Array, theirs: TorchOutput): number {
  if (ours.length !== numel(theirs.shape)) return Number.POSITIVE_INFINITY;
  if (theirs.values.length !== Math.ceil(ours.length / theirs.every)) return Number.POSITIVE_INFINITY;
  let most = 0;
  for (const [i, want] of theirs.values.entries()) {
    const d = Math.abs((ours[i * theirs.every] as number) - want);
    if (!(d <= most)) most = Number.isNaN(d) ? Number.POSITIVE_INFINITY : d;
  }
  return most / theirs.max;
}
