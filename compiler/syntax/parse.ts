/** The doors of the parser: a file of either spelling. Small texts by themselves: parse-fragment.ts. */
import { type Diagnostic, Diagnostics } from "../diagnostics/diagnostic.ts";
import { messages } from "../diagnostics/messages.gen.ts";
import { LIMITS } from "../limits.ts";
import { type SourceFile, span } from "../source.ts";
import type { BlockDef, SpecFile } from "./ast.ts";
import { type Context, tokenSpan } from "./build-ast.ts";
import { wholeFile } from "./fragment.ts";
import { theGrammar } from "./grammar.ts";
import { parseJson } from "./json-spec.ts";
import { scan } from "./scan.ts";

export { parseExpression, parsePath, parseSelector } from "./parse-fragment.ts";

/**
 * Reads a file of either spelling: JSON when its name ends in `.json` or its first character that is no blank is `{`, else text.
 * Reports SE001-SE010. With errors it may still return what could be read; without errors it always returns a tree.
 */
export function parseSpec(file: SourceFile, diagnostics: Diagnostics): SpecFile | undefined {
  if (utf8Exceeds(file.text, LIMITS.fileBytes)) {
    diagnostics.report(messages.SE010.file({ limit: LIMITS.fileBytes }), span(file, 0, 0));
    return undefined;
  }
  return isJson(file) ? parseJson(file, diagnostics) : parseText(file, diagnostics);
}

export function isJson(file: SourceFile): boolean {
  return file.name.endsWith(".json") || /^\s*\{/.test(file.text);
}

/** Whether a text has more than `limit` bytes in UTF-8. */
function utf8Exceeds(text: string, limit: number): boolean {
  if (text.length > limit) return true;
  if (text.length * 3 <= limit) return false;
  let bytes = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return bytes > limit;
}

/** Reads the text form. */
export function parseText(file: SourceFile, diagnostics: Diagnostics): SpecFile | undefined {
  const found = new Diagnostics();
  const tree = readText({ fragment: wholeFile(file), diagnostics: found, end: "the end of the file" }, file);
  // scanning and parsing find different mistakes; a reader goes through the file once
  const start = (d: Diagnostic) => d.labels[0]?.span.start ?? 0;
  for (const item of [...found.all].sort((a, b) => start(a) - start(b))) diagnostics.add(item);
  return tree;
}

/** Reads one block of a text whose syntax is known to be right: the only definition between two offsets, where a line starts with `block`. */
export function parseBlock(file: SourceFile, start: number, end: number, diagnostics: Diagnostics): BlockDef | undefined {
  // the file's first line and the block, all else blank: offsets stay those of the file
  const head = file.text.slice(0, file.text.indexOf("\n"));
  const text = head.padEnd(start) + file.text.slice(start, end);
  const def = readText({ fragment: { file, text }, diagnostics, end: "the end of the file" }, file)?.defs[0];
  return def?.kind === "block" ? def : undefined;
}

function readText(context: Context, file: SourceFile): SpecFile | undefined {
  const { tokens, comments, tooDeep } = scan(context.fragment, context.diagnostics);
  if (tooDeep) return undefined;
  const grammar = theGrammar();
  grammar.begin(context, tokens);
  const tree = grammar.file();
  return {
    ...tree,
    comments: comments.map((token) => ({ text: token.image.slice(1).trim(), span: tokenSpan(context, token) })),
    span: span(file, 0, file.text.length),
  };
}
