/** Nodes of a GraphDef that move elements or change sizes, and what graphs compute about shapes. */
import { refuse } from "./reading.ts";
import { arrayOf, firstOf, numbersOf } from "./stored-values.ts";
import { flag, isLastAt, text, whole, wholes } from "./tfjs-graph-attributes.ts";
import { type GraphReading, type GraphValue, known } from "./tfjs-graph-reading.ts";
import type { GraphNode } from "./tfjs-json.ts";
import { channelsFirst, channelsLast, number, numbers, type Origin, onMap, put, putAll, putConstant } from "./tfjs-nodes.ts";

type Read = (cx: GraphReading, node: GraphNode, origin: Origin, inputs: readonly GraphValue[]) => GraphValue;

/** Axes of [N, H, W, C] among those of [N, C, H, W]. */
const IN_OURS = [0, 2, 3, 1];

const first = (inputs: readonly GraphValue[]): GraphValue => inputs[0] ?? refuse("it reads nothing");
const listed = (inputs: readonly GraphValue[], i: number, what: string): readonly number[] => numbersOf(known(inputs[i], what).data);

export function reduce(op: string): Read {
  return (cx, node, origin, inputs) => {
    const { value, rank } = first(inputs);
    const axes = listed(inputs, 1, "its axes");
    const keep = flag(node, "keep_dims");
    const made = put(cx.list, origin, op, [value, numbers(cx.list, axes)], { keepdims: keep ? 1 : 0 });
    return { value: made, rank: rank === undefined || keep ? rank : rank - axes.length };
  };
}

export const pad: Read = (cx, node, origin, inputs) => {
  const { list } = cx;
  const amounts = listed(inputs, 1, "its amounts");
  if (amounts.length !== 8) refuse("it pads no map");
  const modes: Readonly<Record<string, string>> = { REFLECT: "reflect" };
  const mode = node.op === "MirrorPad" ? (modes[text(node, "mode", "REFLECT")] ?? refuse("its mode is SYMMETRIC")) : "constant";
  // [before, after] of N, H, W, C: all before, then all after, of N, C, H, W
  const ours = [0, 1].flatMap((side) => [0, 3, 1, 2].map((axis) => amounts[2 * axis + side] as number));
  const fill = node.op === "PadV2" ? [number(list, firstOf(known(inputs[2], "its value")) ?? 0)] : [];
  const made = onMap(list, origin, first(inputs).value, true, (x) => put(list, origin, "Pad", [x, numbers(list, ours), ...fill], { mode }));
  return { value: made, rank: 4 };
};

export const concat: Read = (cx, _node, origin, inputs) => {
  const { list } = cx;
  const values = inputs.slice(0, -1);
  const rank = values.find((v) => v.rank !== undefined)?.rank ?? refuse("it joins values of unknown rank");
  const [given = 0] = listed(inputs, inputs.length - 1, "its axes");
  const axis = given < 0 ? given + rank : given;
  if (rank !== 4)
    return {
      value: put(
        list,
        origin,
        "Concat",
        values.map((v) => v.value),
        { axis },
      ),
      rank,
    };
  const turned = values.map((v) => channelsFirst(list, origin, v.value));
  return { value: channelsLast(list, origin, put(list, origin, "Concat", turned, { axis: IN_OURS[axis] ?? 0 })), rank };
};

export const reshape: Read = (cx, _node, origin, inputs) => {
  const sizes = inputs[1] ?? refuse("it has no sizes");
  const rank = sizes.constant?.data.length ?? cx.lengths.get(sizes.value);
  return { value: put(cx.list, origin, "Reshape", [first(inputs).value, sizes.value], { allowzero: 1 }), rank };
};

export const squeeze: Read = (cx, node, origin, inputs) => {
  const { value, rank } = first(inputs);
  const axes = wholes(node, "squeeze_dims").length > 0 ? wholes(node, "squeeze_dims") : wholes(node, "axis");
  const made = put(cx.list, origin, "Squeeze", axes.length > 0 ? [value, numbers(cx.list, axes)] : [value]);
  return { value: made, rank: rank === undefined || axes.length === 0 ? undefined : rank - axes.length };
};

export const expandDims: Read = (cx, _node, origin, inputs) => {
  const { value, rank } = first(inputs);
  const axes = listed(inputs, 1, "its axes");
  return { value: put(cx.list, origin, "Unsqueeze", [value, numbers(cx.list, axes)]), rank: rank === undefined ? undefined : rank + 1 };
};

export const shape: Read = (cx, _node, origin, inputs) => ({ value: put(cx.list, origin, "Shape", [first(inputs).value]), rank: 1 });

/** One size of a shape, some of them, or a part of a map. */
export const stridedSlice: Read = (cx, node, origin, inputs) => {
  const { list } = cx;
  const { value, rank } = first(inputs);
  const [begin, end, strides] = [1, 2, 3].map((i) => listed(inputs, i, "its bounds")) as [number[], number[], number[]];
  const mask = (name: string): number => whole(node, name, 0);
  if (mask("ellipsis_mask") !== 0 || mask("new_axis_mask") !== 0) refuse("it uses an ellipsis or a new axis");
  if (strides.some((s) => s !== 1) || begin.length !== end.length) refuse(`its strides are [${strides}]`);
  const isOpen = (name: string, i: number): boolean => Math.floor(mask(name) / 2 ** i) % 2 === 1;
  const starts = begin.map((b, i) => (isOpen("begin_mask", i) ? 0 : b));
  const stops = end.map((e, i) => (isOpen("end_mask", i) ? 2 ** 31 : e));
  const shrunk = mask("shrink_axis_mask");
  if (rank === 1 && begin.length === 1) {
    if (shrunk === 1) return { value: put(list, origin, "Gather", [value, number(list, starts[0] as number)]), rank: 0 };
    return { value: put(list, origin, "Slice", [value, ...[starts, stops, [0]].map((p) => numbers(list, p))]), rank: 1 };
  }
  if (shrunk !== 0) refuse("it drops axes");
  return part(cx, origin, { value, rank }, starts, stops);
};

function part(
  cx: GraphReading,
  origin: Origin,
  { value, rank }: GraphValue,
  starts: readonly number[],
  stops: readonly number[],
): GraphValue {
  const { list } = cx;
  if (rank === undefined) refuse("it takes a part of a value of unknown rank");
  // what is taken whole needs no axis: the batch has none in the end
  const taken = starts.flatMap((s, i) => (s === 0 && (stops[i] as number) >= 2 ** 31 ? [] : [i]));
  const axes = taken.map((i) => (rank === 4 ? (IN_OURS[i] as number) : i));
  const parts = [taken.map((i) => starts[i] as number), taken.map((i) => stops[i] as number), axes].map((p) => numbers(list, p));
  return { value: onMap(list, origin, value, rank === 4, (x) => put(list, origin, "Slice", [x, ...parts])), rank };
}

export const slice: Read = (cx, _node, origin, inputs) => {
  const starts = listed(inputs, 1, "its bounds");
  const stops = listed(inputs, 2, "its sizes").map((size, i) => (size === -1 ? 2 ** 31 : size + (starts[i] ?? 0)));
  const from = first(inputs);
  if (from.rank !== 1) return part(cx, origin, from, starts, stops);
  return { value: put(cx.list, origin, "Slice", [from.value, ...[starts, stops, [0]].map((p) => numbers(cx.list, p))]), rank: 1 };
};

/** Sizes one by one as a list of them. */
export const pack: Read = (cx, node, origin, inputs) => {
  const { list } = cx;
  if (whole(node, "axis", 0) !== 0 || inputs.some((i) => i.rank !== 0)) refuse("it joins other than single numbers");
  const runs = inputs.map((i) => {
    if (i.constant) return putConstant(list, { shape: [1], data: Float64Array.from(arrayOf(i.constant.data)) });
    return put(list, origin, "Unsqueeze", [i.value, numbers(list, [0])]);
  });
  const value = put(list, origin, "Concat", runs, { axis: 0 });
  cx.lengths.set(value, inputs.length);
  return { value, rank: 1 };
};

/** Split reads the axis first, SplitV the sizes and then the axis. */
export const split: Read = (cx, node, origin, inputs) => {
  const { list } = cx;
  const isEven = node.op === "Split";
  const from = inputs[isEven ? 1 : 0] ?? refuse("it reads nothing");
  const sizes = isEven ? undefined : listed(inputs, 1, "its sizes");
  const parts = sizes?.length ?? whole(node, "num_split", 1);
  const [given = 0] = listed(inputs, isEven ? 0 : 2, "its axes");
  if (from.rank !== 4 || parts < 1 || parts > 1024 || sizes?.includes(-1)) return refuse("it parts no map");
  const outputs = Array.from({ length: parts }, (_, i) => `\0split ${i} of ${node.name}`);
  const axis = IN_OURS[given < 0 ? given + 4 : given] ?? 0;
  const split = sizes ? [numbers(list, sizes)] : [];
  putAll(list, origin, "Split", [channelsFirst(list, origin, from.value), ...split], { axis }, outputs);
  outputs.forEach((o, i) => void cx.values.set(`${node.name}:${i}`, { value: channelsLast(list, origin, o), rank: 4 }));
  return cx.values.get(`${node.name}:0`) as GraphValue;
};

/** Pixels of a block lie in runs of channels (ONNX calls that DCR). */
export const depthToSpace: Read = (cx, node, origin, inputs) => {
  const attrs = { blocksize: whole(node, "block_size", 1), mode: "DCR" };
  return {
    value: onMap(cx.list, origin, first(inputs).value, isLastAt(node), (x) => put(cx.list, origin, "DepthToSpace", [x], attrs)),
    rank: 4,
  };
};

export const resize: Read = (cx, node, origin, inputs) => {
  const { list } = cx;
  const size = inputs[1] ?? refuse("it has no sizes");
  const isNearest = node.op === "ResizeNearestNeighbor";
  const where = flag(node, "align_corners") ? "align_corners" : flag(node, "half_pixel_centers") ? "half_pixel" : "asymmetric";
  const attrs = {
    mode: isNearest ? "nearest" : "linear",
    coordinate_transformation_mode: where,
    nearest_mode: where === "asymmetric" ? "floor" : "round_prefer_floor",
  };
  const sizes = put(list, origin, "Concat", [numbers(list, [1, 1]), size.value], { axis: 0 });
  return { value: onMap(list, origin, first(inputs).value, true, (x) => put(list, origin, "Resize", [x, "", "", sizes], attrs)), rank: 4 };
};

export const transpose: Read = (cx, _node, origin, inputs) => {
  const perm = listed(inputs, 1, "its order");
  return { value: put(cx.list, origin, "Transpose", [first(inputs).value], { perm }), rank: first(inputs).rank };
};
