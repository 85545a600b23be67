/** An ONNX model as a network in our vocabulary: constants folded, shapes inferred by our own ops, idioms named. */
import type { Message } from "../diagnostics/diagnostic.ts";
import { messages } from "../diagnostics/messages.gen.ts";
import { foldIdioms } from "./fold-idioms.ts";
import type { ImportedNet } from "./imported.ts";
import { LARGEST_SIZE, netDraft } from "./net-draft.ts";
import { foldNode, isFoldable, vector } from "./onnx-constants.ts";
import { activation, arithmetic, expand, gelu, isPlain, limit, plain } from "./onnx-elementwise.ts";
import { type Constant, constantOf, type OnnxModel, type OnnxNode, type ReadPart, readOnnx, Unreadable } from "./onnx-file.ts";
import { channelsLastInput, channelsLastOutput, inputNote } from "./onnx-layout.ts";
import { concat, flatten, gather, pad, reduce, reshape, resize, slice, split, squeeze, transpose } from "./onnx-moves.ts";
import { norm } from "./onnx-norms.ts";
import { anyInput, fileDims, give, input, labelOf, layer, type Reading, Refusal, type Seen, settle, text } from "./onnx-reading.ts";
import { conv, deconv, matrix, pool } from "./onnx-windows.ts";
import { portNames } from "./reading.ts";
import { isArray } from "./stored-values.ts";
import { nameTensors } from "./tensor-names.ts";

export interface OnnxOptions {
  /** How the file is called in messages. */
  readonly file: string;
  readonly name: string;
  /** Sizes that replace the declared ones, by input, the batch included. */
  readonly shapes?: Readonly<Record<string, readonly number[]>>;
  /** External data; without it there is none. */
  readonly readPart?: ReadPart;
}

/** Elements that folding may make in any model; half as many more as the file has, whose tensors may be bytes. */
const LEAST_FOLDED = 1 << 20;

/** How many times all tensors of the file its layers may hold: those that read one tensor differently have copies of it. */
const MOST_COPIES = 4;

type Reader = (cx: Reading, node: OnnxNode) => undefined;

const READERS: Readonly<Record<string, Reader>> = {
  Conv: conv,
  ConvTranspose: deconv,
  Gemm: matrix,
  MatMul: matrix,
  MaxPool: pool,
  AveragePool: pool,
  GlobalAveragePool: (cx, node) => give(cx, node, layer(cx, node, { op: "gap", inputs: [settle(cx, input(cx, node, 0), labelOf(node))] })),
  GlobalMaxPool: (cx, node) => give(cx, node, layer(cx, node, { op: "gmp", inputs: [settle(cx, input(cx, node, 0), labelOf(node))] })),
  ReduceMean: reduce,
  ReduceMax: reduce,
  Reshape: reshape,
  Transpose: transpose,
  Flatten: flatten,
  Squeeze: squeeze,
  Unsqueeze: squeeze,
  Slice: slice,
  Gather: gather,
  Split: split,
  Concat: concat,
  Pad: pad,
  Resize: resize,
  Upsample: resize,
  Erf: gelu,
  Expand: expand,
  Min: limit,
  Max: limit,
  Identity: same,
  Dropout: same,
  Cast: same,
  DepthToSpace(cx, node) {
    const factor = Number(node.attrs.get("blocksize")?.i ?? 0n);
    const from = settle(cx, input(cx, node, 0), labelOf(node));
    // pixels of a block lie in runs of channels, not in neighbours: dealt out, they are neighbours
    const isRuns = text(node, "mode", "DCR") !== "CRD" && cx.draft.typeOf(from).shape[1] !== factor ** 2;
    const dealt = isRuns ? layer(cx, node, { op: "chanshuffle", inputs: [from], attrs: { groups: factor ** 2 } }) : from;
    give(cx, node, layer(cx, node, { op: "pixelshuffle", inputs: [dealt], attrs: { factor } }));
  },
  ...Object.fromEntries(
    ["LeakyRelu", "Elu", "Neg", "Gelu", "HardSigmoid", "Clip", "ThresholdedRelu", "PRelu", "Pow", "Softmax"].map((op) => [op, activation]),
  ),
  ...Object.fromEntries(
    ["BatchNormalization", "InstanceNormalization", "GroupNormalization", "LayerNormalization", "LRN"].map((op) => [op, norm]),
  ),
  ...Object.fromEntries(["Add", "Sub", "Mul", "Div", "Sum"].map((op) => [op, arithmetic])),
};

function same(cx: Reading, node: OnnxNode): undefined {
  cx.seen.set(node.outputs[0] ?? "", anyInput(cx, node, 0));
}

/** What reads models for `net A from onnx "FILE"`: given to the expansion, since few files need it and it starts slowly. */
export type ImportOnnx = typeof importOnnx;

/** The net, or what is wrong with the file: one message, whatever the file holds. */
export function importOnnx(bytes: Uint8Array, options: OnnxOptions): ImportedNet | { readonly problem: Message } {
  let model: OnnxModel;
  try {
    model = readOnnx(bytes, options.readPart ?? (() => undefined));
    return netOfNodes(model, options, {
      unread: (reason) => messages.SE601.unread({ file: options.file, reason }),
      refused: (count, nodes) => messages.SE602.nodes({ file: options.file, count, nodes }),
    });
  } catch (error) {
    if (error instanceof Unreadable) return { problem: messages.SE601.unread({ file: options.file, reason: error.message }) };
    throw error;
  }
}

/** How problems are said of a file of this format. */
export interface FileWords {
  unread(reason: string): Message;
  refused(count: number, nodes: string): Message;
}

export function netOfNodes(
  model: OnnxModel,
  { file, name, shapes, readPart }: OnnxOptions,
  words: FileWords,
): ImportedNet | { readonly problem: Message } {
  const draft = netDraft();
  const cx: Reading = {
    draft,
    opset: model.opset,
    constants: new Map(model.constants),
    seen: new Map(),
    readers: readersOf(model.nodes),
    outputs: new Set(model.outputs),
    tensorNames: new Map(),
    done: new Set(),
    changed: new Map(),
    budget: { left: LEAST_FOLDED + [...model.constants.values()].reduce((n, c) => n + c.data.length / 2, 0) },
  };
  const notes: Message[] = [];
  const [inputName, outputName] = [portNames(), portNames()];
  const called = new Map(model.inputs.map((i) => [i.name, inputName(i.name)]));
  for (const { name: given, shape } of model.inputs) {
    const wanted = shapes?.[given];
    const example = exampleOf(given, shape?.slice(1) ?? [], model.channelsLast === true);
    if (wanted && shape && wanted.length !== shape.length)
      return { problem: messages.SE603.rank({ file, input: given, count: wanted.length, want: shape.length, example }) };
    const sizes = wanted ?? shape;
    const [, ...rest] = sizes ?? [];
    const open = sizes === undefined ? [] : rest.flatMap((d, i) => (d === undefined ? [i + 1] : []));
    const known = rest as readonly number[];
    if (sizes === undefined || open.length > 0) {
      const shown = shape ? `[${shape.map((d) => d ?? "?").join(", ")}]` : "unknown";
      return { problem: messages.SE603.open({ file, input: given, shape: shown, example }) };
    }
    if ((known.length !== 1 && known.length !== 3) || known.some((d) => !Number.isInteger(d) || d < 1 || d > LARGEST_SIZE)) {
      return { problem: words.unread(`its input \`${given}\` has the shape [${sizes}]`) };
    }
    const turned = channelsLastInput(cx.readers, given, known, model.channelsLast === true);
    const seen: Seen = { value: draft.input(called.get(given) ?? given, turned?.dims ?? known), dims: known, ...turned };
    cx.seen.set(given, seen);
    if (turned) notes.push(inputNote(file, given, seen));
  }
  // a layer may want a constant that is worked out only after it: a bias that the next node adds
  for (const node of model.nodes) if (foldConstants(cx, node, readPart)) cx.done.add(node);
  const refused: { node: OnnxNode; why: string }[] = [];
  const broken = new Set<string>();
  for (const node of model.nodes) {
    // what an unsupported node makes is unknown; what reads it is not wrong for that
    const behind = node.inputs.some((i) => broken.has(i));
    // but a kind that nothing reads is refused wherever it stands: all are listed at once
    const why = behind ? (isKnown(node) ? undefined : unknownKind(node)) : readNode(cx, node, readPart);
    if (why !== undefined) refused.push({ node, why });
    if (behind || why !== undefined) node.outputs.forEach((o) => void broken.add(o));
  }
  const outputs: { name: string; value: string }[] = [];
  for (const name of model.outputs) {
    const found = broken.has(name) ? undefined : cx.seen.get(name);
    if (!found && !broken.has(name)) {
      const reason = cx.constants.has(name) ? "is a constant: it is the same for every input" : "is made by none of its nodes";
      return { problem: messages.SE601.output({ file, output: name, reason }) };
    }
    const { seen, note } = found ? channelsLastOutput(cx, file, name, found, model.channelsLast === true) : {};
    if (note) notes.push(note);
    const maker = model.nodes.find((n) => n.outputs.includes(name));
    const why = seen && reasonOf(() => void outputs.push({ name: outputName(name), value: settle(cx, seen, name) }));
    if (why !== undefined && maker) refused.push({ node: maker, why: `as an output: ${why}` });
  }
  if (refused.length > 0) {
    const list = refused.map(({ node, why }) => {
      const { name, kind } = node.source ?? { name: labelOf(node), kind: node.op };
      return `\`${name}\` (${kind})${why && `: ${why}`}`;
    });
    return { problem: words.refused(refused.length, list.join("; ")) };
  }
  if (outputs.length === 0) return { problem: words.unread("no layer makes its outputs") };
  const net = draft.finish(name, outputs);
  const kept = new Set(net.inputs.map((i) => i.name));
  for (const { name: given } of model.inputs)
    if (!kept.has(called.get(given) ?? given)) notes.push(messages.SE605.unused({ file, input: given }));
  const named = nameTensors(net, cx.tensorNames);
  const [stored, held] = [model.constants, named.weights].map((all) => [...all.values()].reduce((n, t) => n + t.data.length, 0)) as [
    number,
    number,
  ];
  if (held > LEAST_FOLDED + MOST_COPIES * stored)
    return { problem: words.unread(`its tensors have ${stored} numbers, its layers ${held} between them`) };
  return {
    ...foldIdioms(named),
    ...(model.madeUp ? { madeUp: model.madeUp } : {}),
    ...(notes.length > 0 ? { notes } : {}),
  };
}

/** A value for `--shape`, with the sizes that are known. */
const exampleOf = (input: string, rest: readonly (number | undefined)[], isLast: boolean): string =>
  `${input}=1x${(rest.length === 3 ? rest : [undefined, undefined, undefined]).map((d, i) => d ?? (i === (isLast ? 2 : 0) ? 3 : 224)).join("x")}`;

function readersOf(nodes: readonly OnnxNode[]): Map<string, OnnxNode[]> {
  const readers = new Map<string, OnnxNode[]>();
  for (const node of nodes) {
    for (const name of new Set(node.inputs)) {
      const list = readers.get(name);
      if (list) list.push(node);
      else readers.set(name, [node]);
    }
  }
  return readers;
}

const readerOf = (node: OnnxNode) =>
  node.domain === "" ? (isPlain(node.op) ? plain : Object.hasOwn(READERS, node.op) ? READERS[node.op] : undefined) : undefined;

const isKnown = (node: OnnxNode): boolean =>
  (readerOf(node) !== undefined && node.refused === undefined) || (node.domain === "" && isFoldable(node.op));

const unknownKind = (node: OnnxNode): string => node.refused ?? (node.domain === "" ? "" : `of the domain ${node.domain}`);

/** Whether the node's value is known, and kept. */
function foldConstants(cx: Reading, node: OnnxNode, readPart: ReadPart | undefined): boolean {
  const keep = (c: Constant | undefined): boolean => {
    if (c) cx.constants.set(node.outputs[0] ?? "", c);
    return c !== undefined;
  };
  if (node.op === "Constant") return keep(constantNode(node, readPart));
  const known = node.inputs.map((i) => (i === "" ? undefined : cx.constants.get(i)));
  if (node.op === "Shape") {
    const seen = cx.seen.get(node.inputs[0] ?? "");
    if (seen && keep(vector([Number.NaN, ...fileDims(seen)]))) return true;
  }
  if (cx.budget.left <= 0 || !node.inputs.every((i, n) => i === "" || known[n])) return false;
  const folded = foldNode(node, known);
  // what is only seen otherwise takes no memory
  if (folded && isArray(folded.data) && !known.some((c) => c?.data === folded.data)) cx.budget.left -= folded.data.length;
  return keep(folded);
}

/** Reads one node; gives the reason when it has no equivalent ("" when its kind is unknown). */
function readNode(cx: Reading, node: OnnxNode, readPart: ReadPart | undefined): string | undefined {
  if (cx.done.has(node) || foldConstants(cx, node, readPart)) return undefined;
  if (node.refused !== undefined) return node.refused;
  if (node.op === "Constant") return "its value is no tensor";
  const reader = readerOf(node);
  if (!reader) return unknownKind(node);
  return reasonOf(() => void reader(cx, node));
}

/** Why the work is refused; undefined when it is done. */
function reasonOf(work: () => void): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (error instanceof Refusal) return error.message;
    throw error;
  }
}

function constantNode(node: OnnxNode, readPart: ReadPart | undefined): Constant | undefined {
  const value = (name: string) => node.attrs.get(name);
  const tensor = value("value")?.t;
  if (tensor) return constantOf(tensor, readPart ?? (() => undefined));
  if (node.attrs.has("value_float")) return { shape: [], data: Float32Array.of(value("value_float")?.f ?? 0) };
  if (node.attrs.has("value_int")) return { shape: [], data: Float64Array.of(Number(value("value_int")?.i ?? 0n)) };
  if (node.attrs.has("value_ints")) return vector(value("value_ints")?.ints.map(Number) ?? []);
  const floats = value("value_floats")?.floats;
  return floats ? { shape: [floats.length], data: Float32Array.from(floats) } : undefined;
}
