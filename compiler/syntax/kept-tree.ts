/**
 * Trees as text: what ships with `sec` is parsed when `sec` is built, and commands on it do without the grammar, whose making takes longer
 * than most of what they do. Spans are [start, end]; their file is told when the tree is read.
 */
import { type SourceFile, span } from "../source.ts";
import type { BlockDef, SpecFile } from "./ast.ts";

/** Where nodes have a span. */
const SPANS: ReadonlySet<string> = new Set(["span", "wordSpan", "placeSpan"]);

type Node = Record<string, unknown>;

const treeText = (tree: SpecFile | BlockDef): string =>
  JSON.stringify(tree, (key, value) => (SPANS.has(key) ? [value.start, value.end] : value));

function treeOf<T extends SpecFile | BlockDef>(text: string, file: SourceFile): T {
  const tree = JSON.parse(text) as T;
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

/** A block of a file whose text is known. */
export const keepBlock = (block: BlockDef): string => treeText(block);
export const keptBlock = (kept: string, file: SourceFile): BlockDef => treeOf<BlockDef>(kept, file);

/** A whole file: its text, a NUL, which no text has, and the tree. */
export const keepFile = (spec: SpecFile): string => `${spec.span.file.text}\0${treeText(spec)}`;

/** The tree of `file` from what `keepFile` wrote; undefined when that was of another text. */
export function keptFile(kept: string, file: SourceFile): SpecFile | undefined {
  const end = file.text.length;
  return kept[end] === "\0" && kept.startsWith(file.text) ? treeOf<SpecFile>(kept.slice(end + 1), file) : undefined;
}
