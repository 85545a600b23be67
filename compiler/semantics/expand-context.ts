/** What travels down while a net is expanded: where we are, what is visible, where errors are reported. */
import type { Diagnostics, Extra, Message } from "../diagnostics/diagnostic.ts";
import { messages } from "../diagnostics/messages.gen.ts";
import type { ImportOnnx } from "../import/onnx.ts";
import type { TensorType } from "../ir/type.ts";
import { LIMITS } from "../limits.ts";
import { lineText, position, type Span } from "../source.ts";
import type { BlockDef, Body, NetDef } from "../syntax/ast.ts";
import type { Env } from "./evaluate.ts";
import type { Definition, FileScope, Scope, SpecValue } from "./scope.ts";
import type { BodyNode, InputItem, LevelNode, NetTree, OutputItem, TreeNode } from "./tree.ts";

/** A type; undefined after a reported error (silences what follows from it); null where no value arrives yet. */
export type Flow = TensorType | undefined | null;

/** A call that is being expanded, innermost first. */
export interface Frame {
  readonly kind: "block" | "net";
  readonly name: string;
  readonly home: FileScope;
  /** The whole call, and its name: where carets go. */
  readonly call: Span;
  readonly at: Span;
  /** What the caller wrote, by parameter. */
  readonly given: ReadonlyMap<string, { readonly value: SpecValue | undefined; readonly span: Span; readonly positional: boolean }>;
  readonly outer: Frame | undefined;
}

export interface Entered {
  readonly def: BlockDef | NetDef;
  readonly outer: Entered | undefined;
  readonly depth: number;
}

/** A part of a level. Unfinished ones cannot be jumped to. */
export interface Named {
  readonly node: TreeNode;
  readonly span: Span;
  done: boolean;
}

/** The names of one level, shared by everything silent in it. */
export interface Names {
  readonly node: TreeNode;
  readonly labels: Map<string, Named>;
  readonly numbers: Set<string>;
  readonly branches: Map<string, Span>;
  readonly inputs: Map<string, InputItem>;
  readonly outputs: Map<string, OutputItem>;
  /** The enclosing level, up to the block or net. */
  readonly outer: Names | undefined;
}

/** Functions of other files that close the recursion of bodies, calls and nets without an import cycle. */
export interface Knot {
  readonly statements: (cx: Context, body: Body, place: Place, flow: Flow) => Flow;
  /** Fills `level` with a net's insides: its body, or its base with its edits. `arriving` is undefined for a net that stands alone. */
  readonly netInside: (cx: Context, definition: Definition & { readonly def: NetDef }, level: LevelNode, flow: Flow) => Flow;
}

export interface Context {
  readonly knot: Knot;
  readonly diagnostics: Diagnostics;
  readonly tree: Pick<NetTree, "count" | "broken" | "onMatches">;
  readonly scope: Scope;
  /** `in`; null in a net that has not (yet) exactly one input. */
  arriving: Flow;
  /** In a net: what its input gets. "alone" takes the declared sizes, or those of `shapes`. */
  readonly feed: Flow | "alone";
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  readonly importOnnx: ImportOnnx | undefined;
  /** The block or net whose body this is. */
  readonly owner: LevelNode;
  readonly frame: Frame | undefined;
  /** Blocks and nets that are being expanded, to stop one that contains itself. */
  readonly entered: Entered | undefined;
  readonly via: readonly Span[];
}

/** Where children go: the body, its numbering, the level's names. */
export interface Place {
  readonly container: BodyNode;
  readonly names: Names;
  readonly counter: { counted: number };
  /** Name of the branch when the body is one: layers with weights need labels there. */
  readonly branch: string | undefined;
}

export const namesOf = (node: TreeNode, outer: Names | undefined): Names => ({
  node,
  labels: new Map(),
  numbers: new Set(),
  branches: new Map(),
  inputs: new Map(),
  outputs: new Map(),
  outer,
});

/** "net.se:7", or "line 7" when `beside` is in the same file. */
export function placeText(span: Span, beside?: Span): string {
  const { line } = position(span.file, span.start);
  return beside && beside.file.name === span.file.name ? `line ${line}` : `${span.file.name}:${line}`;
}

const sourceLine = (span: Span): string => lineText(span.file, position(span.file, span.start).line).trim().replace(/\s+/g, " ");

/** One note for every call around the place, innermost first. */
function frameNotes(frame: Frame, place: Span): string[] {
  const notes: string[] = [];
  let inside = place;
  for (let f: Frame | undefined = frame; f; f = f.outer) {
    notes.push(`in the ${f.kind} \`${f.name}\` (${f.home.library ? "library, " : ""}${placeText(inside)}): ${sourceLine(inside)}`);
    inside = f.call;
  }
  return notes;
}

/** What is wrong however a block is called: names, labels, branches, jumps, arguments that do not exist. */
const STRUCTURE: ReadonlySet<string> = new Set(
  ["101", "102", "103", "104", "105", "106", "107", "108", "109", "110", "111", "114", "116", "117", "119"].map((n) => `SE${n}`),
);

/**
 * Reports a mistake found while expanding. Inside a block or net used as a layer it is reported at the outermost call, in the
 * user's file, with a note for every line on the way down (language.md section 4). A mistake that no call can cause or mend
 * is reported where it is written instead, once for all calls; in the library, which users do not edit, at the call all the same.
 */
export function report(cx: Context, message: Message, place: Span, extra: Extra = {}): void {
  if (message.severity === "error") cx.tree.broken = true;
  if (!cx.frame || (STRUCTURE.has(message.code) && !cx.scope.home.library)) {
    cx.diagnostics.report(message, place, extra);
    return;
  }
  cx.diagnostics.report(message, shownAt(cx.frame, place), { ...extra, notes: [...(extra.notes ?? []), ...frameNotes(cx.frame, place)] });
}

/** Where an error inside calls is shown: the outermost call, or the argument that was handed down to the place. */
export function shownAt(frame: Frame | undefined, place: Span): Span {
  let at = place;
  for (let f = frame; f; f = f.outer) {
    const text = at.file.text.slice(at.start, at.end);
    at = f.given.get(/^(?:\w+\s*=\s*)?(\w+)$/.exec(text)?.[1] ?? "")?.span ?? f.at;
  }
  return at;
}

/** Calls inside calls; far above what nets need, far below the stack. */
const CALL_DEPTH = 200;

/** The context inside a definition; undefined when it contains itself (reported by loading) or is too deep (SE010). */
export function enter(cx: Context, def: BlockDef | NetDef, at: Span): Entered | undefined {
  for (let e = cx.entered; e; e = e.outer) {
    if (e.def !== def) continue;
    cx.tree.broken = true;
    return undefined;
  }
  const depth = (cx.entered?.depth ?? 0) + 1;
  if (depth <= CALL_DEPTH) return { def, outer: cx.entered, depth };
  report(cx, messages.SE010.depth({ limit: CALL_DEPTH }), at);
  return undefined;
}

export const envOf = (cx: Context, here: Flow): Env => ({
  scope: cx.scope,
  arriving: cx.arriving,
  here,
  report: (message, place, extra) => report(cx, message, place, extra),
});

/** Counts `more` nodes; false once the net is over the limit, which is reported once. */
export function countNodes(cx: Context, more: number, place: Span): boolean {
  const { count } = cx.tree;
  if (count.nodes > LIMITS.layers) return false;
  count.nodes += more;
  if (count.nodes <= LIMITS.layers) return true;
  report(cx, messages.SE010.layers({ limit: LIMITS.layers }), place);
  return false;
}
