/** Attributes of GraphDef nodes in JSON: 64-bit numbers are text there, and text is base64. */
import { refuse } from "./reading.ts";
import type { GraphNode } from "./tfjs-json.ts";

type Attribute = NonNullable<GraphNode["attr"]>[string];

const attributeOf = (node: GraphNode, name: string): Attribute | undefined =>
  node.attr && Object.hasOwn(node.attr, name) ? node.attr[name] : undefined;

function decoded(value: string | readonly number[]): string {
  if (typeof value !== "string") return String.fromCharCode(...value.slice(0, 1000));
  try {
    return atob(value.slice(0, 1000));
  } catch {
    return refuse(`\`${value.slice(0, 40)}\` is no base64`);
  }
}

const integer = (name: string, value: string | number): number => {
  const x = Number(value);
  return Number.isSafeInteger(x) ? x : refuse(`\`${name}\` is ${value}`);
};

export function text(node: GraphNode, name: string, other: string): string {
  const s = attributeOf(node, name)?.s;
  return s === undefined ? other : decoded(s);
}

export const texts = (node: GraphNode, name: string): readonly string[] => (attributeOf(node, name)?.list?.s ?? []).map(decoded);

export function whole(node: GraphNode, name: string, other: number): number {
  const i = attributeOf(node, name)?.i;
  return i === undefined ? other : integer(name, i);
}

export const wholes = (node: GraphNode, name: string): readonly number[] =>
  (attributeOf(node, name)?.list?.i ?? []).map((i) => integer(name, i));

export function float(node: GraphNode, name: string, other: number): number {
  const f = Number(attributeOf(node, name)?.f ?? other);
  return Number.isFinite(f) ? f : refuse(`\`${name}\` is no number`);
}

export const flag = (node: GraphNode, name: string): boolean => attributeOf(node, name)?.b ?? false;

/** Sizes of a placeholder; undefined when not even their number is known. */
export function shapeOf(node: GraphNode): readonly (number | undefined)[] | undefined {
  const shape = attributeOf(node, "shape")?.shape;
  if (!shape || shape.unknownRank || !shape.dim) return undefined;
  return shape.dim.map((d) => {
    const size = Number(d.size ?? -1);
    return Number.isSafeInteger(size) && size > 0 ? size : undefined;
  });
}

/** Whether maps are [N, H, W, C] at this node. */
export const isLastAt = (node: GraphNode): boolean => text(node, "data_format", "NHWC") !== "NCHW";

/** Of [N, H, W, C] or [N, C, H, W]: what belongs to rows and columns. */
export function pairAt(node: GraphNode, name: string, isLast: boolean): readonly [number, number] {
  const all = wholes(node, name);
  if (all.length === 0) return [1, 1];
  const [a, b] = isLast ? [all[1], all[2]] : [all[2], all[3]];
  const others = isLast ? [all[0], all[3]] : [all[0], all[1]];
  if (all.length !== 4 || a === undefined || b === undefined || others.some((x) => x !== 1)) return refuse(`\`${name}\` is [${all}]`);
  return [a, b];
}
