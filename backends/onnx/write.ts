/**
 * The bytes of a model file. The messages come from the protobuf library; the weights, nearly all of the file, are put behind them by hand,
 * so that each tensor is copied once: the library copies what it is given at every level of nesting. Fields of a message may stand in any
 * order (protobuf encoding, "field order"), so the graph is the last field of the model and the weights are the last of the graph.
 */
import { create, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { GraphProtoSchema, ModelProtoSchema, TensorProto_DataLocation, TensorProto_DataType, TensorProtoSchema } from "onnx-buf";
import { numel } from "../../compiler/ir/type.ts";
import { memoryStore } from "../../compiler/weights/piece-store.ts";
import { borrowed, type WeightReader } from "../../compiler/weights/source.ts";
import { type WeightsStore, WRITTEN_BY } from "../backend.ts";
import type { ModelParts, NamedWeight } from "./model.ts";

/** Field numbers of onnx.proto. */
const MODEL_GRAPH = 7;
const GRAPH_INITIALIZER = 5;
const TENSOR_RAW_DATA = 9;

/** Offsets of external tensors are multiples of a page, so that runtimes can map them (onnx.proto, `external_data`). */
const PAGE = 4096;
/** Smaller tensors stay in the model file: a page each would be wasted. The same limit as in ONNX's own tools. */
const EXTERNAL_LEAST = 1024;

const bytesOf = ({ weight }: NamedWeight): number => 4 * numel(weight.value.type.shape);

/** Bytes of all weights. */
export const weightBytes = (weights: readonly NamedWeight[]): number => weights.reduce((n, w) => n + bytesOf(w), 0);

/** A part of a file: bytes that are there, or a tensor that is read when its place is. */
type Part = Uint8Array | NamedWeight;

const lengthOf = (part: Part): number => (part instanceof Uint8Array ? part.length : bytesOf(part));

function writeParts(parts: readonly Part[], reader: WeightReader, store: WeightsStore): Uint8Array {
  store.open(parts.reduce((n, p) => n + lengthOf(p), 0));
  let at = 0;
  for (const part of store.sizesOnly ? [] : parts) {
    const piece = store.piece(at, lengthOf(part));
    if (part instanceof Uint8Array) piece.set(part);
    else {
      const values = borrowed(reader, part.weight);
      piece.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    }
    store.done(at, piece);
    at += piece.length;
  }
  return store.close();
}

const header = (field: number, length: number): Uint8Array =>
  new BinaryWriter().tag(field, WireType.LengthDelimited).uint32(length).finish();

const description = ({ name, weight }: NamedWeight) => ({
  name,
  dims: (weight.value.type.shape as readonly number[]).map(BigInt),
  dataType: TensorProto_DataType.FLOAT,
});

/** An initialiser with its numbers in the model file. */
function inside(w: NamedWeight): Part[] {
  const tensor = toBinary(TensorProtoSchema, create(TensorProtoSchema, description(w)));
  const raw = header(TENSOR_RAW_DATA, bytesOf(w));
  return [header(GRAPH_INITIALIZER, tensor.length + raw.length + bytesOf(w)), tensor, raw, w];
}

/** An initialiser whose numbers are `length` bytes of another file. */
function outside(w: NamedWeight, location: string, offset: number): Part[] {
  const place = { location, offset: String(offset), length: String(bytesOf(w)) };
  const tensor = toBinary(
    TensorProtoSchema,
    create(TensorProtoSchema, {
      ...description(w),
      dataLocation: TensorProto_DataLocation.EXTERNAL,
      externalData: Object.entries(place).map(([key, value]) => ({ key, value })),
    }),
  );
  return [header(GRAPH_INITIALIZER, tensor.length), tensor];
}

function modelFile(parts: ModelParts, initializers: readonly Part[], reader: WeightReader, store: WeightsStore): Uint8Array {
  const graph = toBinary(GraphProtoSchema, parts.graph);
  const length = initializers.reduce((n, p) => n + lengthOf(p), graph.length);
  return writeParts([toBinary(ModelProtoSchema, parts.model), header(MODEL_GRAPH, length), graph, ...initializers], reader, store);
}

/** The whole model as one file. */
export function writeModel(parts: ModelParts, reader: WeightReader, store: WeightsStore = memoryStore()): Uint8Array {
  return modelFile(parts, parts.weights.flatMap(inside), reader, store);
}

/** The model, and the file called `location` beside it with the numbers of all but the small tensors. */
export function writeExternal(
  parts: ModelParts,
  location: string,
  reader: WeightReader,
  store: WeightsStore = memoryStore(),
): { readonly model: Uint8Array; readonly data: Uint8Array } {
  const data: Part[] = [];
  const initializers: Part[] = [];
  let end = 0;
  const push = (part: Part): void => {
    data.push(part);
    end += lengthOf(part);
    const gap = (PAGE - (end % PAGE)) % PAGE;
    if (gap > 0) data.push(new Uint8Array(gap));
    end += gap;
  };
  push(new TextEncoder().encode(`${WRITTEN_BY}: tensors of ${location.replace(/\.data$/, "")}\n`));
  for (const w of parts.weights) {
    if (bytesOf(w) < EXTERNAL_LEAST) initializers.push(...inside(w));
    else {
      initializers.push(...outside(w, location, end));
      push(w);
    }
  }
  return { model: modelFile(parts, initializers, reader, memoryStore()), data: writeParts(data, reader, store) };
}
