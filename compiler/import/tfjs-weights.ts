/** Weights of a TensorFlow.js model: tensors that lie one behind the other in shards beside `model.json`. */
import { halfToNumber } from "../weights/values.ts";
import { type Constant, type ReadPart, Unreadable } from "./onnx-file.ts";
import { type Values, valuesFrom } from "./stored-values.ts";
import type { StoredWeight, WeightsManifest } from "./tfjs-json.ts";

const WIDTH: Readonly<Record<string, number>> = { float32: 4, int32: 4, bool: 1, uint8: 1, uint16: 2, float16: 2 };
/** Bytes of all weights of a model. */
const LARGEST = 2 ** 33;

const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

function bytesOf({ name, shape, dtype, quantization }: StoredWeight): number {
  const called = `the tensor \`${name}\``;
  if (!["float32", "int32", "bool", "uint8", "float16"].includes(dtype)) throw new Unreadable(`${called} has the element type ${dtype}`);
  if (quantization && (quantization.dtype === "float16" ? dtype !== "float32" : dtype !== "float32" && dtype !== "int32"))
    throw new Unreadable(`${called} is ${dtype} quantized as ${quantization.dtype}`);
  if (quantization && quantization.dtype !== "float16" && (quantization.scale === undefined || quantization.min === undefined))
    throw new Unreadable(`${called} is quantized without \`scale\` and \`min\``);
  const bytes = sizeOf(shape) * (WIDTH[quantization?.dtype ?? dtype] as number);
  if (!(bytes <= LARGEST)) throw new Unreadable(`${called} has the shape [${shape}]`);
  return bytes;
}

/** A plain path below the folder of the model. */
const isBeside = (path: string): boolean =>
  !/^[/\\]|^[A-Za-z][A-Za-z0-9+.-]*:|\\|\0/.test(path) && !path.split("/").some((part) => part === ".." || part === "");

export function readWeights(manifest: WeightsManifest, readPart: ReadPart): Map<string, Constant> {
  const constants = new Map<string, Constant>();
  const paths = new Set<string>();
  const names = new Set<string>();
  // all is checked before the first shard is read
  const wanted = manifest.map(({ paths: shards, weights }) => {
    for (const path of shards) {
      if (!isBeside(path)) throw new Unreadable(`its shard \`${path}\` is not beside it`);
      if (paths.has(path)) throw new Unreadable(`it names the shard \`${path}\` twice`);
      paths.add(path);
    }
    let total = 0;
    for (const weight of weights) {
      if (names.has(weight.name)) throw new Unreadable(`it has two tensors \`${weight.name}\``);
      names.add(weight.name);
      total += bytesOf(weight);
    }
    if (total > LARGEST) throw new Unreadable(`its weights have ${total} bytes`);
    return total;
  });
  manifest.forEach(({ paths: shards, weights }, group) => {
    const bytes = joined(shards, wanted[group] as number, readPart);
    let at = 0;
    for (const weight of weights) {
      const end = at + bytesOf(weight);
      constants.set(weight.name, { shape: weight.shape, data: valuesOf(weight, bytes.subarray(at, end)) });
      at = end;
    }
  });
  return constants;
}

function joined(shards: readonly string[], total: number, readPart: ReadPart): Uint8Array {
  const parts: Uint8Array[] = [];
  let length = 0;
  for (const path of shards) {
    const part = readPart(path, 0, undefined);
    if (!part) throw new Unreadable(`its shard \`${path}\` cannot be read`);
    length += part.length;
    if (length > total) throw new Unreadable(`its shards up to \`${path}\` have ${length} bytes; their tensors need ${total}`);
    parts.push(part);
  }
  if (length !== total) throw new Unreadable(`its shards [${shards.join(", ")}] have ${length} bytes; their tensors need ${total}`);
  const [only] = parts;
  if (parts.length === 1 && only) return only;
  const all = new Uint8Array(total);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Little-endian, as TensorFlow.js reads them; whole numbers stay numbers, as `Constant` has them. */
function valuesOf({ shape, dtype, quantization }: StoredWeight, bytes: Uint8Array): Values {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const stored = quantization?.dtype ?? dtype;
  const at = reader(view, stored);
  const { scale = 1, min = 0 } = quantization ?? {};
  const isScaled = quantization !== undefined && quantization.dtype !== "float16";
  const isFloat = dtype === "float32" || dtype === "float16";
  const value = (i: number): number => at(i) * scale + min;
  return valuesFrom(sizeOf(shape), !isFloat, isScaled ? (isFloat ? value : (i) => Math.round(value(i))) : at);
}

function reader(view: DataView, dtype: string): (i: number) => number {
  switch (dtype) {
    case "float32":
      return (i) => view.getFloat32(4 * i, true);
    case "int32":
      return (i) => view.getInt32(4 * i, true);
    case "uint16":
      return (i) => view.getUint16(2 * i, true);
    case "float16":
      return (i) => halfToNumber(view.getUint16(2 * i, true));
    default:
      return (i) => view.getUint8(i);
  }
}
