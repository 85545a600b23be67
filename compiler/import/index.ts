/** A model file of another tool as a spec in canonical layout, and its weights as safetensors under the spec's names. */
import { Diagnostics, type Message } from "../diagnostics/diagnostic.ts";
import { messages } from "../diagnostics/messages.gen.ts";
import { must } from "../invariant.ts";
import { type Span, sourceFile } from "../source.ts";
import { formatText } from "../syntax/format.ts";
import { parseSpec } from "../syntax/parse.ts";
import type { PieceStore } from "../weights/piece-store.ts";
import { writeSafetensors } from "../weights/safetensors.ts";
import { importCaffe } from "./caffe.ts";
import type { ImportedNet } from "./imported.ts";
import { netName } from "./net-draft.ts";
import { importOnnx } from "./onnx.ts";
import type { ReadPart } from "./onnx-file.ts";
import { otherFormat } from "./other-formats.ts";
import { importTfjs } from "./tfjs.ts";
import { toSpec } from "./to-spec.ts";

export type { ImportedNet } from "./imported.ts";
export type { ReadPart as ReadModelPart } from "./onnx-file.ts";

export interface ImportOptions {
  /** The file's own name. */
  readonly file: string;
  /** What the net is called; default: as the file. */
  readonly name?: string;
  readonly shapes?: Readonly<Record<string, readonly number[]>>;
  readonly readPart?: ReadPart;
  /** The weights of a network whose own file has none (Caffe). */
  readonly weights?: { readonly file: string; readonly bytes: Uint8Array };
  /** Where the safetensors file is made; default: in memory. */
  readonly store?: PieceStore;
}

export interface ImportProblem {
  readonly problem: Message;
  /** Where in the file, when it is text. */
  readonly at?: Span;
}

export interface ImportedModel {
  readonly net: ImportedNet;
  /** The text of the `.se` file. */
  readonly spec: string;
  /** The safetensors file, or what its store gave for it; undefined when none came with the model. */
  readonly weights: Uint8Array | undefined;
}

/** By these the command line knows files of ours, which it may overwrite. */
const PRODUCER = "Written by sec";

export function importModel(bytes: Uint8Array, options: ImportOptions): ImportedModel | ImportProblem {
  const { file } = options;
  const name = options.name ?? netName(file.replace(/\.[^.]*$/, ""), () => false);
  const other = otherFormat(file, bytes);
  if (other) return { problem: other };
  const isCaffe = /\.(?:prototxt|pbtxt)$/i.test(file);
  if (/\.caffemodel$/i.test(file)) return { problem: messages.SE604.alone({ file }) };
  if (options.weights && !isCaffe) return { problem: messages.SE604.surplus({ file }) };
  const isTfjs = /\.json$/i.test(file);
  const read = isCaffe ? importCaffe : isTfjs ? importTfjs : importOnnx;
  const net = read(bytes, { ...options, name });
  if ("problem" in net) return net;
  const unread = (reason: string): Message =>
    (isCaffe ? messages.SE604 : isTfjs ? messages.SE606 : messages.SE601).unread({ file, reason });
  return written(net, options, !isCaffe || options.weights !== undefined, unread);
}

function written(
  net: ImportedNet,
  { file, store }: ImportOptions,
  hasWeights: boolean,
  unread: (reason: string) => Message,
): ImportedModel | ImportProblem {
  const spec = toSpec(net);
  if ("problem" in spec) return { problem: unread(spec.problem) };
  const diagnostics = new Diagnostics();
  // a name of the file may hold a line break; the comment must not end there
  const comments = [
    `${PRODUCER} import from ${JSON.stringify(file)}`,
    ...(net.notes ?? []).map((n) => JSON.stringify(n.title).slice(1, -1)),
  ];
  const title = `${comments.map((line) => `# ${line}`).join("\n")}\n`;
  const parsed = parseSpec(sourceFile(`${net.name}.se`, title + spec.text), diagnostics);
  const [problem] = diagnostics.all;
  if (problem || !parsed) return { problem: unread(problem?.title ?? "it is empty") };
  const tensors = [...spec.names].map(([path, own]) => {
    const { shape, data } = must(net.weights.get(own), own);
    return { name: path, shape: spec.shapes.get(path) ?? shape, data };
  });
  const weights = hasWeights ? writeSafetensors(tensors, { producer: PRODUCER, net: net.name }, store) : undefined;
  return { net, spec: formatText(parsed), weights };
}
