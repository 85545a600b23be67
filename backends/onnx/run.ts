/** Runs emitted models with ONNX Runtime in Node, when it is installed. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { ModelProtoSchema } from "onnx-buf";
import type { InferenceSession } from "onnxruntime-node";
import { must } from "../../compiler/invariant.ts";
import type { Artifact, Runner, Tensors, Unavailable } from "../backend.ts";
import { NAMES } from "./model.ts";

type Ort = typeof import("onnxruntime-node");

const PACKAGE = "onnxruntime-node";
/** Errors only: it warns about every initialiser that its optimiser removes. */
const SILENT = 3;

/** Of the project in the working directory, else of sec itself. */
function findRuntime(): Ort | Unavailable {
  let broken = "";
  for (const require of [createRequire(path.join(process.cwd(), "package.json")), createRequire(import.meta.url)]) {
    let entry: string;
    try {
      entry = require.resolve(PACKAGE);
    } catch {
      continue;
    }
    try {
      return require(entry) as Ort;
    } catch (error) {
      broken = `${PACKAGE} is installed but does not load: ${(error as Error).message.split("\n")[0]}`;
    }
  }
  return { unavailable: broken || `${PACKAGE} is not installed` };
}

const bytesOf = ({ contents }: Artifact): Uint8Array => (typeof contents === "string" ? Buffer.from(contents) : contents);

async function open(ort: Ort, files: readonly Artifact[]): Promise<InferenceSession> {
  const settings: InferenceSession.SessionOptions = { logSeverityLevel: SILENT };
  const model = must(
    files.find((f) => f.path.endsWith(".onnx")),
    "model file",
  );
  if (files.length === 1) return ort.InferenceSession.create(bytesOf(model), settings);
  // external data is looked for beside the file
  const folder = mkdtempSync(path.join(tmpdir(), "sec-onnx-"));
  try {
    for (const f of files) writeFileSync(path.join(folder, f.path), f.contents);
    return await ort.InferenceSession.create(path.join(folder, model.path), settings);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Names of the net by those of the file, from the part of the file before the graph. */
function renamedPorts(file: Uint8Array): ReadonlyMap<string, string> {
  const graph = 7;
  const reader = new BinaryReader(file);
  let end = 0;
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === graph) break;
    reader.skip(type, field);
    end = reader.pos;
  }
  const { metadataProps } = fromBinary(ModelProtoSchema, file.subarray(0, end));
  const names = metadataProps.find((p) => p.key === NAMES)?.value ?? "{}";
  return new Map(Object.entries(JSON.parse(names) as Record<string, string>));
}

interface Port {
  readonly name: string;
  readonly fileName: string;
  readonly shape: readonly (number | string)[];
}

const shapeText = (shape: readonly (number | string)[]): string => shape.join("×");

/** The batch size that the inputs have together; TypeErrors in the words of emitted modules. */
function checkedBatch(net: string, inputs: readonly Port[], given: Tensors): number {
  const values = new Map(Object.entries(given));
  for (const name of values.keys()) {
    if (!inputs.some((i) => i.name === name))
      throw new TypeError(`${net}: no input called "${name}"; the inputs are: ${inputs.map((i) => i.name).join(", ")}`);
  }
  let batch: number | undefined;
  for (const { name, shape } of inputs) {
    const value: unknown = values.get(name);
    const count = shape.reduce<number>((n, d) => n * (typeof d === "number" ? d : 1), 1);
    const open = shape.some((d) => typeof d === "string");
    const wanted = `${open ? "a multiple of " : ""}${count} values (${shapeText(shape)})`;
    if (!(value instanceof Float32Array)) {
      const kind = value === undefined || value === null ? String(value) : (value as object).constructor.name;
      throw new TypeError(`${net}: input "${name}" must be a Float32Array of ${wanted}, got ${kind}`);
    }
    const images = value.length / count;
    if (!Number.isInteger(images) || images < 1 || (!open && images !== 1))
      throw new TypeError(`${net}: input "${name}" needs ${wanted}, got ${value.length}`);
    if (!open) continue;
    batch ??= images;
    if (images !== batch) throw new TypeError(`${net}: input "${name}" has a batch of ${images}, an input before it one of ${batch}`);
  }
  return batch ?? 1;
}

export async function onnxRunner(files: readonly Artifact[], net: string): Promise<Runner | Unavailable> {
  const ort = findRuntime();
  if ("unavailable" in ort) return ort;
  const session = await open(ort, files);
  const names = renamedPorts(bytesOf(files.find((f) => f.path.endsWith(".onnx")) as Artifact));
  const ports = (metadata: readonly InferenceSession.ValueMetadata[]): Port[] =>
    metadata.map((m) => ({ name: names.get(m.name) ?? m.name, fileName: m.name, shape: m.isTensor ? m.shape : [] }));
  const [inputs, outputs] = [ports(session.inputMetadata), ports(session.outputMetadata)];
  let queue: Promise<unknown> = Promise.resolve();
  let closed = false;
  const compute = async (feeds: Record<string, InstanceType<Ort["Tensor"]>>): Promise<Tensors> => {
    const results = await session.run(feeds);
    return Object.fromEntries(outputs.map((o) => [o.name, Float32Array.from(must(results[o.fileName], o.name).data as Float32Array)]));
  };
  return {
    runtime: `${PACKAGE} ${ort.env.versions.node ?? ""}`.trim(),
    async run(given) {
      if (closed) throw new Error(`${net}: run after dispose`);
      const batch = checkedBatch(net, inputs, given);
      const values = new Map(Object.entries(given));
      const feeds = Object.fromEntries(
        inputs.map(({ name, fileName, shape }) => [
          fileName,
          // a copy: the caller may change its array before it is this call's turn
          new ort.Tensor(
            "float32",
            Float32Array.from(values.get(name) as Float32Array),
            shape.map((d) => (typeof d === "number" ? d : batch)),
          ),
        ]),
      );
      const answer = queue.then(() => compute(feeds));
      queue = answer.catch(() => undefined);
      return answer;
    },
    async close() {
      if (closed) return;
      closed = true;
      await queue;
      await session.release();
    },
  };
}

/** ONNX Runtime checks a model, and that it knows every operation of it at that opset, when it opens it. */
export async function judgeModel(files: readonly Artifact[]): Promise<readonly string[] | Unavailable> {
  const ort = findRuntime();
  if ("unavailable" in ort) return ort;
  try {
    await (await open(ort, files)).release();
    return [];
  } catch (error) {
    return [(error as Error).message.split("\n")[0] as string];
  }
}
