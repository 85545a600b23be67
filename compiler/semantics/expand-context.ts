/** What travels down while a net is expanded: where we are, what is visible, where errors are reported. */
import { type Diagnostics, type Extra, type Message, diagnostic } from "../diagnostics/diagnostic.ts";
import { messages } from "../diagnostics/messages.gen.ts";
import type { TensorType } from "../ir/type.ts";
import { LIMITS } from "../limits.ts";
import { lineText, position, type Span } from "../source.ts";
import type { NetDef, Statement } from "../syntax/ast.ts";
import type { Definition, FileScope, Scope } from "./scope.ts";
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
  /** Places of the arguments the caller wrote, by parameter; the first one when it was positional. */
  readonly argSpans: ReadonlyMap<string, Span>;
  readonly outer: Frame | undefined;
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
  readonly statements: (cx: Context, statements: readonly Statement[], place: Place, flow: Flow) => Flow;
  /** Fills `level` with a net's insides: its body, or its base with its edits. `arriving` is undefined for a net that stands alone. */
  readonly netInside: (cx: Context, definition: Definition & { readonly def: NetDef }, level: LevelNode, flow: Flow) => Flow;
}

export interface Context {
  readonly knot: Knot;
  readonly diagnostics: Diagnostics;
  readonly tree: Pick<NetTree, "count" | "broken">;
  readonly scope: Scope;
  /** `in`; null in a net that has not exactly one input. */
  readonly arriving: Flow;
  /** The block or net whose body this is. */
  readonly owner: LevelNode;
  readonly frame: Frame | undefined;
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

/**
 * Reports what depends on values or sizes. Inside a block or net used as a layer it is reported at the outermost call,
 * in the user's file, with a note for every line on the way down (language.md section 4).
 */
export function reportAt(cx: Context, message: Message, place: Span, extra: Extra = {}): void {
  if (message.severity === "error") cx.tree.broken = true;
  let outermost = cx.frame;
  while (outermost?.outer) outermost = outermost.outer;
  if (!cx.frame || !outermost) {
    cx.diagnostics.report(message, place, extra);
    return;
  }
  cx.diagnostics.add(diagnostic(message, outermost.at, { ...extra, notes: [...(extra.notes ?? []), ...frameNotes(cx.frame, place)] }));
}

/**
 * Reports what is wrong however the block is called (labels, branches, jumps): where it is written, once.
 * In the library, which users do not edit, at the call all the same.
 */
export function reportWritten(cx: Context, message: Message, place: Span, extra: Extra = {}): void {
  if (cx.scope.home.library) {
    reportAt(cx, message, place, extra);
    return;
  }
  if (message.severity === "error") cx.tree.broken = true;
  cx.diagnostics.report(message, place, extra);
}

/** Counts `more` nodes; false once the net is over the limit, which is reported once. */
export function countNodes(cx: Context, more: number, place: Span): boolean {
  const { count } = cx.tree;
  if (count.nodes > LIMITS.layers) return false;
  count.nodes += more;
  if (count.nodes <= LIMITS.layers) return true;
  reportAt(cx, messages.SE010.layers({ limit: LIMITS.layers }), place);
  return false;
}
