/**
 * Where a value got its channels and its size, for the notes of shape errors. Looks only at the tree, and only when something is wrong.
 */
import { shapeText, type TensorType } from "../ir/type.ts";
import { type Origin, position, type Span } from "../source.ts";
import { isLibraryFile } from "./library.ts";
import {
  type BodyNode,
  type BranchNode,
  hasBody,
  type InputItem,
  type Item,
  isNode,
  type MergeNode,
  pathOf,
  type TreeNode,
} from "./tree.ts";

type Maker = TreeNode | InputItem;

/** "line 8", or "net.se:8" from another file. */
function lineOf(place: Span, beside: Span): string {
  const { line } = position(place.file, place.start);
  return place.file.name === beside.file.name ? `line ${line}` : `${place.file.name}:${line}`;
}

/** What makes the value that is current before item `index` of a body; undefined at the start of a net or of a detached part. */
function madeBefore(body: BodyNode, index: number): Maker | undefined {
  for (let i = index - 1; i >= 0; i--) {
    const item = body.items[i] as Item;
    if (item.kind === "output") continue;
    if (item.kind === "input") return item;
    if (item.kind !== "from") return item;
    const { target } = item;
    if (target.kind === "node") return target.node;
    if (target.kind === "input") return target.item;
    return target.kind === "entry" ? arrivesAt(target.level) : target.net;
  }
  return body.parent ? arrivesAt(body) : undefined;
}

/** What makes the value a node reads. */
function arrivesAt(node: TreeNode): Maker | undefined {
  const own = node.before[node.before.length - 1];
  if (own) return own;
  const { parent } = node;
  if (!parent) return undefined;
  if (parent.kind === "merge") return arrivesAt(parent);
  if (!hasBody(parent)) return undefined;
  const index = parent.items.findIndex(
    (item) => item === node || (isNode(item) && (item.before.includes(node) || item.after.includes(node))),
  );
  // a node that is being expanded is the last of its body, or not yet in it
  if (index < 0) return madeBefore(parent, parent.items.length);
  const item = parent.items[index] as TreeNode;
  const after = item.after.indexOf(node);
  if (after >= 0) return after === 0 ? item : item.after[after - 1];
  const before = item.before.indexOf(node);
  return before > 0 ? item.before[before - 1] : madeBefore(parent, index);
}

const lastOf = (body: BodyNode): Maker | undefined => madeBefore(body, body.items.length);

type Keeps = (given: TensorType, made: TensorType) => boolean;

/** The node that gave the value what `keeps` compares: passes over what keeps it, goes into groups and merges that add. */
function makerOf(from: Maker | undefined, keeps: Keeps): Maker | undefined {
  let at = from;
  for (let steps = 0; at && at.kind !== "input" && steps < 10_000; steps++) {
    if (at.kind === "layer") {
      if (!at.in || !at.out || !keeps(at.in, at.out)) return at;
      at = arrivesAt(at);
    } else if (at.kind === "merge" && at.word !== "concat") {
      const main: BranchNode | undefined = at.branches[0];
      const inside: Maker | undefined = main && lastOf(main);
      if (!inside) return at;
      at = inside;
    } else if ((at.kind === "level" && at.level === "group") || at.kind === "inline")
      at = at.items.some(isNode) ? lastOf(at) : arrivesAt(at);
    else return at;
  }
  return at;
}

/** The place of a node in a file the user can edit. */
function userSpan({ span, via }: Origin): Span {
  return [span, ...via].find((s) => !isLibraryFile(s.file)) ?? span;
}

function describe(maker: Maker, type: TensorType | undefined, beside: Span): string {
  const shape = type ? `, ${shapeText(type.shape)}` : "";
  if (maker.kind === "input") return `the input \`${maker.name}\` (${lineOf(maker.origin.span, beside)}${shape})`;
  const kind = maker.kind === "level" ? maker.type : maker.kind === "layer" ? maker.op : maker.kind === "merge" ? maker.word : maker.kind;
  return `${pathOf(maker)} (${lineOf(userSpan(maker.origin), beside)}, ${kind}${shape})`;
}

/** "256 channels come from conv2 (line 4, conv, [N, 256, 56, 56])". `beside`: where the error is shown. */
export function channelsNote(node: TreeNode, type: TensorType, beside: Span): string | undefined {
  const channels = type.shape[1];
  const maker = makerOf(arrivesAt(node), (a, b) => a.shape[1] === b.shape[1] && a.shape.length === b.shape.length);
  if (!maker || channels === undefined) return undefined;
  return `${channels} channels come from ${describe(maker, maker.kind === "input" ? maker.type : maker.out, beside)}`;
}

/** "the 7x7 map comes from layer4 (line 9, group, [N, 512, 7, 7])". */
export function sizeNote(node: TreeNode, type: TensorType, beside: Span): string | undefined {
  if (type.shape.length !== 4) return undefined;
  const sides = (t: TensorType): string => t.shape.slice(2).join("x");
  const maker = makerOf(arrivesAt(node), (a, b) => sides(a) === sides(b));
  return maker && `the ${sides(type)} map comes from ${describe(maker, maker.kind === "input" ? maker.type : maker.out, beside)}`;
}

/** "`flatten` (line 19) made [N, 2048] of [N, 2048, 1, 1]": the layer that changed the rank. */
export function rankNote(node: TreeNode, beside: Span): string | undefined {
  let at = arrivesAt(node);
  for (let steps = 0; at && at.kind !== "input" && steps < 10_000; steps++) {
    if (at.kind === "layer" && at.in && at.out && at.in.shape.length !== at.out.shape.length) {
      return `\`${at.call}\` (${lineOf(userSpan(at.origin), beside)}) made ${shapeText(at.out.shape)} of ${shapeText(at.in.shape)}`;
    }
    at = hasBody(at) && at.items.some(isNode) ? lastOf(at) : arrivesAt(at);
  }
  return at?.kind === "input" && at.type
    ? `the input \`${at.name}\` (${lineOf(at.origin.span, beside)}) is ${shapeText(at.type.shape)}`
    : undefined;
}

/** Layers of a branch in order, with those of its groups and blocks. */
function layersIn(body: BodyNode): TreeNode[] {
  return body.items.filter(isNode).flatMap((n) => (n.kind === "level" && n.level !== "net" ? layersIn(n) : [n]));
}

function branchNote(name: string, layers: readonly TreeNode[], beside: Span): string {
  const said: { what: string[]; at: TreeNode }[] = [];
  const say = (what: string, at: TreeNode): void => {
    const last = said[said.length - 1];
    if (last?.at === at) last.what.push(what);
    else said.push({ what: [what], at });
  };
  const maker = layers.findLast((n) => n.in && n.out && n.in.shape[1] !== n.out.shape[1]);
  for (const n of layers) {
    if (!n.in || !n.out) continue;
    const sides = n.out.shape.slice(2).join("x");
    if (sides !== n.in.shape.slice(2).join("x")) {
      const stride = n.kind === "layer" ? n.args.stride : undefined;
      say(stride !== undefined && stride !== 1 ? `stride ${String(stride)}` : sides || "no map", n);
    }
    if (n === maker) say(`${n.out.shape[1]} channels`, n);
  }
  const place = (n: TreeNode): string => `\`${n.label ?? (n.kind === "layer" ? n.call : n.part)}\` (${lineOf(userSpan(n.origin), beside)})`;
  if (said.length > 0) return `${name} gets ${said.map(({ what, at }) => `${what.join(" and ")} at ${place(at)}`).join(" and ")}`;
  return layers.length === 0 ? `${name} is the unchanged input` : `${name} keeps the shape that arrives`;
}

/** One note: what each branch does to stride and channels. */
export function mergeNotes(node: MergeNode): string[] {
  const notes = node.branches.map((b) => branchNote(b.name, layersIn(b), node.nameSpan));
  if (node.word === "residual" && node.branches.length === 1) notes.push("shortcut is the unchanged input");
  return [notes.join("; ")];
}

/** A shortcut that would bring the input to the shape of main; undefined when none is obvious. */
export function mergeHelp(node: MergeNode, types: readonly TensorType[]): string | undefined {
  const main = types[node.branches.findIndex((b) => b.name === "main")];
  if (node.word !== "residual") {
    return node.word === "concat" ? undefined : "sizes must be equal or 1 on every axis";
  }
  const from = node.in;
  if (!main || !from || main.shape.length !== 4 || from.shape.length !== 4) return undefined;
  const [, c, h] = main.shape as readonly number[];
  const stride = Math.ceil((from.shape[2] as number) / (h as number));
  if (stride > 8 || Math.ceil((from.shape[2] as number) / stride) !== h) return undefined;
  const strided = stride > 1 ? `, stride=${stride}` : "";
  return `shortcut { downsample: { conv(${c}, 1${strided})  bn } }`;
}
