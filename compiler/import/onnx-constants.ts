/** Folding of what exporters compute about shapes, and of constants in front of layers: small integer work, done while reading. */
import type { Constant, OnnxNode } from "./onnx-file.ts";
import { arrayOf, isArray, permutedValues, StoredValues } from "./stored-values.ts";

/** Values that folding makes; sizes are lists of a few numbers, so anything large is left to be refused. */
const LARGEST_FOLDED = 1 << 20;

/** Tensors seen otherwise: they keep their names. */
const VIEWS: ReadonlySet<string> = new Set(["Unsqueeze", "Squeeze", "Reshape", "Transpose"]);

export const vector = (values: readonly number[]): Constant => ({ shape: [values.length], data: Float64Array.from(values) });
const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

const intsOf = (node: OnnxNode, name: string): readonly number[] | undefined => node.attrs.get(name)?.ints.map(Number);
const intOf = (node: OnnxNode, name: string, other: number): number => {
  const a = node.attrs.get(name);
  return a ? Number(a.i) : other;
};

const FOLDED: ReadonlySet<string> = new Set(
  "Identity Dropout Cast Floor Sqrt Neg Shape Unsqueeze Squeeze Reshape Gather Slice Concat ConstantOfShape ReduceProd Transpose Add Sub Mul Div".split(
    " ",
  ),
);

/** Whether nodes of this kind can be computed when all they read is known. */
export const isFoldable = (op: string): boolean => FOLDED.has(op);

/** The value of a node whose inputs are all known; undefined when it is not one of those that exporters use for shapes. */
export function foldNode(node: OnnxNode, inputs: readonly (Constant | undefined)[]): Constant | undefined {
  const folded = fold(node, inputs);
  return folded && VIEWS.has(node.op) ? { ...folded, name: inputs[0]?.name ?? node.inputs[0] } : folded;
}

/** A matrix of the file may be turned over once, whatever its size: then it is as large as what the file holds, or takes no memory. */
const isOnceTurned = (x: Constant): boolean => x.name === undefined;

const isLarge = (c: Constant | undefined): boolean => c !== undefined && c.data.length > LARGEST_FOLDED;

/** A constant whose values are looked at. */
interface Listed extends Constant {
  readonly data: Float32Array | Float64Array;
}

/** Integers stay numbers, whatever their count: a quotient of them is one. */
function listed(c: Constant | undefined): Listed | undefined {
  if (!c) return undefined;
  const { data } = c;
  const isWhole = data instanceof StoredValues && data.isWhole;
  return { ...c, data: isWhole ? Float64Array.from({ length: data.length }, (_, i) => data.at(i)) : arrayOf(data) };
}

const listIn = (node: OnnxNode, inputs: readonly (Constant | undefined)[], i: number, name: string): readonly number[] | undefined =>
  inputs[i] ? [...arrayOf(inputs[i].data)] : intsOf(node, name);

/** The same values in another shape or order, which take no memory of their own when they are large. */
function viewed(node: OnnxNode, x: Constant, inputs: readonly (Constant | undefined)[]): Constant | undefined {
  switch (node.op) {
    case "Identity":
    case "Dropout":
      return x;
    case "Unsqueeze": {
      const axes = listIn(node, inputs, 1, "axes");
      const rank = x.shape.length + (axes?.length ?? 0);
      if (!axes || rank > 8) return undefined;
      const put = new Set(axes.map((a) => (a < 0 ? a + rank : a)));
      const rest = [...x.shape];
      return { shape: Array.from({ length: rank }, (_, i) => (put.has(i) ? 1 : (rest.shift() ?? 1))), data: x.data };
    }
    case "Squeeze": {
      const gone = listIn(node, inputs, 1, "axes")?.map((a) => (a < 0 ? a + x.shape.length : a));
      return { shape: x.shape.filter((d, i) => d !== 1 || (gone !== undefined && !gone.includes(i))), data: x.data };
    }
    case "Reshape": {
      const dims = [...(inputs[1] ? arrayOf(inputs[1].data) : [])];
      const open = dims.indexOf(-1);
      if (open >= 0) dims[open] = x.data.length / -sizeOf(dims);
      return sizeOf(dims) === x.data.length ? { shape: dims, data: x.data } : undefined;
    }
    case "Transpose": {
      if (x.shape.length !== 2 || (isLarge(x) && !isOnceTurned(x))) return undefined;
      const [r, c] = x.shape as [number, number];
      // of what is turned already an array: readers of readers of readers would take ever longer
      return { shape: [c, r], data: permutedValues(isOnceTurned(x) ? x.data : arrayOf(x.data), [r, c], [1, 0]) };
    }
    case "Cast": {
      const to = intOf(node, "to", 1);
      // kept as they are stored, f16 and bf16 are read as f32 in any case
      return !isArray(x.data) && (to === 1 || to === 10 || to === 16) ? x : undefined;
    }
    default:
      return undefined;
  }
}

function fold(node: OnnxNode, given: readonly (Constant | undefined)[]): Constant | undefined {
  if (!given[0]) return undefined;
  const view = given.slice(1).some(isLarge) ? undefined : viewed(node, given[0], given);
  if (view || given.some(isLarge)) return view;
  const inputs = given.map(listed);
  const x = inputs[0] as Listed;
  const list = (i: number, name: string): readonly number[] | undefined => listIn(node, inputs, i, name);
  const make = (shape: readonly number[], values: readonly number[]): Constant => ({
    shape,
    data: x.data instanceof Float32Array ? Float32Array.from(values) : Float64Array.from(values),
  });
  switch (node.op) {
    case "Cast": {
      const to = intOf(node, "to", 1);
      if (to === 1 || to === 10) return { shape: x.shape, data: Float32Array.from(x.data) };
      return { shape: x.shape, data: Float64Array.from(x.data, (v) => Math.trunc(v)) };
    }
    case "Floor":
      return { shape: x.shape, data: x.data.map(Math.floor) };
    case "Sqrt":
      return { shape: x.shape, data: x.data.map(Math.sqrt) };
    case "Neg":
      return { shape: x.shape, data: x.data.map((v) => -v) };
    case "Shape":
      return vector(x.shape);
    case "Gather": {
      if (x.shape.length !== 1 || intOf(node, "axis", 0) !== 0) return undefined;
      const indices = inputs[1];
      const values = [...(indices?.data ?? [])].map((i) => x.data[i < 0 ? i + x.data.length : i]);
      return indices && values.every((v) => v !== undefined) ? make(indices.shape, values as number[]) : undefined;
    }
    case "Slice": {
      const [start, end] = [list(1, "starts")?.[0], list(2, "ends")?.[0]];
      const step = inputs[4]?.data[0] ?? 1;
      if (x.shape.length !== 1 || start === undefined || end === undefined || step !== 1) return undefined;
      const values = [...x.data].slice(start, end);
      return make([values.length], values);
    }
    case "Concat": {
      if (inputs.some((c) => !c || c.shape.length > 1)) return undefined;
      const values = inputs.flatMap((c) => [...(c?.data ?? [])]);
      return make([values.length], values);
    }
    case "ConstantOfShape": {
      const n = sizeOf([...x.data]);
      if (!(n <= LARGEST_FOLDED)) return undefined;
      return { shape: [...x.data], data: new Float64Array(n).fill(node.attrs.get("value")?.t?.floatData[0] ?? 0) };
    }
    case "ReduceProd": {
      const isAll = x.shape.length <= 1 && intOf(node, "keepdims", 1) === 0;
      return isAll ? make([], [sizeOf([...x.data])]) : undefined;
    }
    case "Add":
    case "Sub":
    case "Mul":
    case "Div": {
      const y = inputs[1];
      if (!y || (x.data.length !== y.data.length && x.data.length !== 1 && y.data.length !== 1)) return undefined;
      const whole = x.data instanceof Float64Array;
      const of = { Add: (a: number, b: number) => a + b, Sub: (a: number, b: number) => a - b, Mul: (a: number, b: number) => a * b }[
        node.op as "Add"
      ];
      const op = of ?? ((a: number, b: number): number => (whole ? Math.trunc(a / b) : a / b));
      const long = x.data.length >= y.data.length ? x : y;
      const data = whole ? new Float64Array(long.data.length) : new Float32Array(long.data.length);
      for (let i = 0; i < data.length; i++)
        data[i] = op(x.data[x.data.length === 1 ? 0 : i] as number, y.data[y.data.length === 1 ? 0 : i] as number);
      return { shape: long.shape, data };
    }
    default:
      return undefined;
  }
}
