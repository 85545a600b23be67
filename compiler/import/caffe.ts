/** A Caffe network (prototxt, and the weights of a .caffemodel) in our vocabulary. */
import type { Message } from "../diagnostics/diagnostic.ts";
import { messages } from "../diagnostics/messages.gen.ts";
import { type Span, sourceFile } from "../source.ts";
import { axpy, batchNorm, convolution, innerProduct, isPerChannel, pooling, prelu, scale } from "./caffe-layers.ts";
import { clip, concat, dropout, eltwise, elu, flatten, lrn, power, relu, reshape, shuffle, slice, softmax, swish } from "./caffe-moves.ts";
import { type CaffeLayer, type CaffeNet, caffeNet, inputShapes } from "./caffe-net.ts";
import { type CaffeReading, type LayerReader, type Step, unary } from "./caffe-reading.ts";
import { Damaged, readCaffeWeights } from "./caffe-weights.ts";
import { foldIdioms } from "./fold-idioms.ts";
import type { ImportedNet } from "./imported.ts";
import { LARGEST_SIZE, netDraft } from "./net-draft.ts";
import { parsePrototxt, SyntaxProblem } from "./prototxt.ts";
import { portNames, Refusal, type SeenValue, settled } from "./reading.ts";

export interface CaffeOptions {
  /** How the file is called in messages. */
  readonly file: string;
  readonly name: string;
  /** Sizes that replace the declared ones, by input, the batch included. */
  readonly shapes?: Readonly<Record<string, readonly number[]>>;
  readonly weights?: { readonly file: string; readonly bytes: Uint8Array } | undefined;
}

export interface Problem {
  readonly problem: Message;
  /** In the text of the network. */
  readonly at?: Span;
}

const READERS: ReadonlyMap<string, LayerReader> = new Map<string, LayerReader>([
  ["Convolution", convolution],
  ["ConvolutionDepthwise", convolution],
  ["DepthwiseConvolution", convolution],
  ["Deconvolution", convolution],
  ["InnerProduct", innerProduct],
  ["Pooling", pooling],
  ["BatchNorm", batchNorm],
  ["Scale", scale],
  ["Axpy", axpy],
  ["PReLU", prelu],
  ["ReLU", relu],
  ["ReLU6", (cx, step) => unary(cx, step, "relu6")],
  ["Sigmoid", (cx, step) => unary(cx, step, "sigmoid")],
  ["TanH", (cx, step) => unary(cx, step, "tanh")],
  ["BNLL", (cx, step) => unary(cx, step, "softplus")],
  ["AbsVal", (cx, step) => unary(cx, step, "abs")],
  ["ELU", elu],
  ["Swish", swish],
  ["Clip", clip],
  ["Power", power],
  ["LRN", lrn],
  ["Softmax", softmax],
  ["Dropout", dropout],
  ["Eltwise", eltwise],
  ["Concat", concat],
  ["Slice", slice],
  ["Flatten", flatten],
  ["Reshape", reshape],
  ["ShuffleChannel", shuffle],
  ["Split", (_cx, { layer, inputs }) => layer.tops.map(() => inputs[0] as SeenValue)],
  ["Silence", () => []],
]);

/** Layers of files for training, and what to take instead. */
const FOR_TRAINING = /Data$|Loss$|^Accuracy$/;

export function importCaffe(bytes: Uint8Array, options: CaffeOptions): ImportedNet | Problem {
  const { file, weights } = options;
  try {
    const net = caffeNet(parsePrototxt(sourceFile(file, new TextDecoder().decode(bytes))));
    const tensors = weights && readCaffeWeights(weights.bytes);
    return convert(net, options, { draft: netDraft(), weights: tensors, missing: new Set(), named: new Map() });
  } catch (error) {
    if (error instanceof SyntaxProblem) return { problem: error.problem, at: error.at };
    if (error instanceof Damaged) return { problem: messages.SE604.weights({ file: weights?.file ?? file, reason: error.message }) };
    throw error;
  }
}

/** A layer with the names of its values made single: Caffe's layers may write where they read. */
interface Wired {
  readonly layer: CaffeLayer;
  readonly inputs: readonly (number | undefined)[];
  readonly outputs: readonly number[];
}

/** Values by number; `blobs` holds what a name means at the end. */
function wire(
  net: CaffeNet,
  inputs: readonly string[],
): { wired: readonly Wired[]; readers: Map<number, Wired[]>; blobs: Map<string, number> } {
  const blobs = new Map<string, number>(inputs.map((name, i) => [name, i]));
  const readers = new Map<number, Wired[]>();
  let count = inputs.length;
  const wired = net.layers
    .filter((layer) => layer.type !== "Input")
    .map((layer) => {
      const from = layer.bottoms.map((name) => blobs.get(name));
      const outputs = layer.tops.map(() => count++);
      layer.tops.forEach((name, i) => void blobs.set(name, outputs[i] as number));
      const one = { layer, inputs: from, outputs };
      for (const value of new Set(from)) {
        if (value === undefined) continue;
        const list = readers.get(value);
        if (list) list.push(one);
        else readers.set(value, [one]);
      }
      return one;
    });
  return { wired, readers, blobs };
}

function convert(net: CaffeNet, { file, name, shapes, weights }: CaffeOptions, cx: CaffeReading): ImportedNet | Problem {
  const unread = (reason: string, at?: Span): Problem => ({ problem: messages.SE604.unread({ file, reason }), ...(at ? { at } : {}) });
  if (net.layers.length === 0) return unread("it has no layers");
  const given = net.layers
    .filter((l) => l.type === "Input")
    .flatMap((layer) => {
      const dims = inputShapes(layer);
      return layer.tops.map((top, i) => ({ name: top, dims: dims[i] ?? dims[0] ?? [], span: layer.span }));
    });
  const inputs: readonly { name: string; dims: readonly number[]; span?: Span }[] = [...net.inputs, ...given];
  const seen = new Map<number, SeenValue>();
  const inputName = portNames();
  for (const [i, { name: input, dims, span }] of inputs.entries()) {
    const [, ...size] = shapes?.[input] ?? dims;
    const fits = (size.length === 1 || size.length === 3) && size.every((d) => Number.isInteger(d) && d >= 1 && d <= LARGEST_SIZE);
    if (!fits) return unread(`its input \`${input}\` has the shape [${shapes?.[input] ?? dims}]`, span);
    seen.set(i, { value: cx.draft.input(inputName(input), size), dims: size });
  }
  const { wired, readers, blobs } = wire(
    net,
    inputs.map((i) => i.name),
  );
  const refused: { layer: CaffeLayer; why: string }[] = [];
  const broken = new Set<number>();
  const taken = new Set<CaffeLayer>();
  for (const { layer, inputs: from, outputs } of wired) {
    const paired = layer.type === "BatchNorm" ? scaleAfter(readers.get(outputs[0] as number)) : undefined;
    const isBehind = from.some((v) => v !== undefined && broken.has(v));
    const values = from.map((v) => (v === undefined ? undefined : seen.get(v)));
    const result = taken.has(layer) ? (values as SeenValue[]) : readLayer(cx, layer, values, isBehind, paired?.layer);
    // of what lies behind a refused layer only kinds that nothing reads are refused too
    if (typeof result === "string" && !(isBehind && result === BEHIND)) refused.push({ layer, why: result });
    if (paired && typeof result !== "string") taken.add(paired.layer);
    outputs.forEach((v, i) => {
      if (typeof result === "string") broken.add(v);
      else seen.set(v, result[i] as SeenValue);
    });
  }
  const [first] = refused;
  if (first) {
    const list = refused.map(({ layer, why }) => `\`${layer.name}\` (${layer.type})${why && `: ${why}`}`).join("; ");
    return { problem: messages.SE602.layers({ file, count: refused.length, layers: list }), at: first.layer.span };
  }
  if (cx.missing.size > 0 && weights) {
    const list = [...cx.missing].map((l) => `\`${l}\``).join(", ");
    return { problem: messages.SE604.missing({ file: weights.file, count: cx.missing.size, layers: list }) };
  }
  // what no layer reads is a result, in the order of the file
  const last = [...blobs].filter(([, v]) => v >= inputs.length && !readers.has(v)).sort((a, b) => a[1] - b[1]);
  const outputName = portNames();
  const outputs = last.flatMap(([blobName, v]) => {
    const value = seen.get(v);
    return value ? [{ name: outputName(blobName), value: settled(cx.draft, value, blobName) }] : [];
  });
  if (outputs.length === 0) return unread("no layer makes a result");
  return foldIdioms(cx.draft.finish(name, outputs));
}

/** Refused only because of what it reads. */
const BEHIND = "behind";

function readLayer(
  cx: CaffeReading,
  layer: CaffeLayer,
  values: readonly (SeenValue | undefined)[],
  isBehind: boolean,
  paired: CaffeLayer | undefined,
): readonly SeenValue[] | string {
  const reader = READERS.get(layer.type);
  if (!reader) return FOR_TRAINING.test(layer.type) ? "it is for training" : "";
  if (isBehind) return BEHIND;
  const open = values.indexOf(undefined);
  if (open >= 0) return `nothing makes its bottom \`${layer.bottoms[open]}\``;
  try {
    const step: Step = { layer, inputs: values as SeenValue[], scale: paired };
    const result = reader(cx, step);
    const list = "value" in result ? [result] : result;
    return list.length === layer.tops.length ? list : `it has ${layer.tops.length} tops`;
  } catch (error) {
    if (error instanceof Refusal) return error.message;
    throw error;
  }
}

/** The `Scale` that completes a `BatchNorm`. */
function scaleAfter(readers: readonly Wired[] | undefined): Wired | undefined {
  const [reader, ...more] = readers ?? [];
  if (!reader || more.length > 0 || reader.layer.type !== "Scale") return undefined;
  try {
    return isPerChannel(reader.layer) ? reader : undefined;
  } catch (error) {
    // a strange parameter is reported when the layer itself is read
    if (error instanceof Refusal) return undefined;
    throw error;
  }
}
