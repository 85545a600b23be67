/** Every complete net that ships, at a size small enough for a test, with weights whose batch norms do something. */
import { readdirSync, readFileSync } from "node:fs";
import { Diagnostics } from "../../compiler/diagnostics/diagnostic.ts";
import type { Host } from "../../compiler/host.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
import { buildGraph } from "../../compiler/semantics/build-graph.ts";
import { expandNet } from "../../compiler/semantics/expand-net.ts";
import { loadWorkspace } from "../../compiler/semantics/workspace.ts";
import { sourceFile } from "../../compiler/source.ts";
import { matchWeights } from "../../compiler/weights/check.ts";
import { randomInput } from "../../compiler/weights/random-input.ts";
import { weightReader } from "../../compiler/weights/reader.ts";
import { parseRename, type RenameRule } from "../../compiler/weights/rename.ts";
import { bytesSource, openSafetensors } from "../../compiler/weights/safetensors.ts";
import type { WeightReader } from "../../compiler/weights/source.ts";
import { hashedWeights } from "./hashed-values.ts";

const FOLDER = new URL("../../specs/nets/", import.meta.url);
const textOf = (name: string): string => readFileSync(new URL(name, FOLDER), "utf8");

const host: Host = {
  readText(path) {
    const name = path.replace(/^sec\//, "");
    return readdirSync(FOLDER).includes(name) ? { ok: true, text: textOf(name) } : { ok: false, reason: "there is no such file" };
  },
};

const check = (diagnostics: Diagnostics): void => {
  if (diagnostics.hasErrors) throw new Error(diagnostics.all.map((d) => `${d.code} ${d.title}`).join("\n"));
};

/** The graph of a net in `text`, which may use the nets that ship. */
export function graphOf(text: string, net: string, shapes?: Readonly<Record<string, readonly number[]>>): Graph {
  const diagnostics = new Diagnostics();
  const workspace = loadWorkspace(sourceFile(`${net}.se`, text), host, diagnostics);
  check(diagnostics);
  const tree = expandNet(workspace, net, diagnostics, shapes ? { shapes } : {});
  const graph = tree && buildGraph(tree, diagnostics);
  check(diagnostics);
  if (!graph) throw new Error(`${net} has no graph`);
  return graph;
}

/** The graph of a net that ships. */
export const shippedGraph = (file: string, net: string, shapes?: Readonly<Record<string, readonly number[]>>): Graph =>
  graphOf(textOf(file), net, shapes);

export interface WholeNet {
  readonly file: string;
  readonly net: string;
}

/** Read from the folder: a net that is added there is one of these without being named. */
export function everyNet(): WholeNet[] {
  return readdirSync(FOLDER)
    .filter((file) => file.endsWith(".se"))
    .sort()
    .flatMap((file) => {
      const diagnostics = new Diagnostics();
      const workspace = loadWorkspace(sourceFile(file, textOf(file)), host, diagnostics);
      check(diagnostics);
      return workspace.declared.filter((net) => workspace.isComplete(net)).map((net) => ({ file, net }));
    });
}

/** Tested each time: the first nets that shipped, then one net or two of every further family. `npm run test:zoo` takes all nets. */
const CHOSEN =
  "plain se_block se_attention resnet18 resnet34 resnet50 resnet101 resnet152 se_resnet50 se_pre se_post se_identity se_3x3 " +
  "mobilenet_v3_large senet154 unet scse_unet " +
  "resnext50_32x4d se_resnet18 legacy_se_resnet50 eca_resnet50t cbam_resnet50 densenet121 squeezenet1_1 cifar_se_resnet20 " +
  "cifar_se_wrn16_8 se_bn_inception googlenet inception_v3 se_mobilenet_v1 mobilenet_v2 mobilenet_v3_small se_shufflenet_v1 " +
  "shufflenet_v2_x1_0 efficientnet_b0 regnet_x_400mf regnet_y_400mf mnasnet1_0 ghostnet se_gate_tanh";

/** The nets that the tests run. */
export function wholeNets(): WholeNet[] {
  const all = everyNet();
  if (process.env.SEC_ALL_NETS) return all;
  const chosen = new Set(CHOSEN.split(" "));
  const missing = [...chosen].filter((net) => !all.some((n) => n.net === net));
  if (missing.length > 0) throw new Error(`there is no net called ${missing.join(", ")}`);
  return all.filter(({ net }) => chosen.has(net));
}

/** Files that share the nets between them, so that none takes too long: test/nets/part-N.test.ts. */
export const PARTS = 6;

/** Every PARTS-th net, from the given one on. */
export const partOfNets = (part: number): WholeNet[] => wholeNets().filter((_, i) => i % PARTS === part - 1);

/** The smallest sensible images; wider than high where it costs little, so that an exchange of the two shows. */
function reducedSize(net: string): readonly [number, number] {
  if (net.endsWith("unet")) return [16, 24];
  // Inception's layers without padding leave nothing of less
  if (net.includes("inception") && !net.includes("bn_inception")) return [75, 75];
  // VGG's pool repeats one pixel or divides a map of 7; CIFAR nets are wide or deep, and small as declared
  if (net.includes("vgg")) return [32, 32];
  if (net.startsWith("cifar")) return [8, 16];
  return /1(01|52|54)/.test(net) ? [32, 32] : [32, 64];
}

/** The net at its reduced size; nets whose maps are that small already stay as declared. */
export function smallGraph({ file, net }: WholeNet): Graph {
  const declared = shippedGraph(file, net);
  const [input] = declared.inputs;
  const [, channels = 0, height = 0] = (input?.type.shape ?? []) as number[];
  const [high, wide] = reducedSize(net);
  if (!input || height <= high) return declared;
  return shippedGraph(file, net, { [input.name]: [1, channels, high, wide] });
}

/** The rules of `--rename FROM=TO`. */
export const renames = (...texts: readonly string[]): RenameRule[] =>
  texts.map((text) => {
    const rule = parseRename(text);
    if ("reason" in rule) throw new Error(`${text}: ${rule.reason}`);
    return rule;
  });

/** Reads a safetensors file as `sec --weights` does; nothing may be missing or left over. */
export function readerOf(graph: Graph, bytes: Uint8Array, rename: readonly RenameRule[] = []): WeightReader {
  const opened = openSafetensors("weights.safetensors", bytesSource(bytes));
  if (!opened.ok) throw new Error(opened.problem.title);
  const { plan, diagnostics } = matchWeights(graph, opened.file, { rename });
  const errors = diagnostics.filter((d) => d.severity === "error");
  if (!plan || errors.length > 0) throw new Error(errors.map((d) => `${d.code} ${d.title}`).join("\n"));
  return weightReader({ plan, file: opened.file });
}

/** Weights of the net with random batch-norm statistics, so that folding is tested. */
export const hashedReader = (graph: Graph): WeightReader => readerOf(graph, hashedWeights(graph));

/** One input of every name. */
export const inputsOf = (graph: Graph, batch: number, seed = 1): Record<string, Float32Array> =>
  Object.fromEntries(
    graph.inputs.map((v) => [
      v.name,
      randomInput(
        v.name,
        v.type.shape.map((d) => (typeof d === "number" ? d : batch)),
        seed,
      ),
    ]),
  );
