/** The layers of a Caffe network with typed parameters, for inference; both forms of the file (`layer` and the older `layers`). */
import { messages } from "../diagnostics/messages.gen.ts";
import type { Span } from "../source.ts";
import { SyntaxProblem, type TextField, type TextMessage } from "./prototxt.ts";
import { refuse, shortest } from "./reading.ts";

export interface CaffeLayer {
  readonly name: string;
  /** As in the newer form: "Convolution". */
  readonly type: string;
  readonly bottoms: readonly string[];
  readonly tops: readonly string[];
  readonly message: TextMessage;
  readonly span: Span;
}

export interface CaffeNet {
  readonly inputs: readonly { readonly name: string; readonly dims: readonly number[] }[];
  readonly layers: readonly CaffeLayer[];
}

/** Kinds of the older form, whose names say another word than the newer ones (caffe.proto, V1LayerParameter). */
const OLD_KINDS: ReadonlyMap<string, string> = new Map([
  ["ABSVAL", "AbsVal"],
  ["BNLL", "BNLL"],
  ["CONCAT", "Concat"],
  ["CONVOLUTION", "Convolution"],
  ["DECONVOLUTION", "Deconvolution"],
  ["DROPOUT", "Dropout"],
  ["ELTWISE", "Eltwise"],
  ["FLATTEN", "Flatten"],
  ["INNER_PRODUCT", "InnerProduct"],
  ["LRN", "LRN"],
  ["POOLING", "Pooling"],
  ["POWER", "Power"],
  ["RELU", "ReLU"],
  ["SIGMOID", "Sigmoid"],
  ["SILENCE", "Silence"],
  ["SLICE", "Slice"],
  ["SOFTMAX", "Softmax"],
  ["SPLIT", "Split"],
  ["TANH", "TanH"],
]);

const fieldsOf = (message: TextMessage, name: string): readonly TextField[] => message.fields.get(name) ?? [];

/** Messages of that name, also where the file has something else. */
export const messagesOf = (message: TextMessage, name: string): readonly TextMessage[] =>
  fieldsOf(message, name).map(({ value, span }) => {
    if ("fields" in value) return value;
    throw new SyntaxProblem(messages.SE604.syntax({ expected: `\`${name} { .. }\``, found: `\`${value.text.slice(0, 40)}\`` }), span);
  });

const textsOf = (message: TextMessage, name: string): readonly string[] =>
  fieldsOf(message, name).map(({ value, span }) => {
    if ("text" in value) return value.text;
    throw new SyntaxProblem(messages.SE604.syntax({ expected: `a value of \`${name}\``, found: "`{`" }), span);
  });

/** Protobuf keeps the last of a field that is given twice. */
const textOf = (message: TextMessage, name: string): string | undefined => textsOf(message, name).at(-1);

/** C's spellings of numbers, with a float's suffix; NaN for anything else. */
function numberOf(text: string): number {
  const [, sign, digits] = /^([-+]?)(.*)$/.exec(text) as RegExpExecArray;
  const plain = /^0[xX]/.test(digits as string) ? (digits as string) : (digits as string).replace(/[fF]$/, "");
  const value = /^0[0-7]+$/.test(plain)
    ? Number.parseInt(plain, 8)
    : /^(?:0[xX][0-9a-fA-F]+|[0-9]*\.?[0-9]*(?:[eE][-+]?[0-9]+)?)$/.test(plain) && /[0-9]/.test(plain)
      ? Number(plain)
      : Number.NaN;
  return sign === "-" ? -value : value;
}

/** Values of one parameter message of a layer (`convolution_param`), with Caffe's defaults given by the reader. */
export interface Params {
  has(name: string): boolean;
  ints(name: string): readonly number[];
  int(name: string, other: number): number;
  float(name: string, other: number): number;
  floats(name: string): readonly number[];
  flag(name: string, other: boolean): boolean;
  /** The name of an enum's value, also where its number is written. */
  choice(name: string, names: readonly string[], other?: string): string;
  inner(name: string): Params | undefined;
}

const QUIET = new Set(["engine", "weight_filler", "bias_filler", "filler", "force_nd_im2col", "cudnn_convolution_algo_seeker"]);

function paramsOf(list: readonly TextMessage[], known: readonly string[], called: string): Params {
  for (const message of list)
    for (const name of message.fields.keys()) if (!known.includes(name) && !QUIET.has(name)) refuse(`\`${called}\` has \`${name}\``);
  const texts = (name: string): readonly string[] => list.flatMap((m) => textsOf(m, name));
  const number = (name: string, text: string, whole: boolean): number => {
    const value = numberOf(text);
    return Number.isNaN(value) || (whole && !Number.isSafeInteger(value)) ? refuse(`\`${name}\` is \`${text.slice(0, 40)}\``) : value;
  };
  const ints = (name: string): readonly number[] => texts(name).map((t) => number(name, t, true));
  const floats = (name: string): readonly number[] => texts(name).map((t) => shortest(number(name, t, false)));
  return {
    has: (name) => list.some((m) => m.fields.has(name)),
    ints,
    int: (name, other) => ints(name).at(-1) ?? other,
    floats,
    float: (name, other) => floats(name).at(-1) ?? other,
    flag(name, other) {
      const text = texts(name).at(-1);
      if (text === undefined) return other;
      if (["true", "True", "t", "1"].includes(text)) return true;
      return ["false", "False", "f", "0"].includes(text) ? false : refuse(`\`${name}\` is \`${text.slice(0, 40)}\``);
    },
    choice(name, names, other = names[0] as string) {
      const text = texts(name).at(-1) ?? other;
      const found = names.includes(text) ? text : /^\d+$/.test(text) ? names[Number(text)] : undefined;
      return found ?? refuse(`\`${name}\` is \`${text.slice(0, 40)}\``);
    },
    inner: (name) => {
      const found = list.flatMap((m) => messagesOf(m, name));
      return found.length === 0 ? undefined : paramsOf(found, ["dim"], name);
    },
  };
}

/** The parameters of a layer; a field that is not known there is refused, because it may change what the layer does. */
export const params = (layer: CaffeLayer, name: string, known: readonly string[]): Params =>
  paramsOf(messagesOf(layer.message, name), known, name);

/** Whether a layer takes part in inference: phase TEST, level 0, no stages (Net::StateMeetsRule). */
function isForInference(layer: TextMessage): boolean {
  const meets = (rule: TextMessage): boolean => {
    const phase = textOf(rule, "phase");
    if (phase !== undefined && phase !== "TEST" && phase !== "1") return false;
    if (numberOf(textOf(rule, "min_level") ?? "0") > 0 || numberOf(textOf(rule, "max_level") ?? "0") < 0) return false;
    return !rule.fields.has("stage");
  };
  const [include, exclude] = [messagesOf(layer, "include"), messagesOf(layer, "exclude")];
  const phase = textOf(layer, "phase");
  if (phase === "TRAIN" || phase === "0") return false;
  return include.length > 0 ? include.some(meets) : !exclude.some(meets);
}

const dimsOf = (message: TextMessage): readonly number[] => textsOf(message, "dim").map(numberOf);

/** Throws SyntaxProblem where the file is no network at all. */
export function caffeNet(root: TextMessage): CaffeNet {
  const old = messagesOf(root, "layers");
  const list = old.length > 0 ? old : messagesOf(root, "layer");
  const nested = old.find((m) => m.fields.has("layer"));
  if (nested) throw new SyntaxProblem(messages.SE604.oldest(), nested.span);
  const names = textsOf(root, "input");
  const shapes = messagesOf(root, "input_shape").map(dimsOf);
  const flat = textsOf(root, "input_dim").map(numberOf);
  const inputs = names.map((name, i) => ({ name, dims: shapes[i] ?? flat.slice(4 * i, 4 * i + 4) }));
  const layers = list.filter(isForInference).map((message): CaffeLayer => {
    const kind = textOf(message, "type") ?? "";
    return {
      name: textOf(message, "name") ?? "",
      type: old.length > 0 ? (OLD_KINDS.get(kind) ?? kind) : kind,
      bottoms: textsOf(message, "bottom"),
      tops: textsOf(message, "top"),
      message,
      span: message.span,
    };
  });
  return { inputs, layers };
}

/** Shapes of an `Input` layer: one for all of its tops, or one each. */
export const inputShapes = (layer: CaffeLayer): readonly (readonly number[])[] =>
  messagesOf(layer.message, "input_param").flatMap((m) => messagesOf(m, "shape").map(dimsOf));

/** What a layer's parameters are called: layers that call theirs alike share them. */
export const parameterNames = (layer: CaffeLayer): readonly string[] =>
  fieldsOf(layer.message, "param").map(({ value }) => ("fields" in value ? (textOf(value, "name") ?? "") : value.text));
