/** Bytes of an ONNX model to plain data. The file may be damaged or hostile: everything that is read is checked against its size. */
import { fromBinary } from "@bufbuild/protobuf";
import {
  type AttributeProto,
  ModelProtoSchema,
  type NodeProto,
  type TensorProto,
  TensorProto_DataLocation,
  TensorProto_DataType,
} from "onnx-buf";
import { halfToNumber } from "../weights/values.ts";
import { type Values, valuesFrom } from "./stored-values.ts";

/** Part of another file beside the model; undefined when it cannot be read. */
export type ReadPart = (location: string, offset: number, length: number | undefined) => Uint8Array | undefined;

/** A tensor whose values are known. Whole numbers are kept as numbers; NaN in a list of sizes is the open batch. */
export interface Constant {
  readonly shape: readonly number[];
  readonly data: Values;
  /** The tensor of the file that these values are in another shape or order. */
  readonly name?: string | undefined;
}

export type NodeAttribute = Pick<AttributeProto, "i" | "f" | "s" | "ints" | "floats"> & { readonly t?: TensorProto | undefined };

export interface OnnxNode {
  readonly name: string;
  readonly op: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attrs: ReadonlyMap<string, NodeAttribute>;
  /** What it stands for in a file of another format, where that is called otherwise. */
  readonly source?: NodeSource;
  /** Why it has no equivalent, when that is known before it is read; "" for an unknown kind. */
  readonly refused?: string;
}

export interface NodeSource {
  readonly name: string;
  readonly kind: string;
}

export interface OnnxModel {
  readonly opset: number;
  readonly name: string;
  readonly inputs: readonly { readonly name: string; readonly shape: readonly (number | undefined)[] | undefined }[];
  readonly outputs: readonly string[];
  readonly nodes: readonly OnnxNode[];
  readonly constants: ReadonlyMap<string, Constant>;
  /** Maps that come in are [N, H, W, C], whatever reads them. */
  readonly channelsLast?: boolean;
  /** Names of nodes that the file's tool made up. */
  readonly madeUp?: ReadonlySet<string>;
}

/** A reason why the file cannot be read; becomes SE601. */
export class Unreadable extends Error {}

const LARGEST_COUNT = 2 ** 31;
/** Nodes, attributes and tensors: a few bytes of the file each become an object. */
const BYTES_PER_MESSAGE = 3;

export function readOnnx(bytes: Uint8Array, readPart: ReadPart): OnnxModel {
  const messages = countMessages(bytes);
  // an empty message costs two bytes in the file and a hundred in memory
  if (messages > 20_000 && messages * BYTES_PER_MESSAGE * 8 > bytes.length)
    throw new Unreadable("it is made of far more parts than a network has");
  let model: ReturnType<typeof decode>;
  try {
    model = decode(bytes);
  } catch (error) {
    throw new Unreadable(`it is not a protobuf message of the ONNX schema (${(error as Error).message})`);
  }
  const { graph } = model;
  if (!graph || graph.node.length === 0) throw new Unreadable("it has no graph");
  const opset = Number(model.opsetImport.find((o) => o.domain === "" || o.domain === "ai.onnx")?.version ?? 0n);
  if (opset < 7 || opset > 25) throw new Unreadable(`it is written for opset ${opset}; 7 to 25 are read`);
  const constants = new Map<string, Constant>();
  for (const t of graph.initializer) constants.set(t.name, constantOf(t, readPart));
  const inputs = graph.input
    .filter((i) => !constants.has(i.name))
    .map((i) => {
      const { value } = i.type ?? {};
      const shape = value?.case === "tensorType" ? value.value.shape : undefined;
      return {
        name: i.name,
        shape: shape?.dim.map((d) => (d.value.case === "dimValue" && d.value.value > 0n ? Number(d.value.value) : undefined)),
      };
    });
  return { opset, name: graph.name, inputs, outputs: graph.output.map((o) => o.name), nodes: graph.node.map(nodeOf), constants };
}

const decode = (bytes: Uint8Array) => fromBinary(ModelProtoSchema, bytes, { readUnknownFields: false });

const nodeOf = (n: NodeProto): OnnxNode => ({
  name: n.name,
  op: n.opType,
  domain: n.domain === "ai.onnx" ? "" : n.domain,
  inputs: n.input,
  outputs: n.output,
  attrs: new Map(n.attribute.map((a) => [a.name, a])),
});

const WIDTH: ReadonlyMap<TensorProto_DataType, number> = new Map([
  [TensorProto_DataType.FLOAT, 4],
  [TensorProto_DataType.DOUBLE, 8],
  [TensorProto_DataType.FLOAT16, 2],
  [TensorProto_DataType.BFLOAT16, 2],
  [TensorProto_DataType.INT32, 4],
  [TensorProto_DataType.INT64, 8],
  [TensorProto_DataType.INT8, 1],
  [TensorProto_DataType.UINT8, 1],
  [TensorProto_DataType.BOOL, 1],
]);

export function constantOf(t: TensorProto, readPart: ReadPart): Constant {
  const shape = t.dims.map(Number);
  const count = shape.reduce((a, b) => a * b, 1);
  const type = t.dataType as TensorProto_DataType;
  const width = WIDTH.get(type);
  const called = `the tensor \`${t.name}\``;
  if (width === undefined) throw new Unreadable(`${called} has the element type ${TensorProto_DataType[type] ?? type}`);
  if (shape.some((d) => !Number.isInteger(d) || d < 0) || count > LARGEST_COUNT) throw new Unreadable(`${called} has the shape [${shape}]`);
  const isFloat = type === TensorProto_DataType.FLOAT || type === TensorProto_DataType.FLOAT16 || type === TensorProto_DataType.BFLOAT16;
  const listed: readonly (number | bigint)[] = t.floatData.length
    ? t.floatData
    : t.int64Data.length
      ? t.int64Data
      : t.doubleData.length
        ? t.doubleData
        : t.int32Data;
  let raw: Uint8Array | undefined = t.rawData;
  if (t.dataLocation === TensorProto_DataLocation.EXTERNAL) {
    const entries = new Map(t.externalData.map((e) => [e.key, e.value]));
    const length = entries.get("length");
    raw = readPart(
      entries.get("location") ?? "",
      Number(entries.get("offset") ?? 0),
      length === undefined ? count * width : Number(length),
    );
    if (!raw) throw new Unreadable(`${called} is in \`${entries.get("location")}\`, which cannot be read`);
  }
  if (raw.length === 0 && listed.length === count) {
    const half = type === TensorProto_DataType.FLOAT16;
    const word = (x: number | bigint): number => (half ? halfToNumber(Number(x)) : Number(x));
    return { shape, data: valuesFrom(count, !isFloat, (i) => word(listed[i] as number | bigint)) };
  }
  if (raw.length !== count * width) throw new Unreadable(`${called} has ${raw.length} bytes; [${shape}] needs ${count * width}`);
  return { shape, data: valuesFrom(count, !isFloat, readerOf(raw, type)) };
}

function readerOf(raw: Uint8Array, type: TensorProto_DataType): (i: number) => number {
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  switch (type) {
    case TensorProto_DataType.FLOAT:
      return (i) => view.getFloat32(4 * i, true);
    case TensorProto_DataType.FLOAT16:
      return (i) => halfToNumber(view.getUint16(2 * i, true));
    case TensorProto_DataType.BFLOAT16: {
      const word = new DataView(new ArrayBuffer(4));
      return (i) => {
        word.setUint32(0, view.getUint16(2 * i, true) << 16);
        return word.getFloat32(0);
      };
    }
    case TensorProto_DataType.DOUBLE:
      return (i) => view.getFloat64(8 * i, true);
    case TensorProto_DataType.INT64:
      return (i) => Number(view.getBigInt64(8 * i, true));
    case TensorProto_DataType.INT32:
      return (i) => view.getInt32(4 * i, true);
    case TensorProto_DataType.INT8:
      return (i) => view.getInt8(i);
    default:
      return (i) => view.getUint8(i);
  }
}

/** Length-delimited parts of the outer levels that can be messages: model, graph, nodes. Stops at what is no wire format. */
function countMessages(bytes: Uint8Array): number {
  let count = 0;
  const varint = (at: { i: number }, end: number): number => {
    let value = 0;
    for (let shift = 0; at.i < end && shift < 70; shift += 7) {
      const b = bytes[at.i++] as number;
      value += (b & 127) * 2 ** shift;
      if (b < 128) return value;
    }
    return Number.POSITIVE_INFINITY;
  };
  const walk = (from: number, end: number, path: string): void => {
    const at = { i: from };
    while (at.i < end) {
      const tag = varint(at, end);
      const wire = tag % 8;
      if (wire === 0) varint(at, end);
      else if (wire === 1) at.i += 8;
      else if (wire === 5) at.i += 4;
      else if (wire === 2) {
        const length = varint(at, end);
        const stop = at.i + length;
        if (!(stop <= end)) return;
        count++;
        const inner = `${path}.${Math.floor(tag / 8)}`;
        // graph; its nodes, tensors, inputs and outputs; attributes of nodes
        if (inner === ".7" || inner === ".7.1" || inner === ".7.5" || inner === ".7.1.5" || inner === ".8") walk(at.i, stop, inner);
        at.i = stop;
      } else return;
    }
  };
  walk(0, bytes.length, "");
  return count;
}
