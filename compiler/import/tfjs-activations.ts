/** Activations of TensorFlow.js by their names in files, for layers and for fused nodes. */
import { channelsFirst, channelsLast, type NodeList, number, type Origin, onMap, put, putRefused } from "./tfjs-nodes.ts";

/** x / (1 + |x|) */
function softsign(list: NodeList, origin: Origin, x: string): string {
  const below = put(list, origin, "Add", [put(list, origin, "Abs", [x]), number(list, 1)]);
  return put(list, origin, "Div", [x, below]);
}

/** The constants of `tf.selu`. */
const SELU = { alpha: 1.6732632423543772, scale: 1.0507009873554805 };

type Make = (list: NodeList, origin: Origin, x: string) => string;
const plain =
  (op: string, attrs: Readonly<Record<string, number | string>> = {}): Make =>
  (list, origin, x) =>
    put(list, origin, op, [x], attrs);

export const relu6: Make = (list, origin, x) => put(list, origin, "Clip", [x, number(list, 0), number(list, 6)]);

/** Names without case and `_`: files of Keras and of TensorFlow.js spell them differently. */
const MAKERS: Readonly<Record<string, Make>> = {
  relu: plain("Relu"),
  relu6,
  sigmoid: plain("Sigmoid"),
  // what TensorFlow.js computes, whatever Keras wrote the file
  hardsigmoid: plain("HardSigmoid", { alpha: 0.2 }),
  tanh: plain("Tanh"),
  softplus: plain("Softplus"),
  softsign,
  elu: plain("Elu", { alpha: 1 }),
  selu: (list, origin, x) => put(list, origin, "Mul", [put(list, origin, "Elu", [x], { alpha: SELU.alpha }), number(list, SELU.scale)]),
  swish: plain("Swish"),
  silu: plain("Swish"),
  mish: plain("Mish"),
  gelu: plain("Gelu"),
  gelunew: plain("Gelu", { approximate: "tanh" }),
  leakyrelu: plain("LeakyRelu", { alpha: 0.2 }),
};

/** `rank` is that of the value, with the batch. */
export function activation(list: NodeList, origin: Origin, value: string, name: string, rank: number | undefined, isLast: boolean): string {
  const key = name.toLowerCase().replaceAll("_", "");
  if (key === "linear" || key === "") return value;
  if (key === "softmax") return softmax(list, origin, value, -1, rank, isLast);
  const make = Object.hasOwn(MAKERS, key) ? MAKERS[key] : undefined;
  return make ? make(list, origin, value) : putRefused(list, origin, [value], `its activation is ${name}`);
}

/** Axes of the file are those of [N, H, W, C] where its maps are channels last. */
export function softmax(list: NodeList, origin: Origin, value: string, axis: number, rank: number | undefined, isLast: boolean): string {
  const at = axis < 0 && rank !== undefined ? axis + rank : axis;
  if (rank === 4 && isLast && at === 3)
    return channelsLast(list, origin, put(list, origin, "Softmax", [channelsFirst(list, origin, value)], { axis: 1 }));
  return onMap(list, origin, value, false, (x) => put(list, origin, "Softmax", [x], { axis: at }));
}
