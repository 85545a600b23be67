/**
 * AST -> canonical text. The layout depends on the tree and the comments only, never on the lines of the source, so that
 * text -> JSON -> text gives the same as formatting the text (language.md section 14).
 *
 * What fits on a line of 100 columns and has at most one level of bodies inside stays on one line. In a longer body every layer with
 * weights starts a line; norms, activations and pools follow on it. Branches on lines of their own have their bodies in one column.
 */
import type { SourceFile } from "../source.ts";
import type {
  BlockDef,
  Body,
  Clauses,
  Comment,
  Definition,
  Edit,
  IfStatement,
  LayerStatement,
  Merge,
  NetDef,
  SpecFile,
  Statement,
} from "./ast.ts";
import { type Attached, hasComments, type Item, placeComments, type Region } from "./comments.ts";
import {
  formatArgs,
  formatCall,
  formatExpr,
  formatLabel,
  formatParam,
  formatPath,
  formatSelector,
  formatString,
  formatTimes,
} from "./format-parts.ts";
import { JOINING } from "./joining.ts";

const WIDTH = 100;
const STEP = "  ";
const GAP = "  ";

interface Writer {
  readonly comments: readonly Comment[];
}

/** The canonical text form of a file, comments kept. Ends in a line break. */
export function formatText(file: SpecFile): string {
  const writer: Writer = { comments: file.comments };
  const inOrder = [...file.uses, ...file.defs].sort((a, b) => a.span.start - b.span.start);
  const first = inOrder[0]?.span.start ?? file.span.end;
  const header = headerEnd(file.span.file, file.comments, first);
  // the comments in front of `se 1` stay there
  const head = placeComments(file.comments, { start: 0, end: header.start }, []).rest;
  const placed = placeComments(file.comments, { start: header.start, end: file.span.end }, [
    { span: { file: file.span.file, ...header }, inner: [] },
    ...inOrder.map((item) => ({ span: item.span, inner: item.kind === "use" ? [] : innerOfDefinition(item) })),
  ]);
  const attached = new Map(inOrder.map((item, i) => [item, placed.items[i + 1] ?? { before: [], behind: [] }]));
  const lines = [...head, ...(placed.items[0]?.before ?? []), `se 1${behind(placed.items[0])}`];
  for (const use of file.uses) {
    const at = attached.get(use);
    lines.push(...(at?.before ?? []), `use ${formatString(use.path.value)}${behind(at)}`);
  }
  let previousShort = false;
  for (const def of file.defs) {
    const at = attached.get(def);
    const text = formatDefinition(writer, def);
    const isShort = text.length === 1 && at?.before.length === 0;
    if (!(isShort && previousShort)) lines.push("");
    lines.push(...(at?.before ?? []), ...withBehind(text, at));
    previousShort = text.length === 1;
  }
  if (placed.rest.length > 0) lines.push("", ...placed.rest);
  return `${tidy(lines).join("\n")}\n`;
}

/** No two blank lines in a row, none at either end of a body or of the file. */
function tidy(lines: readonly string[]): string[] {
  return lines.filter((line, i) => {
    if (line !== "") return true;
    const next = lines.slice(i + 1).find((l) => l !== "");
    const previous = lines[i - 1];
    return previous !== undefined && previous !== "" && !/[{]$/.test(previous) && next !== undefined && !/^\s*\}/.test(next);
  });
}

/** Where `se 1` stands. A file read from JSON has no text of this kind, and no comments to place. */
function headerEnd(file: SourceFile, comments: readonly Comment[], first: number): Region {
  const masked = comments.reduce(
    (text, { span: s }) => text.slice(0, s.start) + " ".repeat(s.end - s.start) + text.slice(s.end),
    file.text,
  );
  const match = /^\s*(?:\ufeff\s*)?se\s+\d+/.exec(masked.slice(0, first));
  if (!match) return { start: 0, end: 0 };
  return { start: match[0].lastIndexOf("se"), end: match[0].length };
}

const behind = (attached: Attached | undefined): string => (attached?.behind ?? []).map((text) => `${GAP}${text}`).join("");

function withBehind(lines: readonly string[], attached: Attached | undefined): string[] {
  return lines.map((line, i) => (i === lines.length - 1 ? line + behind(attached) : line));
}

// ---- definitions -----------------------------------------------------------------------------------------------------

function innerOfDefinition(def: Definition): Region[] {
  if (def.kind === "block") return [def.body.span];
  if (def.form.kind === "body") return [def.form.body.span];
  return def.form.edits.length === 0 ? [] : [editsRegion(def)];
}

function editsRegion(def: NetDef): Region {
  const source = def.form.kind === "derived" ? def.form.base.span.end : def.form.kind === "onnx" ? def.form.path.span.end : def.span.start;
  return { start: source, end: def.span.end };
}

function formatDefinition(writer: Writer, def: Definition): string[] {
  if (def.kind === "block") return heading(`block ${def.name.text}`, def, broken(writer, def.body));
  const { form } = def;
  if (form.kind === "body") return heading(`net ${def.name.text}`, def, broken(writer, form.body));
  const source = form.kind === "derived" ? formatCall(form.base) : `onnx ${formatString(form.path.value)}`;
  const [only] = form.edits;
  if (!only) return heading(`net ${def.name.text}`, def, [], ` from ${source}`);
  const single = heading(`net ${def.name.text}`, def, [], ` from ${source} { ${formatEdit(only)} }`);
  if (form.edits.length === 1 && single.length === 1 && !hasComments(writer.comments, editsRegion(def)) && fits(single[0] ?? "", 0))
    return single;
  const placed = placeComments(
    writer.comments,
    editsRegion(def),
    form.edits.map((edit) => ({ span: edit.span, inner: [] })),
  );
  const lines = form.edits.flatMap((edit, i) => [...(placed.items[i]?.before ?? []), `${formatEdit(edit)}${behind(placed.items[i])}`]);
  return heading(`net ${def.name.text}`, def, ["{", ...indent([...lines, ...placed.rest]), "}"], ` from ${source}`);
}

/** The first line of a definition, its parameters broken over lines when they are too long for one, and what follows it. */
function heading(start: string, def: BlockDef | NetDef, body: readonly string[], source = ""): string[] {
  const [open, ...rest] = body;
  const tail = `${source}${open === undefined ? "" : ` ${open}`}`;
  const params = def.params.map(formatParam);
  const line = `${start}${params.length === 0 ? "" : `(${params.join(", ")})`}${tail}`;
  if (params.length === 0 || line.length <= WIDTH) return [line, ...rest];
  const lines: string[] = [];
  let current = `${start}(`;
  const blank = " ".repeat(current.length);
  params.forEach((param, i) => {
    const piece = `${param}${i === params.length - 1 ? ")" : ","}`;
    const isFirst = current.trim() === "" || current.endsWith("(");
    if (!isFirst && current.length + 1 + piece.length > WIDTH) {
      lines.push(current);
      current = blank + piece;
    } else current += isFirst ? piece : ` ${piece}`;
  });
  return [...lines, `${current}${tail}`, ...rest];
}

// ---- bodies ----------------------------------------------------------------------------------------------------------

const indent = (lines: readonly string[]): string[] => lines.map((line) => (line === "" ? "" : STEP + line));
const fits = (line: string, depth: number): boolean => line.length + depth * STEP.length <= WIDTH;

/** A body over several lines: `{`, the statements, `}`. */
function broken(writer: Writer, body: Body, depth = 0): string[] {
  const items: Item[] = body.statements.map((s) => ({ span: s.span, inner: innerOfStatement(s) }));
  const placed = placeComments(writer.comments, body.span, items);
  if (body.statements.length === 0 && placed.rest.length === 0) return ["{}"];
  const lines: string[] = [];
  let joinable = false;
  body.statements.forEach((statement, i) => {
    const at = placed.items[i];
    const text = formatStatement(writer, statement, depth + 1);
    const last = lines.at(-1) ?? "";
    const [only = ""] = text;
    const joins =
      joinable && at?.before.length === 0 && text.length === 1 && isJoining(statement) && fits(`${last}${GAP}${only}`, depth + 1);
    if (joins) lines[lines.length - 1] = `${last}${GAP}${only}${behind(at)}`;
    else lines.push(...(at?.before ?? []), ...withBehind(text, at));
    joinable = (joins || isCall(statement)) && text.length === 1 && at?.behind.length === 0;
  });
  return ["{", ...indent([...lines, ...placed.rest]), "}"];
}

function isCall(statement: Statement): boolean {
  return statement.kind === "layer" && statement.what.kind === "call";
}

function isJoining(statement: Statement): boolean {
  return statement.kind === "layer" && statement.what.kind === "call" && JOINING.has(statement.what.name.text);
}

/** The bodies of a statement, where comments may stand that belong to the statements in them. */
function innerOfStatement(statement: Statement): Region[] {
  if (statement.kind === "if") return [statement.then.span, ...(statement.else ? [statement.else.span] : [])];
  if (statement.kind !== "layer") return [];
  if (statement.what.kind === "group") return [statement.what.body.span];
  return statement.what.kind === "merge" ? [branchesRegion(statement.what)] : [];
}

function branchesRegion(merge: Merge): Region {
  return { start: merge.args.at(-1)?.span.end ?? merge.wordSpan.end, end: merge.span.end };
}

/** Lines without indentation; `depth` levels of it will be put in front. */
function formatStatement(writer: Writer, statement: Statement, depth: number): string[] {
  switch (statement.kind) {
    case "input":
      return [`input ${statement.name.text}: ${statement.dtype.text}[${statement.dims.map((dim) => formatExpr(dim)).join(", ")}]`];
    case "output":
      return [`output ${statement.name.text}`];
    case "check":
      return [`check ${formatExpr(statement.condition)}, ${formatString(statement.message.value)}`];
    case "from":
      return [`from ${formatPath(statement.path)}`];
    case "if":
      return formatIf(writer, statement, depth);
    case "layer":
      return formatLayer(writer, statement, depth);
    default:
      return statement satisfies never;
  }
}

function formatIf(writer: Writer, statement: IfStatement, depth: number): string[] {
  const inline = inlineStatement(writer, statement);
  if (inline !== undefined && fits(inline, depth)) return [inline];
  const [open = "", ...then] = broken(writer, statement.then, depth);
  const lines = [`if ${formatExpr(statement.condition)} ${open}`, ...then];
  const otherwise = elseOf(writer, statement);
  if (!otherwise) return lines;
  const chained = elseIf(writer, otherwise);
  const [first = "", ...rest] = chained ? formatIf(writer, chained, depth) : broken(writer, otherwise, depth);
  return [...lines.slice(0, -1), `${lines.at(-1)} else ${first}`, ...rest];
}

/** `else {}` says nothing. */
function elseOf({ comments }: Writer, statement: IfStatement): Body | undefined {
  const body = statement.else;
  return body && body.statements.length === 0 && !hasComments(comments, body.span) ? undefined : body;
}

/** `else { if .. }` is written `else if ..`, unless a comment stands around the inner `if`. */
function elseIf({ comments }: Writer, body: Body): IfStatement | undefined {
  const [only] = body.statements;
  if (body.statements.length !== 1 || only?.kind !== "if") return undefined;
  const outside = [
    { start: body.span.start, end: only.span.start },
    { start: only.span.end, end: body.span.end },
  ];
  return outside.some((region) => hasComments(comments, region)) ? undefined : only;
}

function formatLayer(writer: Writer, layer: LayerStatement, depth: number): string[] {
  const inline = inlineStatement(writer, layer);
  const { what } = layer;
  if (what.kind === "call") return [inline ?? ""];
  if (inline !== undefined && fits(inline, depth)) return [inline];
  const label = layer.label ? `${formatLabel(layer.label)}: ` : "";
  const times = layer.times ? ` * ${formatTimes(layer.times)}` : "";
  const lines = what.kind === "group" ? broken(writer, what.body, depth) : formatMerge(writer, what, depth);
  return lines.map((line, i) => `${i === 0 ? label : ""}${line}${i === lines.length - 1 ? times : ""}`);
}

function formatMerge(writer: Writer, merge: Merge, depth: number): string[] {
  const items: Item[] = merge.branches.map((b) => ({ span: b.span, inner: [b.body.span] }));
  const placed = placeComments(writer.comments, branchesRegion(merge), items);
  const head = `${merge.word}${formatArgs(merge.args)}`;
  if (merge.branches.length === 0 && placed.rest.length === 0) return [`${head} {}`];
  const onOneLine = merge.branches.map(({ name, body }) => {
    const inline = inlineBody(writer, body, 1);
    return inline !== undefined && fits(`${name.text} ${inline}`, depth + 1) ? inline : undefined;
  });
  // bodies on one line start in one column, so that branches read as a table
  const column = Math.max(0, ...merge.branches.map(({ name }, i) => (onOneLine[i] === undefined ? 0 : name.text.length)));
  const lines = merge.branches.flatMap((branch, i) => {
    const inline = onOneLine[i];
    const line = `${branch.name.text.padEnd(column)} ${inline ?? ""}`;
    const text = inline !== undefined && fits(line, depth + 1) ? [line] : broken(writer, branch.body, depth + 1);
    if (text[0] !== line) text[0] = `${branch.name.text} ${text[0]}`;
    return [...(placed.items[i]?.before ?? []), ...withBehind(text, placed.items[i])];
  });
  return [`${head} {`, ...indent([...lines, ...placed.rest]), "}"];
}

// ---- on one line -----------------------------------------------------------------------------------------------------

/** A body on one line, or undefined when it has comments or bodies more than `levels` deep that are not empty. */
function inlineBody(writer: Writer, body: Body, levels: number): string | undefined {
  if (hasComments(writer.comments, body.span)) return undefined;
  if (body.statements.length === 0) return "{}";
  if (levels < 0) return undefined;
  const parts = body.statements.map((statement) => inlineStatement(writer, statement, levels));
  return parts.includes(undefined) ? undefined : `{ ${parts.join(GAP)} }`;
}

function inlineStatement(writer: Writer, statement: Statement, levels = 1): string | undefined {
  if (statement.kind === "if") {
    const then = inlineBody(writer, statement.then, levels - 1);
    const body = elseOf(writer, statement);
    const chained = body && elseIf(writer, body);
    const otherwise = chained ? inlineStatement(writer, chained, levels) : body && inlineBody(writer, body, levels - 1);
    if (then === undefined || (body && otherwise === undefined)) return undefined;
    return `if ${formatExpr(statement.condition)} ${then}${otherwise === undefined ? "" : ` else ${otherwise}`}`;
  }
  if (statement.kind !== "layer") return formatStatement(writer, statement, 0)[0];
  const { what } = statement;
  const label = statement.label ? `${formatLabel(statement.label)}: ` : "";
  const times = statement.times ? ` * ${formatTimes(statement.times)}` : "";
  if (what.kind === "call") return `${label}${formatCall(what)}${times}`;
  if (what.kind === "group") {
    const body = inlineBody(writer, what.body, levels - 1);
    return body === undefined ? undefined : `${label}${body}${times}`;
  }
  if (hasComments(writer.comments, branchesRegion(what))) return undefined;
  const branches = what.branches.map((branch) => {
    const body = inlineBody(writer, branch.body, levels - 1);
    return body === undefined ? undefined : `${branch.name.text} ${body}`;
  });
  if (branches.includes(undefined)) return undefined;
  const inside = branches.length === 0 ? "{}" : `{ ${branches.join(GAP)} }`;
  return `${label}${what.word}${formatArgs(what.args)} ${inside}${times}`;
}

// ---- edits -----------------------------------------------------------------------------------------------------------

const PLACE = { before: "before", after: "after", start: "at start of", end: "at end of" } as const;

function formatEdit(edit: Edit): string {
  return [editHead(edit), ...formatClauses(edit)].join(GAP);
}

function editHead(edit: Edit): string {
  switch (edit.kind) {
    case "insert":
      return `insert ${formatCall(edit.call)} as ${formatLabel(edit.as)}${GAP}${PLACE[edit.place]} ${formatSelector(edit.selector)}`;
    case "replace":
      return `replace ${formatSelector(edit.selector)} with ${formatCall(edit.call)}`;
    case "remove":
      return `remove ${formatSelector(edit.selector)}`;
    case "set":
      return `set ${formatSelector(edit.selector)}${formatArgs(edit.args) || "()"}`;
    default:
      return edit satisfies never;
  }
}

function formatClauses({ except, expect, init }: Clauses): string[] {
  return [
    ...except.map((selector) => `except ${formatSelector(selector)}`),
    ...(expect ? [`expect ${formatExpr(expect)}`] : []),
    ...(init ? [`init ${init.text}`] : []),
  ];
}
