/** A model file of another tool as a spec in canonical layout, and its weights as safetensors under the spec's names. */
import { Diagnostics, type Message } from "../diagnostics/diagnostic.ts";
import { messages } from "../diagnostics/messages.gen.ts";
import { must } from "../invariant.ts";
import { sourceFile } from "../source.ts";
import { formatText } from "../syntax/format.ts";
import { parseSpec } from "../syntax/parse.ts";
import { writeSafetensors } from "../weights/safetensors.ts";
import type { ImportedNet } from "./imported.ts";
import { netName } from "./net-draft.ts";
import { importOnnx } from "./onnx.ts";
import type { ReadPart } from "./onnx-file.ts";
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
}

export interface ImportedModel {
  readonly net: ImportedNet;
  /** The text of the `.se` file. */
  readonly spec: string;
  /** The bytes of the safetensors file. */
  readonly weights: Uint8Array;
}

/** By these the command line knows files of ours, which it may overwrite. */
const PRODUCER = "Written by sec";

export function importModel(bytes: Uint8Array, options: ImportOptions): ImportedModel | { readonly problem: Message } {
  const { file } = options;
  const name = options.name ?? netName(file.replace(/\.[^.]*$/, ""), () => false);
  const net = importOnnx(bytes, { ...options, name });
  return "problem" in net ? net : written(net, file);
}

function written(net: ImportedNet, file: string): ImportedModel | { readonly problem: Message } {
  const spec = toSpec(net);
  if ("problem" in spec) return { problem: messages.SE601.unread({ file, reason: spec.problem }) };
  const diagnostics = new Diagnostics();
  // a name of the file may hold a line break; the comment must not end there
  const title = `# ${PRODUCER} import from ${JSON.stringify(file)}\n`;
  const parsed = parseSpec(sourceFile(`${net.name}.se`, title + spec.text), diagnostics);
  const [problem] = diagnostics.all;
  if (problem || !parsed) return { problem: messages.SE601.unread({ file, reason: problem?.title ?? "it is empty" }) };
  const tensors = [...spec.names].map(([path, own]) => {
    const { shape, data } = must(net.weights.get(own), own);
    return { name: path, shape: spec.shapes.get(path) ?? shape, data };
  });
  return { net, spec: formatText(parsed), weights: writeSafetensors(tensors, { producer: PRODUCER, net: net.name }) };
}
