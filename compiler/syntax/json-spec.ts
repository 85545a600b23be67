/**
 * JSON -> the tree: reads the text with positions, checks its form against schema.ts, and says what is wrong in the reader's words
 * (SE006, SE007, SE008). json-build.ts makes the tree of what has passed.
 */
import { type Node, type ParseError, parseTree } from "jsonc-parser";
import type { Diagnostics } from "../diagnostics/diagnostic.ts";
import { messages } from "../diagnostics/messages.gen.ts";
import { LIMITS } from "../limits.ts";
import { position, type SourceFile, span } from "../source.ts";
import type { SpecFile } from "./ast.ts";
import { buildJson } from "./json-build.ts";
import { type JsonReader, reportIssue } from "./json-issues.ts";
import { nodeSpan, plain, property } from "./json-node.ts";
import { halfCharacter } from "./scan.ts";
import { specForms } from "./schema.ts";

/** Reads the JSON form. Undefined when its form is wrong, which is reported. */
export function parseJson(file: SourceFile, diagnostics: Diagnostics): SpecFile | undefined {
  const reader: JsonReader = { file, diagnostics };
  if (file.text.startsWith("\ufeff")) {
    diagnostics.report(messages.SE002.mark(), span(file, 0, 1));
    return undefined;
  }
  if (!reportDepth(reader)) return undefined;
  const errors: ParseError[] = [];
  const root = parseTree(file.text, errors, { disallowComments: true, allowTrailingComma: false });
  const first = errors[0];
  if (first || !root) {
    reportMalformed(reader, first);
    return undefined;
  }
  const before = diagnostics.errors;
  reportRepeated(reader, root);
  reportEdition(reader, root);
  if (diagnostics.errors > before) return undefined;
  const issues = specForms().spec.safeParse(plain(root)).error?.issues ?? [];
  for (const issue of issues) reportIssue(reader, root, issue);
  reportPlaces(reader, root);
  return diagnostics.errors > before ? undefined : buildJson(file, root, diagnostics);
}

// ---- JSON that is none -----------------------------------------------------------------------------------------------

/** A level of a body takes up to four brackets in JSON; what is far beyond that would exhaust the stack of a recursive reader. */
function reportDepth({ file, diagnostics }: JsonReader): boolean {
  let depth = 0;
  for (const match of file.text.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{}]/g)) {
    if (match[0] === "{" || match[0] === "[") depth++;
    else if (match[0] === "}" || match[0] === "]") depth--;
    if (depth <= 4 * LIMITS.nesting + 16) continue;
    diagnostics.report(messages.SE010.nesting({ limit: LIMITS.nesting }), span(file, match.index, match.index + 1));
    return false;
  }
  return true;
}

/** By jsonc-parser's ParseErrorCode, a const enum that cannot be imported. */
const WHY: Readonly<Record<number, string>> = {
  1: "a word or sign that does not belong here",
  2: "a number is spelt wrongly",
  3: "a key in double quotes is missing",
  4: "a value is missing",
  5: "a colon is missing behind a key",
  7: "a `}` is missing",
  8: "a `]` is missing",
  11: "a comment does not end",
  13: "a number is spelt wrongly",
  14: "`\\u` wants four hexadecimal digits",
  15: "an unknown escape in a string",
  16: "a control character in a string",
};

function reportMalformed({ file, diagnostics }: JsonReader, error: ParseError | undefined): void {
  const end = file.text.trimEnd().length;
  if (!error || (error.offset >= end && error.error !== 12)) {
    diagnostics.report(messages.SE008.end(), span(file, end, end));
    return;
  }
  const { error: code, offset, length } = error;
  const at = span(file, offset, offset + Math.max(length, 1));
  const isCloser = /^[\]}]/.test(file.text.slice(offset));
  if (code === 6) diagnostics.report(messages.SE008.comma(), at);
  else if (code === 9) diagnostics.report(messages.SE008.surplus(), at);
  else if (code === 10) diagnostics.report(messages.SE008.comment(), at);
  else if (code === 12) diagnostics.report(messages.SE008.open(), span(file, offset, offset + 1));
  else if ((code === 3 || code === 4) && isCloser) {
    const comma = file.text.slice(0, offset).trimEnd().length - 1;
    if (file.text[comma] === ",") diagnostics.report(messages.SE008.trailing(), span(file, comma, comma + 1));
    else diagnostics.report(messages.SE008.malformed({ why: WHY[code] ?? "" }), at);
  } else diagnostics.report(messages.SE008.malformed({ why: WHY[code] ?? "it ends nowhere" }), at);
}

// ---- what no schema sees ---------------------------------------------------------------------------------------------

function reportRepeated(reader: JsonReader, node: Node): void {
  const { file, diagnostics } = reader;
  if (node.type === "null") diagnostics.report(messages.SE006.null(), nodeSpan(file, node));
  if (node.type === "number" && !Number.isFinite(node.value))
    diagnostics.report(messages.SE003.huge({ text: file.text.slice(node.offset, node.offset + node.length) }), nodeSpan(file, node));
  const half = node.type === "string" ? halfCharacter(node.value) : undefined;
  if (half !== undefined) diagnostics.report(messages.SE002.half({ code: half }), nodeSpan(file, node));
  const seen = new Map<string, Node>();
  for (const child of node.children ?? []) {
    const key = child.type === "property" ? child.children?.[0] : undefined;
    if (key) {
      const first = seen.get(key.value);
      if (first)
        diagnostics.report(messages.SE007.repeated({ key: key.value, line: position(file, first.offset).line }), nodeSpan(file, key));
      else seen.set(key.value, key);
    }
    reportRepeated(reader, child);
  }
}

function reportEdition({ file, diagnostics }: JsonReader, root: Node): void {
  const edition = property(root, "se")?.children?.[1];
  if (edition?.type === "number" && edition.value !== 1)
    diagnostics.report(messages.SE001.edition({ edition: edition.value }), nodeSpan(file, edition));
}

const PLACES = ["before", "after", "at_start_of", "at_end_of"];

/** Every insert names one place; a schema would have to be written four times to say so. */
function reportPlaces({ file, diagnostics }: JsonReader, root: Node): void {
  for (const definition of property(root, "defs")?.children?.[1]?.children ?? []) {
    for (const edit of property(definition, "edits")?.children?.[1]?.children ?? []) {
      const insert = property(edit, "insert");
      if (!insert) continue;
      const found = PLACES.filter((key) => property(edit, key));
      if (found.length === 1) continue;
      const at = found.length > 1 ? property(edit, found[1] ?? "")?.children?.[0] : insert.children?.[0];
      diagnostics.report(messages.SE006.place({ found: found.length === 0 ? "none" : found.join(" and ") }), nodeSpan(file, at ?? edit));
    }
  }
}
