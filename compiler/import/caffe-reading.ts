/** What the readers of single Caffe layers share: the net being drafted, values, and tensors from the weights file. */
import { type CaffeLayer, parameterNames } from "./caffe-net.ts";
import type { Blob, CaffeWeights } from "./caffe-weights.ts";
import type { NetDraft } from "./net-draft.ts";
import { added, dimsIn, refuse, type SeenValue, settled, sizeOf } from "./reading.ts";

export interface CaffeReading {
  readonly draft: NetDraft;
  /** Without it the net has no weights. */
  readonly weights: CaffeWeights | undefined;
  /** Layers that the weights file does not have. */
  readonly missing: Set<string>;
  /** By kind, arguments and names of parameters: the first layer that has them. */
  readonly named: Map<string, string>;
}

/** One layer with its values; the reader gives one value per top. */
export interface Step {
  readonly layer: CaffeLayer;
  readonly inputs: readonly SeenValue[];
  /** The `Scale` that alone reads what a `BatchNorm` makes: the two are one layer here. */
  readonly scale?: CaffeLayer | undefined;
}

export type LayerReader = (cx: CaffeReading, step: Step) => SeenValue | readonly SeenValue[];

/** Tensors of a layer of ours by role, made of the blobs of a layer of the file. */
type Tensors = () => Readonly<Record<string, Float32Array | undefined>>;

export interface CaffeDraft {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly attrs?: Readonly<Record<string, unknown>>;
  readonly tensors?: Tensors;
  /** The layer's own name unless given. */
  readonly label?: string;
}

/** The only input, or a refusal. */
export const only = ({ inputs }: Step): SeenValue =>
  inputs.length === 1 ? (inputs[0] as SeenValue) : refuse(`it has ${inputs.length} bottoms`);

export const seenIn = (cx: CaffeReading, value: string): SeenValue => ({ value, dims: dimsIn(cx.draft, value) });

export const settle = (cx: CaffeReading, step: Step, seen: SeenValue): string => settled(cx.draft, seen, `${step.layer.name}/flatten`);

/** The value as a map [C, H, W]: what Caffe keeps as [N, C] is a map of one pixel. */
export function asMap(cx: CaffeReading, step: Step, seen: SeenValue): string {
  return settle(cx, step, seen.dims.length === 1 ? { value: seen.value, dims: [...seen.dims, 1, 1] } : seen);
}

/** Adds a layer called after the file's. */
export function put(cx: CaffeReading, step: Step, { op, inputs, attrs = {}, tensors, label = step.layer.name }: CaffeDraft): string {
  const { draft } = cx;
  const own = cx.weights && tensors?.();
  const shapes = tensors ? draft.weightShapes(op, inputs, attrs) : {};
  if ("code" in shapes) return refuse(String(shapes.title));
  const use = tensors && useOf(step, op, attrs, Object.keys(shapes).length);
  const same = use === undefined ? undefined : cx.named.get(use);
  const value = added(draft.add({ label, op, inputs, attrs, same, tensors: own && fitting(own, shapes) }));
  if (use !== undefined && same === undefined) cx.named.set(use, value);
  return value;
}

/** The blobs as tensors of these shapes; undefined when one is missing. */
function fitting(
  own: Readonly<Record<string, Float32Array | undefined>>,
  shapes: Readonly<Record<string, readonly number[]>>,
): Record<string, Float32Array> | undefined {
  if (Object.values(own).some((t) => t === undefined)) return undefined;
  return Object.fromEntries(
    Object.entries(shapes).map(([role, shape]) => {
      const data = own[role];
      return data?.length === sizeOf(shape) ? [role, data] : refuse(`its ${role} has ${data?.length ?? 0} values; [${shape}] is wanted`);
    }),
  );
}

/** The same text for layers that are one layer: Caffe shares parameters by name. Undefined where one has none, and stays the layer's own. */
function useOf({ layer, scale }: Step, op: string, attrs: Readonly<Record<string, unknown>>, count: number): string | undefined {
  const names = [layer, ...(scale ? [scale] : [])].flatMap(parameterNames);
  return count > 0 && names.length >= count && !names.includes("") ? JSON.stringify([op, attrs, names]) : undefined;
}

/** One layer on the only input; what does not depend on places keeps the sizes the file sees. */
export function unary(cx: CaffeReading, step: Step, op: string, attrs: Readonly<Record<string, unknown>> = {}): SeenValue {
  const from = only(step);
  return { value: put(cx, step, { op, inputs: [from.value], attrs }), dims: from.dims };
}

/** A tensor of the weights file; undefined when the file has no such layer, which is reported at the end. */
export function blob(cx: CaffeReading, layer: CaffeLayer, index: number): Blob | undefined {
  const found = cx.weights?.get(layer.name)?.[index];
  if (!found) cx.missing.add(layer.name);
  return found;
}

/** Weight and bias as most layers have them. */
export const weightAndBias =
  (cx: CaffeReading, layer: CaffeLayer, bias: boolean): Tensors =>
  () => ({ weight: blob(cx, layer, 0)?.data, ...(bias ? { bias: blob(cx, layer, 1)?.data } : {}) });
