/** ONNX nodes that move elements or change sizes: reshape, transpose, slices, padding, resizing, and reductions over axes. */
import type { OnnxNode } from "./onnx-file.ts";
import {
  anyInput,
  constant,
  draftDims,
  fileDims,
  float,
  give,
  giveLike,
  inFileOrder,
  input,
  int,
  ints,
  isPixel,
  labelOf,
  layer,
  listOf,
  movesNothing,
  type Reading,
  refuse,
  type Seen,
  settle,
  sizeOf,
  text,
} from "./onnx-reading.ts";
import { sameDims } from "./reading.ts";
import { firstOf, numbersOf } from "./stored-values.ts";

const AXES = ["c", "h", "w"];
const axisOf = (axis: number, dims: readonly number[]): number => (axis < 0 ? axis + dims.length + 1 : axis);

export function reduce(cx: Reading, node: OnnxNode): undefined {
  const isMean = node.op === "ReduceMean";
  const given = anyInput(cx, node, 0);
  if (given.row) input(cx, node, 0);
  const turned = given.perm;
  const seenAxes = listOf(cx, node, 1, "axes")?.map((a) => axisOf(a, given.dims)) ?? [];
  const keep = int(node, "keepdims", 1) === 1;
  if (turned && turned.length === 4) {
    const { value, dims } = given;
    const over = [...seenAxes]
      .map((a) => turned[a])
      .sort()
      .join();
    const whole = settle(cx, { value, dims }, labelOf(node));
    if (over === "1" && keep) {
      const pooled = layer(cx, node, { op: isMean ? "chanmean" : "chanmax", inputs: [whole] });
      return giveLike(cx, node, pooled, { ...given, dims: draftDims(cx, pooled) });
    }
    // what is left of a map of one pixel has no order
    if (over !== "2,3") refuse(`it reduces the axes [${seenAxes}] of a transposed map`);
    const pooled = layer(cx, node, { op: isMean ? "gap" : "gmp", inputs: [whole] });
    const channels = dims[0] as number;
    return give(cx, node, pooled, keep ? fileDims({ value, dims: [channels, 1, 1], perm: turned }) : [channels]);
  }
  if (keep && seenAxes.join() === "3" && isPixel(cx, given)) {
    return give(cx, node, layer(cx, node, { op: isMean ? "chanmean" : "chanmax", inputs: [given.value] }), [1, 1, 1]);
  }
  const from = input(cx, node, 0);
  const axes = seenAxes;
  const key = [...axes].sort().join();
  const dims = keep ? from.dims.map((d, i) => (axes.includes(i + 1) ? 1 : d)) : from.dims.filter((_, i) => !axes.includes(i + 1));
  const have = draftDims(cx, from.value);
  // over positions that were laid out in a row: [N, C, H*W]
  const isRow = from.dims.length === 2 && key === "2" && have.length === 3 && have[0] === from.dims[0];
  if (isRow || (from.dims.length === 3 && (key === "2,3" || key === "2" || key === "3"))) {
    const value = isRow ? from.value : settle(cx, from, labelOf(node));
    const over = key === "2,3" || isRow ? {} : { over: key === "2" ? "h" : "w" };
    give(cx, node, layer(cx, node, { op: isMean ? "gap" : "gmp", inputs: [value], attrs: over }), dims);
  } else if (from.dims.length === 3 && key === "1") {
    give(cx, node, layer(cx, node, { op: isMean ? "chanmean" : "chanmax", inputs: [settle(cx, from, labelOf(node))] }), dims);
  } else refuse(`it reduces the axes [${axes}] of a value of rank ${from.dims.length + 1}`);
}

export function reshape(cx: Reading, node: OnnxNode): undefined {
  const from = inFileOrder(anyInput(cx, node, 0));
  const wanted = numbersOf((constant(cx, node, 1) ?? refuse("its sizes are computed while the net runs")).data);
  const count = sizeOf(from.dims);
  const all = wanted.map((d, i) => (d === 0 && int(node, "allowzero", 0) === 0 && i > 0 ? (from.dims[i - 1] ?? Number.NaN) : d));
  const rest = all.slice(1);
  const open = rest.indexOf(-1);
  if (open >= 0 && all[0] !== -1) rest[open] = count / -sizeOf(rest);
  const isBatch = all[0] === -1 || all[0] === 0 || all[0] === 1 || Number.isNaN(all[0]);
  if (!isBatch || rest.some((d) => !(Number.isInteger(d) && d > 0)) || sizeOf(rest) !== count) {
    return refuse(`it makes [${wanted}] of [N, ${from.dims}]`);
  }
  if (from.perm && rest.length === 1 && inRow(cx, node, from)) return;
  if (dealtLast(cx, node, from, rest)) return;
  if (from.perm) return shuffled(cx, node, from.value, from.dims, from.perm, rest);
  if (from.row && rest.length !== 1) input(cx, node, 0);
  give(cx, node, from.value, rest);
  if (from.row) giveLike(cx, node, from.value, from);
}

/** The channels of a map that is channels last as runs of them, [H, W, runs, C / runs]: a channel shuffle begins. */
function dealtLast(cx: Reading, node: OnnxNode, { value, dims, perm }: Seen, to: readonly number[]): boolean {
  const [c, h, w] = dims as [number, number, number];
  const [hh, ww, runs, each] = to as [number, number, number, number];
  if (perm?.join() !== "0,2,3,1" || to.length !== 4 || hh !== h || ww !== w || runs * each !== c) return false;
  cx.seen.set(node.outputs[0] ?? "", { value, dims: [runs, each, h, w], perm: [0, 3, 4, 1, 2] });
  return true;
}

/** A transposed map in a row: the matrix that reads it takes its columns in another order. */
function inRow(cx: Reading, node: OnnxNode, { value, dims, perm }: Seen): boolean {
  if (!perm || dims.length !== 3 || !sameDims(draftDims(cx, value), dims)) return false;
  const out = node.outputs[0] ?? "";
  give(cx, node, value, [sizeOf(dims)]);
  const seen = cx.seen.get(out);
  if (seen) cx.seen.set(out, { ...seen, row: { dims, perm } });
  return true;
}

/** The end of reshape, transpose, reshape: channels dealt out, or pixels. */
function shuffled(
  cx: Reading,
  node: OnnxNode,
  value: string,
  dims: readonly number[],
  perm: readonly number[],
  to: readonly number[],
): undefined {
  const key = perm.join();
  const [a, b, c, d, e] = dims as [number, number, number, number, number];
  if (key === "0,2,1,3,4" && to.join() === `${a * b},${c},${d}`) {
    const source = settle(cx, { value, dims: [a * b, c, d] }, labelOf(node));
    return give(cx, node, layer(cx, node, { op: "chanshuffle", inputs: [source], attrs: { groups: a } }));
  }
  // channels last: [H, W, runs, C / runs], turned over there
  const isLast = key === "0,3,4,2,1" || key === "0,3,4,1,2";
  if (isLast && to.join() === `${c},${d},${a * b}`) {
    const map = { value, dims: [a * b, c, d] };
    const source = settle(cx, map, labelOf(node));
    const dealt = key === "0,3,4,1,2" ? source : layer(cx, node, { op: "chanshuffle", inputs: [source], attrs: { groups: a } });
    return void cx.seen.set(node.outputs[0] ?? "", { ...map, value: dealt, perm: [0, 2, 3, 1] });
  }
  if (key === "0,2,1,3" && dims.length === 3 && to.join() === draftDims(cx, value).join()) {
    return give(cx, node, layer(cx, node, { op: "chanshuffle", inputs: [value], attrs: { groups: a } }));
  }
  if (key === "0,1,4,2,5,3" && b === c && to.join() === `${a},${d * b},${e * b}`) {
    const source = settle(cx, { value, dims: [a * b * c, d, e] }, labelOf(node));
    return give(cx, node, layer(cx, node, { op: "pixelshuffle", inputs: [source], attrs: { factor: b } }));
  }
  refuse(`it makes [${to}] of [${dims}] transposed by [${perm}]`);
}

export function transpose(cx: Reading, node: OnnxNode): undefined {
  const from = anyInput(cx, node, 0);
  if (from.row) input(cx, node, 0);
  const rank = from.dims.length + 1;
  const given = ints(node, "perm") ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);
  if (given.length !== rank || given[0] !== 0) return refuse(`it transposes by [${given}]`);
  const perm = from.perm ? given.map((p) => from.perm?.[p] ?? refuse(`it transposes by [${given}]`)) : given;
  const dims = perm.slice(1).map((p) => from.dims[p - 1] as number);
  // a map of one channel is one all the same
  const isMap = perm.join() === "0,2,3,1" && from.dims[0] === 1 && sizeOf(from.dims) > 1;
  if (movesNothing(perm, from.dims) && !isMap) {
    give(cx, node, from.value, dims);
    const seen = cx.seen.get(node.outputs[0] ?? "");
    if (seen && from.padded && perm.every((p, i) => p === i)) cx.seen.set(node.outputs[0] ?? "", { ...seen, padded: from.padded });
    return;
  }
  if (perm.join() === "0,1,3,2") {
    return give(cx, node, layer(cx, node, { op: "swaphw", inputs: [settle(cx, from, labelOf(node))] }));
  }
  cx.seen.set(node.outputs[0] ?? "", { value: from.value, dims: from.dims, perm, ...(from.padded ? { padded: from.padded } : {}) });
}

export function flatten(cx: Reading, node: OnnxNode): undefined {
  const given = inFileOrder(anyInput(cx, node, 0));
  if (axisOf(int(node, "axis", 1), given.dims) !== 1) refuse("it flattens other axes than all after the batch");
  if (given.row) return giveLike(cx, node, given.value, given);
  if (inRow(cx, node, given)) return;
  const from = input(cx, node, 0);
  give(cx, node, from.value, [sizeOf(from.dims)]);
}

export function squeeze(cx: Reading, node: OnnxNode): undefined {
  const from = input(cx, node, 0);
  const axes = listOf(cx, node, 1, "axes");
  if (node.op === "Squeeze") {
    const gone = axes?.map((a) => axisOf(a, from.dims)) ?? from.dims.flatMap((d, i) => (d === 1 ? [i + 1] : []));
    if (gone.some((a) => from.dims[a - 1] !== 1)) refuse(`it drops the axes [${axes}] of [N, ${from.dims}]`);
    return give(
      cx,
      node,
      from.value,
      from.dims.filter((_, i) => !gone.includes(i + 1)),
    );
  }
  const rank = from.dims.length + 1 + (axes?.length ?? 0);
  const dims: number[] = [];
  const put = new Set(axes?.map((a) => (a < 0 ? a + rank : a)));
  if (put.has(0) || rank > 8) refuse("it adds an axis before the batch");
  for (let i = 1, at = 0; i < rank; i++) dims.push(put.has(i) ? 1 : (from.dims[at++] as number));
  give(cx, node, from.value, dims);
}

export function slice(cx: Reading, node: OnnxNode): undefined {
  const from = input(cx, node, 0);
  const starts = listOf(cx, node, 1, "starts") ?? [];
  const ends = listOf(cx, node, 2, "ends") ?? [];
  const axes = listOf(cx, node, 3, "axes") ?? starts.map((_, i) => i);
  if ((listOf(cx, node, 4, "steps") ?? []).some((s) => s !== 1)) refuse("its step is not 1");
  let value = settle(cx, from, labelOf(node));
  axes.forEach((a, i) => {
    const axis = axisOf(a, from.dims);
    const size = from.dims[axis - 1] ?? 0;
    const within = (x: number): number => Math.min(Math.max(x < 0 ? x + size : x, 0), size);
    if (axis === 0) refuse("it takes a part of the batch");
    const [start, stop] = [within(starts[i] as number), within(ends[i] as number)];
    if (start === 0 && stop === size) return;
    value = layer(cx, node, { op: "slice", inputs: [value], attrs: { start, stop, ...(axis === 1 ? {} : { axis: AXES[axis - 1] }) } });
  });
  give(cx, node, value);
}

/** Channels chosen by constant numbers: neighbours, or all of them dealt out in groups (a channel shuffle). */
export function gather(cx: Reading, node: OnnxNode): undefined {
  const from = input(cx, node, 0);
  const given = constant(cx, node, 1) ?? refuse("its indices are computed while the net runs");
  const channels = from.dims[0] ?? 0;
  if (axisOf(int(node, "axis", 0), from.dims) !== 1 || from.dims.length !== 3 || given.shape.length !== 1)
    return refuse("it takes other than channels of a map");
  const order = numbersOf(given.data).map((i) => (i < 0 ? i + channels : i));
  const [start = 0] = order;
  const stop = start + order.length;
  const value = settle(cx, from, labelOf(node));
  if (order.length > 0 && stop <= channels && order.every((c, i) => c === start + i)) {
    if (order.length === channels) return give(cx, node, value);
    return give(cx, node, layer(cx, node, { op: "slice", inputs: [value], attrs: { start, stop } }));
  }
  const each = order[1] ?? 0;
  const groups = channels / each;
  const dealt =
    order.length === channels && Number.isInteger(groups) && order.every((c, i) => c === (i % groups) * each + Math.floor(i / groups));
  if (!dealt) return refuse("its order of channels is neither a part nor a shuffle");
  give(cx, node, layer(cx, node, { op: "chanshuffle", inputs: [value], attrs: { groups } }));
}

export function split(cx: Reading, node: OnnxNode): undefined {
  const from = input(cx, node, 0);
  const axis = axisOf(int(node, "axis", 0), from.dims);
  const size = from.dims[axis - 1] ?? refuse("it parts the batch");
  const parts = node.outputs.length;
  const each = Math.ceil(size / parts);
  const sizes = listOf(cx, node, 1, "split") ?? Array.from({ length: parts }, (_, i) => Math.min(each, size - i * each));
  const value = settle(cx, from, labelOf(node));
  let start = 0;
  node.outputs.forEach((name, i) => {
    const stop = start + (sizes[i] ?? 0);
    const part = layer(cx, node, { op: "slice", inputs: [value], attrs: { start, stop, ...(axis === 1 ? {} : { axis: AXES[axis - 1] }) } });
    cx.seen.set(name, { value: part, dims: draftDims(cx, part) });
    start = stop;
  });
}

export function concat(cx: Reading, node: OnnxNode): undefined {
  const all = node.inputs.map((_, i) => anyInput(cx, node, i));
  const [first] = all;
  const { perm } = first ?? refuse("it joins nothing");
  const isAlike = perm && all.every((s) => s.perm?.join() === perm.join() && sameDims(draftDims(cx, s.value), s.dims));
  const values = isAlike ? all.map((s) => s.value) : node.inputs.map((_, i) => settle(cx, input(cx, node, i), labelOf(node)));
  const seenAxis = axisOf(int(node, "axis", 1), all[0]?.dims ?? []);
  const axis = isAlike ? (perm[seenAxis] ?? 0) : seenAxis;
  if (axis === 0) refuse("it joins batches");
  const [only] = values;
  if (values.length === 1 && only !== undefined) return giveLike(cx, node, only, first as Seen);
  const value = layer(cx, node, { op: "concat", inputs: values, attrs: axis === 1 ? {} : { axis: AXES[axis - 1] } });
  giveLike(cx, node, value, { value, dims: draftDims(cx, value), perm: isAlike ? perm : undefined });
}

export function pad(cx: Reading, node: OnnxNode): undefined {
  const from = input(cx, node, 0);
  const pads = listOf(cx, node, 1, "pads") ?? [];
  if (node.inputs[3]) refuse("it names its axes");
  const value = settle(cx, from, labelOf(node));
  const mode = text(node, "mode", "constant");
  const fill = firstOf(constant(cx, node, 2)) ?? float(node, "value", 0);
  if (pads.length !== 8 || pads[0] !== 0 || pads[4] !== 0 || pads.some((p) => p < 0)) return refuse(`its amounts are [${pads}]`);
  if (pads.every((p) => p === 0)) return give(cx, node, value);
  const isMap = pads[1] === 0 && pads[5] === 0;
  if (!isMap && [2, 3, 6, 7].some((i) => pads[i] !== 0)) refuse("it pads the channels and the map");
  const amount = (isMap ? [2, 3, 6, 7] : [1, 5]).map((i) => pads[i] as number);
  const attrs = {
    amount,
    ...(fill === 0 ? {} : { value: fill }),
    ...(mode === "constant" ? {} : { mode }),
    ...(isMap ? {} : { axis: "c" }),
  };
  const padded = layer(cx, node, { op: "pad", inputs: [value], attrs });
  cx.seen.set(node.outputs[0] ?? "", {
    value: padded,
    dims: draftDims(cx, padded),
    ...(isMap && mode === "constant" && fill === 0 ? { padded: { value, pads: amount } } : {}),
  });
}

export function resize(cx: Reading, node: OnnxNode): undefined {
  const from = input(cx, node, 0);
  const [h, w] = from.dims.slice(1) as [number, number];
  if (from.dims.length !== 3) refuse("it resizes no map");
  const isOld = node.op === "Upsample" || cx.opset < 11;
  const scales = listOf(cx, node, isOld ? 1 : 2, "scales") ?? [];
  const given = isOld ? undefined : constant(cx, node, 3);
  const sizes = given && numbersOf(given.data);
  const to =
    sizes?.length === 4 ? [sizes[2], sizes[3]] : [Math.floor(h * (scales[2] ?? Number.NaN)), Math.floor(w * (scales[3] ?? Number.NaN))];
  const [hh, ww] = to as [number, number];
  if (!(hh > 0 && ww > 0) || scales[0] === 0) refuse("its sizes are not known");
  const how = text(node, "mode", "nearest");
  const where = text(node, "coordinate_transformation_mode", isOld ? "asymmetric" : "half_pixel");
  const whole = hh % h === 0 && ww % w === 0;
  const align = where === "align_corners";
  if (how === "nearest") {
    const rounding = text(node, "nearest_mode", isOld ? "floor" : "round_prefer_floor");
    const fits = where === "asymmetric" ? rounding === "floor" : whole && where !== "align_corners" && rounding.startsWith("round");
    if (!fits) refuse(`nearest with ${where} and ${rounding}`);
  } else if ((how !== "linear" && how !== "bilinear") || !(align || where === "half_pixel" || where === "pytorch_half_pixel")) {
    refuse(`${how} with ${where}`);
  }
  const attrs = {
    ...(whole && hh / h === ww / w ? { scale: hh / h } : { size: hh === ww ? hh : [hh, ww] }),
    ...(how === "nearest" ? {} : { mode: "bilinear" }),
    ...(align ? { align } : {}),
  };
  give(cx, node, layer(cx, node, { op: "upsample", inputs: [settle(cx, from, labelOf(node))], attrs }));
}
