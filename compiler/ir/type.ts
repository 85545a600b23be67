/** Tensor types. Shapes always mean NCHW (rank 4) or NF (rank 2), whatever the bytes of a target look like. */

export type DType = "f32" | "f16" | "i32" | "i64" | "bool";

/** A number, or the name of the open batch size until `--batch` binds it. Only axis 0 may be open (language.md section 5). */
export type Dim = number | string;

export interface TensorType {
  readonly dtype: DType;
  readonly shape: readonly Dim[];
}

export function f32(...shape: readonly Dim[]): TensorType {
  return { dtype: "f32", shape };
}

export function sameShape(a: readonly Dim[], b: readonly Dim[]): boolean {
  return a.length === b.length && a.every((d, i) => d === b[i]);
}

export function sameType(a: TensorType, b: TensorType): boolean {
  return a.dtype === b.dtype && sameShape(a.shape, b.shape);
}

/** Elements of a shape; an open size counts as 1. */
export function numel(shape: readonly Dim[]): number {
  let n = 1;
  for (const d of shape) n *= typeof d === "number" ? d : 1;
  return n;
}

/** "[N, 256, 56, 56]", the way messages print shapes. */
export function shapeText(shape: readonly Dim[]): string {
  return `[${shape.join(", ")}]`;
}
