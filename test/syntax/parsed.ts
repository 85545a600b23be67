/** Parsing for tests: the tree and what was reported, and trees without their places. */
import { Diagnostics } from "../../compiler/diagnostics/diagnostic.ts";
import { renderText } from "../../compiler/diagnostics/render.ts";
import type { SourceFile } from "../../compiler/source.ts";
import type { SpecFile } from "../../compiler/syntax/ast.ts";
import { parseSpec } from "../../compiler/syntax/parse.ts";

export function parsed(file: SourceFile): { tree: SpecFile; messages: string[] } {
  const diagnostics = new Diagnostics();
  const tree = parseSpec(file, diagnostics);
  const messages = diagnostics.all.map((d) => renderText(d));
  if (!tree) throw new Error(`nothing was read:\n${messages.join("\n")}`);
  return { tree, messages };
}

/** Spans, comments and quotes around identifiers are the writer's, not the tree's. */
export function withoutSpans(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(withoutSpans);
  if (typeof node !== "object" || node === null) return node;
  const kept = Object.entries(node).filter(([key]) => !["span", "wordSpan", "placeSpan", "comments", "quoted"].includes(key));
  return Object.fromEntries(kept.map(([key, value]) => [key, withoutSpans(value)]));
}
