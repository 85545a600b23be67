/**
 * The expanded net: what `sec expand` prints and what edits work on (language.md sections 6, 7, 9).
 * Mutable on purpose: edits change it in place and `inferTree` works the types out anew. Nothing symbolic is left but the open batch.
 */
import type { Diagnostics } from "../diagnostics/diagnostic.ts";
import type { TensorType } from "../ir/type.ts";
import type { TensorValues } from "../ir/values.ts";
import type { Origin, Span } from "../source.ts";
import type { BlockDef, Call, Edit, InsertEdit, MergeWord, NetDef } from "../syntax/ast.ts";
import type { Scope, SpecValue } from "./scope.ts";

export type { SpecValue } from "./scope.ts";

/** Which insertion a node came with; holds for everything below it. Becomes `Weight.inserted`. */
export interface InsertMark {
  readonly group: number;
  readonly policy: "default" | "paper" | "preserve";
  /** The edit that put it there, for messages; no part of `Weight.inserted`. */
  readonly edit?: InsertEdit;
}

interface NodeBase {
  /** What holds the node: a body, or the merge of a branch. Absent on the net itself. */
  parent: TreeNode | undefined;
  /** The user's label; absent on numbered nodes, unlabelled merges, branches, the net itself. */
  label: string | undefined;
  /**
   * Label, or number as text; "@residual" for an unlabelled merge, the name of a branch; "" for the net itself.
   * Numbers are given once, by expansion: edits neither take nor free one.
   */
  part: string;
  origin: Origin;
  /** The word carets go under: the callee, the merge word, the branch's name; a group's label or the group. */
  nameSpan: Span;
  /** Put in by `before`: the arriving value runs through these, then reaches this node alone. */
  before: TreeNode[];
  /** Put in by `after`: the value of the node, for every reader, is the end of this chain. */
  after: TreeNode[];
  /** What the node reads (after `before`); undefined when it could not be worked out, which was reported. */
  in: TensorType | undefined;
  /** What the node itself gives (before `after`). */
  out: TensorType | undefined;
  inserted?: InsertMark;
  /** Of a call put in by `replace ... init p`: how the weights in it start. */
  init?: "default" | "paper";
  /** What a model file calls the node; selectors find it by that text too. */
  fileName?: string;
  /** Put in by `at start of`: later ones of the same place come after it. */
  atStart?: boolean;
  /** The last edit that changed something directly in this node, and the net whose edit it was. */
  edited?: { readonly span: Span; readonly root: LevelNode };
}

export interface LayerNode extends NodeBase {
  readonly kind: "layer";
  /** A key of the op table; also the name `@type` selectors match: `act("relu")` is a relu, `act("none")` an identity. */
  op: string;
  /** The op's attributes, evaluated, defaults filled in. */
  args: Readonly<Record<string, unknown>>;
  /** The call as written ("act" for `act(kind)`) and the places of its arguments by name. */
  call: string;
  argSpans: ReadonlyMap<string, Span>;
  /** Set by `init preserve`: the layer's weights and biases start as 0. */
  zeroed?: boolean;
  /** Of a layer from a model file: its tensors there, by own name. */
  given?: ReadonlyMap<string, { readonly name: string; readonly data: TensorValues }>;
  /** Set by `init preserve`: tensors by own name that are multiplied by a power of two. */
  preserve?: ReadonlyMap<string, { readonly factor: number; readonly group: number }>;
}

/** `shared("path")`: applies the insides of `target` once more, with its weights. */
export interface SharedNode extends NodeBase {
  readonly kind: "shared";
  target: TreeNode;
  /** The path as written. */
  of: string;
}

/** A group, a block call, a net used as a layer, or the net itself. Makes a level of names. */
export interface LevelNode extends NodeBase {
  readonly kind: "level";
  readonly level: "group" | "block" | "net";
  /** "group", or the name of the block or net: what `@type` matches. */
  readonly type: string;
  items: Item[];
  /** Of a block or net: all parameters, evaluated, defaults filled in. */
  args: ReadonlyMap<string, SpecValue | undefined>;
  /** Of a block or net: what it was made from, enough to expand it anew (`expandAnew`). */
  source?: CallSource;
}

export interface CallSource {
  readonly def: BlockDef | NetDef;
  /** Of the file that defines it: how names in its body are looked up. */
  readonly scope: Scope;
  /** Arguments the caller gave, evaluated at the call; the others are defaults. */
  readonly given: ReadonlyMap<string, { readonly value: SpecValue | undefined; readonly span: Span }>;
  readonly call: Call | undefined;
}

/** `residual`, `add`, `mul`, `concat`. A silent level unless labelled. */
export interface MergeNode extends NodeBase {
  readonly kind: "merge";
  readonly word: MergeWord;
  /** `axis` of a concat; empty otherwise. */
  readonly args: Readonly<Record<string, unknown>>;
  readonly branches: BranchNode[];
  /** What the model file calls the node of an unlabelled merge: `{}` of its branches in `as "{}_se"`. */
  alias?: string;
}

/** Always silent. Its parent is the merge. `before` and `after` are its entry and its exit. */
export interface BranchNode extends NodeBase {
  readonly kind: "branch";
  readonly name: string;
  items: Item[];
}

/** `residual(when=false)`: the statements of its main branch, in its place. Silent, without type; names as in a branch. */
export interface InlineNode extends NodeBase {
  readonly kind: "inline";
  readonly name: "main";
  items: Item[];
}

export type TreeNode = LayerNode | SharedNode | LevelNode | MergeNode | BranchNode | InlineNode;
/** A node with a body. */
export type BodyNode = LevelNode | BranchNode | InlineNode;

/** `from path`: the target's value becomes the current one. */
export interface FromItem {
  readonly kind: "from";
  target: JumpTarget;
  readonly text: string;
  readonly origin: Origin;
}

export type JumpTarget =
  /** The final value of a node, with everything inserted after it. */
  | { readonly kind: "node"; node: TreeNode }
  /** `in`: what arrives at a block, or at a net with one input. */
  | { readonly kind: "entry"; level: LevelNode }
  | { readonly kind: "input"; item: InputItem }
  /** `from body.p4`: an output of a net used as a layer. */
  | { readonly kind: "output"; item: OutputItem; net: LevelNode };

/** Makes the input the current value. In a net used as a layer the type is that of what arrives. */
export interface InputItem {
  readonly kind: "input";
  readonly name: string;
  type: TensorType | undefined;
  readonly origin: Origin;
}

/** Names the current value as an output. The value of a net is that of its last output. */
export interface OutputItem {
  readonly kind: "output";
  readonly name: string;
  type: TensorType | undefined;
  readonly origin: Origin;
}

export type Item = TreeNode | FromItem | InputItem | OutputItem;

/** Where a call of an edit is expanded. */
export interface CallPlace {
  /** How names in the call's arguments are looked up: the scope of the edit. */
  readonly scope: Scope;
  /** What arrives there: also `in` and `here` in the arguments. */
  readonly type: TensorType | undefined;
  /** What will hold the node; the caller puts it there. */
  readonly parent: TreeNode;
  /** Label, or number of the node it replaces. */
  readonly label: string | undefined;
  readonly part: string;
}

/** A `from` or `shared` that names a node. */
export interface Reference {
  readonly by: FromItem | SharedNode;
  /** Where the one who names it stands. */
  readonly holder: TreeNode;
  /** What is named; for an output of a net used as a layer that net. */
  readonly target: TreeNode;
  readonly output: OutputItem | undefined;
}

/** Expansion as edits need it; made by `expandNet`, called through `expandCallAt` and `expandAnew`. */
export interface ExpandMachine {
  readonly callAt: (tree: NetTree, call: Call, place: CallPlace, diagnostics: Diagnostics) => TreeNode | undefined;
  /** `references`: those of the whole tree, when the caller has them. */
  readonly anew: (
    tree: NetTree,
    node: LevelNode,
    given: CallSource["given"],
    diagnostics: Diagnostics,
    references?: readonly Reference[],
  ) => boolean;
}

export interface NetTree {
  readonly name: string;
  readonly root: LevelNode;
  /** How names in the net's edits and arguments are looked up. */
  readonly scope: Scope;
  /** Nodes so far, against LIMITS.layers; edits that expand calls go on counting. */
  readonly count: { nodes: number };
  readonly machine: ExpandMachine;
  /** Told how many places every edit applies to; for `sec fmt --pin`. */
  readonly onMatches?: ((edit: Edit, count: number) => void) | undefined;
  /** True once something was left out because of an error. */
  broken: boolean;
}

export const isNode = (item: Item): item is TreeNode => item.kind !== "from" && item.kind !== "input" && item.kind !== "output";
export const hasBody = (node: TreeNode): node is BodyNode => node.kind === "level" || node.kind === "branch" || node.kind === "inline";
/** Unlabelled merges, branches and dissolved residuals: selectors may skip them, and they make no level of names. */
export const isSilent = (node: TreeNode): boolean =>
  node.kind === "branch" || node.kind === "inline" || (node.kind === "merge" && node.label === undefined);

/** What `@type` compares: op, block, net, merge word, "group", "shared"; branches and dissolved residuals have none. */
export function typeName(node: TreeNode): string | undefined {
  switch (node.kind) {
    case "layer":
      return node.op;
    case "shared":
      return "shared";
    case "level":
      return node.type;
    case "merge":
      return node.word;
    default:
      return undefined;
  }
}

/** The level whose prefix the names inside `node` share: the nearest ancestor, or the node itself, that is not silent. */
export function levelAround(node: TreeNode): TreeNode {
  let at = node;
  while (isSilent(at) && at.parent) at = at.parent;
  return at;
}

/** The nodes directly below, in tree order, without what was inserted around them. */
export function children(node: TreeNode): readonly TreeNode[] {
  if (hasBody(node)) return node.items.filter(isNode);
  return node.kind === "merge" ? node.branches : [];
}

/** Calls `visit` for every node below `node` in tree order: what is before it, itself, what is inside, what is after it. */
export function walk(node: TreeNode, visit: (node: TreeNode) => void): void {
  for (const n of node.before) walk(n, visit);
  visit(node);
  for (const n of children(node)) walk(n, visit);
  for (const n of node.after) walk(n, visit);
}

/**
 * Parts from the net down, for messages: "layer1.0.conv1". Labels and numbers of levels give the name in weight files.
 * What has no such name says through which branches it is reached: "layer1.0.main.2" (third layer of branch `main`),
 * "layer1.0.@residual", "layer1.0.@residual.main". Two unlabelled merges of one level can share a path here;
 * `uniquePaths` (paths.ts) tells them apart with "~2", "~3", ...
 */
export function pathOf(node: TreeNode): string {
  const parts: string[] = [];
  for (let at: TreeNode | undefined = node; at?.parent; ) {
    parts.push(at.part);
    let up: TreeNode | undefined = at.parent;
    const named = at.label !== undefined;
    if (at.kind === "branch" && up.label === undefined) {
      parts.push(up.part);
      up = up.parent;
    }
    for (; up && isSilent(up); up = up.parent) if (!named && up.kind !== "merge") parts.push(up.part);
    at = up;
  }
  return parts.reverse().join(".");
}
