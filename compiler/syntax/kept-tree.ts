/**
 * Trees as text: what ships with `sec` is parsed when `sec` is built, and commands on it do without the grammar, whose making takes longer
 * than most of what they do. Spans are [start, end]; their file is told when the tree is read.
 */
import { invariant } from "../invariant.ts";
import { type SourceFile, span } from "../source.ts";
import type { BlockDef, SpecFile } from "./ast.ts";

/** Where nodes have a span. */
const SPANS: ReadonlySet<string> = new Set(["span", "wordSpan", "placeSpan"]);

type Tree = SpecFile | BlockDef;
type Node = Record<string, unknown>;

export function keepTree(tree: Tree): string {
  return JSON.stringify(tree, (key, value) => {
    invariant(key !== "file", "a node has a span that SPANS does not name");
    return SPANS.has(key) ? [value.start, value.end] : value;
  });
}

/** What `keepTree` wrote of a tree of `file`. */
export function keptTree<T extends Tree>(kept: string, file: SourceFile): T {
  const tree = JSON.parse(kept) as T;
  locate(tree as unknown as Node, file);
  return tree;
}

function locate(node: Node, file: SourceFile): void {
  for (const key in node) {
    const value = node[key];
    if (typeof value !== "object" || value === null) continue;
    if (SPANS.has(key)) {
      const [start, end] = value as readonly [number, number];
      node[key] = span(file, start, end);
    } else locate(value as Node, file);
  }
}

/** A whole file: its text, a NUL, which no text has, and the tree. */
export const keepFile = (spec: SpecFile): string => `${spec.span.file.text}\0${keepTree(spec)}`;

/** The tree of `file` from what `keepFile` wrote; undefined when that was of another text. */
export function keptFile(kept: string, file: SourceFile): SpecFile | undefined {
  const end = file.text.length;
  return kept[end] === "\0" && kept.startsWith(file.text) ? keptTree<SpecFile>(kept.slice(end + 1), file) : undefined;
}
