/** What the cells of layers share: holes that carry the layer's name, and numbers as PyTorch writes them. */
import type { Node } from "../../compiler/ir/graph.ts";
import type { TensorType } from "../../compiler/ir/type.ts";
import { pairOf, type Size } from "../../compiler/ops/shape.ts";
import { type Arg, type Expr, hole, named, type Role } from "./expr.ts";
import type { Literal } from "./python-text.ts";

/** Makes the holes of one layer; they carry its name. */
export interface Holes {
  readonly of: (name: string, value: Literal, standard?: Literal) => Expr;
  readonly channels: (role: Role, value: number) => Expr;
  /** `stride=2`, left out where it is what PyTorch takes without it. */
  readonly option: (name: string, value: Literal, standard: Literal) => Arg;
}

/** `label`: what the layer is called, for the names of arguments. */
export function holesFor(label: string): Holes {
  const prefix = /^[A-Za-z]/.test(label) ? `${label}_` : "";
  return {
    of: (name, value, standard) => hole(value, `${prefix}${name}`, "setting", standard),
    channels: (role, value) => hole(value, `${prefix}${role === "in" ? "in_channels" : "channels"}`, role),
    option: (name, value, standard) => named(name, hole(value, `${prefix}${name}`, "setting", standard)),
  };
}

/** 3, or (1, 7). */
export const compact = (v: Size): Literal => {
  const [a, b] = pairOf(v);
  return a === b ? a : [a, b];
};

export const inputType = (node: Node): TensorType => (node.inputs[0] as { type: TensorType }).type;
export const isMap = (node: Node): boolean => inputType(node).shape.length === 4;

/** (left, right, top, bottom), the order of F.pad. */
export const border = ([top, left, bottom, right]: readonly number[]): readonly number[] => [left, right, top, bottom] as number[];
