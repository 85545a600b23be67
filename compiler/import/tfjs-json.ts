/** `model.json` of TensorFlow.js as plain data. The file may be damaged or hostile: its size bounds what is made of it. */
import * as z from "zod";
import { Unreadable } from "./onnx-file.ts";

const size = z.number().int().min(0);

const quantization = z.object({
  dtype: z.enum(["uint8", "uint16", "float16"]),
  scale: z.number().optional(),
  min: z.number().optional(),
});

const tensor = z.object({
  name: z.string().min(1),
  shape: z.array(size).max(8),
  dtype: z.string(),
  quantization: quantization.optional(),
});
export type StoredWeight = z.infer<typeof tensor>;

const manifest = z.array(z.object({ paths: z.array(z.string().min(1)), weights: z.array(tensor) }));
export type WeightsManifest = z.infer<typeof manifest>;

export const kerasLayer = z.object({
  class_name: z.string(),
  name: z.string().optional(),
  config: z.unknown(),
  inbound_nodes: z.array(z.unknown()).optional(),
});
export type KerasLayer = z.infer<typeof kerasLayer>;

/** Fields of a `config` are read where they are wanted: every class has its own. */
export const kerasConfig = z.record(z.string(), z.unknown());
export type KerasConfig = z.infer<typeof kerasConfig>;

const long = z.union([z.string(), z.number()]);
const bytes = z.union([z.string(), z.array(z.number())]);
const dims = z.object({ dim: z.array(z.object({ size: long.optional() })).optional(), unknownRank: z.boolean().optional() });
const attribute = z.object({
  s: bytes.optional(),
  i: long.optional(),
  f: z.union([z.number(), z.string()]).optional(),
  b: z.boolean().optional(),
  shape: dims.optional(),
  list: z.object({ s: z.array(bytes).optional(), i: z.array(long).optional(), f: z.array(z.number()).optional() }).optional(),
});

const graphNode = z.object({
  name: z.string().min(1),
  op: z.string().min(1),
  input: z.array(z.string()).optional(),
  attr: z.record(z.string(), attribute).optional(),
});

export type GraphNode = z.infer<typeof graphNode>;

const graph = z.object({ node: z.array(graphNode).min(1) });
export type GraphDef = z.infer<typeof graph>;

const signature = z.object({
  inputs: z.record(z.string(), z.object({ name: z.string() })).optional(),
  outputs: z.record(z.string(), z.object({ name: z.string() })).optional(),
});
export type Signature = z.infer<typeof signature>;

const modelFile = z.object({
  format: z.string().optional(),
  modelTopology: z.record(z.string(), z.unknown()),
  weightsManifest: manifest.optional(),
  signature: signature.optional(),
});

export interface TfjsFile {
  readonly manifest: WeightsManifest;
  readonly model: { readonly kind: "layers"; readonly topology: KerasLayer } | GraphModel;
}

export interface GraphModel {
  readonly kind: "graph";
  readonly graph: GraphDef;
  readonly signature: Signature | undefined;
}

/** An empty list costs three bytes in the file and many times that in memory. */
const BYTES_PER_PART = 5;
const FEW_PARTS = 100_000;

export function readTfjsFile(data: Uint8Array): TfjsFile {
  let parts = 0;
  for (const byte of data) if (byte === 0x5b || byte === 0x7b) parts++;
  if (parts > FEW_PARTS && parts * BYTES_PER_PART > data.length) throw new Unreadable("it is made of far more parts than a network has");
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder().decode(data));
  } catch (error) {
    throw new Unreadable(`it is no JSON (${(error as Error).message})`);
  }
  if (typeof json !== "object" || json === null || !("modelTopology" in json)) throw new Unreadable("it has no `modelTopology`");
  const file = checked(modelFile, json, "");
  const { modelTopology: topology } = file;
  const model =
    "node" in topology
      ? { kind: "graph" as const, graph: checked(graph, topology, "modelTopology"), signature: file.signature }
      : { kind: "layers" as const, topology: checked(kerasLayer, topology.model_config ?? topology, "modelTopology") };
  return { manifest: file.weightsManifest ?? [], model };
}

/** The value as the schema says, or which field is not so. */
export function checked<S extends z.ZodType>(schema: S, value: unknown, where: string): z.infer<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const at = [where, ...(issue?.path ?? [])].filter((p) => p !== "").join(".");
  throw new Unreadable(`\`${at}\` is not as it should be: ${issue?.message}`);
}
