/** Convolutions and pools of TensorFlow.js, of layers and of graphs alike. */
import type { Constant } from "./onnx-file.ts";
import {
  asKernel,
  channelsFirst,
  channelsLast,
  type NodeList,
  type Origin,
  onMap,
  outFirst,
  perChannel,
  put,
  putConstant,
} from "./tfjs-nodes.ts";

type Pair = readonly [number, number];

export interface Window {
  readonly stride: Pair;
  readonly dilation: Pair;
  /** [top, left, bottom, right] where the file says numbers. */
  readonly padding: "SAME" | "VALID" | readonly number[];
  /** Whether the file has the channels last there. */
  readonly isLast: boolean;
}

export interface Named {
  readonly constant: Constant;
  /** In the spec, with the role: "conv1.weight". */
  readonly name: string;
}

const attrsOf = ({ stride, dilation, padding }: Window): Record<string, string | readonly number[]> => ({
  strides: stride,
  dilations: dilation,
  ...(padding === "SAME" ? { auto_pad: "SAME_UPPER" } : { pads: padding === "VALID" ? [0, 0, 0, 0] : padding }),
});

const named = (list: NodeList, { constant, name }: Named): string => putConstant(list, constant, name);

export interface Filter {
  /** As the file has it: [h, w, in / groups, out], or [h, w, in, multiplier] of a depthwise one. */
  readonly kernel: Named;
  readonly bias?: Named | undefined;
  readonly kind: "conv" | "depthwise";
  readonly groups?: number;
}

export function convolution(list: NodeList, origin: Origin, value: string, filter: Filter, window: Window): string {
  const { kernel, bias, kind } = filter;
  const isDepthwise = kind === "depthwise";
  const turned = isDepthwise ? perChannel(list, kernel.constant) : outFirst(list, kernel.constant);
  const groups = isDepthwise ? (kernel.constant.shape[2] as number) : (filter.groups ?? 1);
  const tensors = [named(list, { constant: turned, name: kernel.name }), ...(bias ? [named(list, bias)] : [])];
  return onMap(list, origin, value, window.isLast, (x) =>
    put(list, origin, "Conv", [x, ...tensors], { ...attrsOf(window), group: groups }),
  );
}

/** The rows of the result that TensorFlow gives: stride times as many, and what the kernel reaches beyond where nothing is padded. */
export function transposedConvolution(list: NodeList, origin: Origin, value: string, filter: Filter, window: Window): string {
  const { kernel, bias } = filter;
  const [h, w] = kernel.constant.shape as [number, number];
  const total = [h, w].map((k, i) => (window.padding === "SAME" ? Math.max(k - (window.stride[i] as number), 0) : 0));
  const before = total.map((t) => Math.floor(t / 2));
  const attrs = {
    strides: window.stride,
    dilations: window.dilation,
    pads: [...before, ...total.map((t, i) => t - (before[i] as number))],
    output_padding: [h, w].map((k, i) => Math.max((window.stride[i] as number) - k, 0)),
  };
  const tensors = [named(list, { constant: outFirst(list, kernel.constant), name: kernel.name }), ...(bias ? [named(list, bias)] : [])];
  return onMap(list, origin, value, window.isLast, (x) => put(list, origin, "ConvTranspose", [x, ...tensors], attrs));
}

/** Averages are over what lies inside the map, as in TensorFlow. */
export function pool(list: NodeList, origin: Origin, value: string, kind: "max" | "average", kernel: Pair, window: Window): string {
  const attrs = { ...attrsOf(window), kernel_shape: kernel };
  return onMap(list, origin, value, window.isLast, (x) => put(list, origin, kind === "max" ? "MaxPool" : "AveragePool", [x], attrs));
}

/** A matrix [in, out] on the last axis, of [N, F] or of a map; [out, in] of [N, F] where it is `across`. */
export function dense(
  list: NodeList,
  origin: Origin,
  value: string,
  isMap: boolean,
  kernel: Named,
  bias: Named | undefined,
  across = false,
): string {
  const own = bias ? [named(list, bias)] : [];
  if (isMap) {
    const weight = named(list, { constant: asKernel(list, kernel.constant), name: kernel.name });
    return channelsLast(list, origin, put(list, origin, "Conv", [channelsFirst(list, origin, value), weight, ...own]));
  }
  return put(list, origin, "Gemm", [value, named(list, kernel), ...own], { transB: across ? 1 : 0 });
}
