/**
 * Diagnostics for people, for programs and for GitHub (language.md section 15, cli.md section 5).
 * Colour comes in as a theme; the core knows no terminal.
 */
import { lineText, type Position, position, type Span } from "../source.ts";
import type { Diagnostic, Label } from "./diagnostic.ts";
import { characterWidth, printable } from "./text-width.ts";

type Paint = (text: string) => string;

/** How each part is coloured. Every function must keep the text's width. */
export interface Theme {
  readonly error: Paint;
  readonly warning: Paint;
  readonly info: Paint;
  readonly place: Paint;
  readonly gutter: Paint;
  readonly caret: Paint;
  readonly note: Paint;
  readonly help: Paint;
}

const same: Paint = (text) => text;
export const plainTheme: Theme = {
  error: same,
  warning: same,
  info: same,
  place: same,
  gutter: same,
  caret: same,
  note: same,
  help: same,
};

export interface RenderOptions {
  readonly theme?: Theme;
  /** Columns of the terminal; longer source lines are cut around the mistake. Default 120. */
  readonly width?: number | undefined;
}

const TAB = 4;
const MINIMUM_WIDTH = 40;

/** One diagnostic as text, several lines, without a line break at the end. */
export function renderText(diagnostic: Diagnostic, options: RenderOptions = {}): string {
  const theme = options.theme ?? plainTheme;
  const [primary, ...related] = diagnostic.labels;
  const kind = theme[diagnostic.severity](`${diagnostic.severity} ${diagnostic.code}`);
  const lines = [`${primary ? `${theme.place(place(primary.span))}: ` : ""}${kind}: ${printable(diagnostic.title)}`];
  if (primary) lines.push(...frame(primary.span, theme, options.width));
  for (const label of related) lines.push(`  ${theme.note("note:")} ${printable(describeLabel(label, primary?.span))}`);
  for (const note of diagnostic.notes) lines.push(`  ${theme.note("note:")} ${printable(note)}`);
  if (diagnostic.help !== undefined) lines.push(`  ${theme.help("help:")} ${printable(diagnostic.help)}`);
  return lines.join("\n");
}

function place(span: Span): string {
  const { line, column } = position(span.file, span.start);
  return `${printable(span.file.name)}:${line}:${column}`;
}

function describeLabel(label: Label, primary: Span | undefined): string {
  const where = label.span.file === primary?.file ? `line ${position(label.span.file, label.span.start).line}` : place(label.span);
  return label.text === undefined ? `the other place is ${where}` : `${label.text} (${where})`;
}

/** The source line and the carets below it. A span over several lines is marked to the end of its first. */
function frame(span: Span, theme: Theme, width = 120): string[] {
  const { line, column } = position(span.file, span.start);
  // a line may be the whole file: only what can come near the screen is laid out
  const reach = 4 * Math.max(MINIMUM_WIDTH, width);
  const cut = wholeCharacter(lineText(span.file, line), Math.max(0, column - 1 - reach));
  const text = lineText(span.file, line).slice(cut, column + reach);
  const from = column - 1 - cut;
  const to = Math.max(from + 1, Math.min(from + span.end - span.start, text.length));
  const cells = layOut(text, from, to);
  const number = String(line);
  const { shown, start, end } = crop(cells, Math.max(MINIMUM_WIDTH, width) - number.length - 6);
  const blank = " ".repeat(number.length);
  return [
    `  ${theme.gutter(`${number} |`)} ${shown}`.trimEnd(),
    `  ${theme.gutter(`${blank} |`)} ${" ".repeat(start)}${theme.caret("^".repeat(Math.max(1, end - start)))}`,
  ];
}

/** `at`, or the next place that does not split a character of two UTF-16 units. */
function wholeCharacter(text: string, at: number): number {
  const unit = text.charCodeAt(at);
  return at > 0 && unit >= 0xdc00 && unit < 0xe000 ? at + 1 : at;
}

interface Cells {
  /** What to print, in pieces of one code point, each with its columns. */
  readonly pieces: readonly { readonly text: string; readonly width: number }[];
  readonly start: number;
  readonly end: number;
}

/** `from` and `to` are UTF-16 offsets in the line; the result's are columns of the screen. */
function layOut(line: string, from: number, to: number): Cells {
  const pieces: { text: string; width: number }[] = [];
  let offset = 0;
  let columns = 0;
  let start = 0;
  let end = 0;
  for (const character of line) {
    if (offset <= from) start = columns;
    const width = character === "\t" ? TAB - (columns % TAB) : characterWidth(character);
    pieces.push({ text: character === "\t" ? " ".repeat(width) : printable(character), width });
    columns += width;
    offset += character.length;
    if (offset <= to) end = columns;
  }
  // behind the last character: the end of the line or of the file
  if (from >= line.length) return { pieces, start: columns, end: columns + 1 };
  return { pieces, start, end: Math.max(end, start + 1) };
}

/** Cuts a line that is too long for the screen so that the mistake stays in sight. */
function crop(cells: Cells, room: number): { shown: string; start: number; end: number } {
  const total = cells.pieces.reduce((sum, p) => sum + p.width, 0);
  if (total <= room) return { shown: cells.pieces.map((p) => p.text).join(""), start: cells.start, end: cells.end };
  const left = Math.max(0, Math.min(cells.start - Math.floor(room / 3), total - room + 6));
  let shown = "";
  let columns = 0;
  let skipped = 0;
  for (const piece of cells.pieces) {
    if (skipped < left) {
      skipped += piece.width;
      continue;
    }
    if (columns + piece.width > room - 6) break;
    shown += piece.text;
    columns += piece.width;
  }
  const isCut = skipped + columns < total;
  const lead = skipped > 0 ? "..." : "";
  const shift = lead.length - skipped;
  return {
    shown: `${lead}${shown}${isCut ? "..." : ""}`,
    start: cells.start + shift,
    end: Math.min(cells.end + shift, lead.length + Math.max(columns, cells.start - skipped + 1)),
  };
}

// ---- for programs ----------------------------------------------------------------------------------------------------

interface JsonRange {
  readonly file: string;
  readonly start: Position;
  readonly end: Position;
}

export interface JsonDiagnostic {
  readonly code: string;
  readonly severity: string;
  readonly title: string;
  readonly labels: readonly (JsonRange & { readonly text?: string })[];
  readonly notes: readonly string[];
  readonly help?: string;
  readonly fixes?: readonly (JsonRange & { readonly title: string; readonly replacement: string })[];
}

function range({ file, start, end }: Span): JsonRange {
  return { file: file.name, start: position(file, start), end: position(file, end) };
}

/** The object of cli.md section 5. */
export function diagnosticToJson(diagnostic: Diagnostic): JsonDiagnostic {
  const { code, severity, title, labels, notes, help, fixes } = diagnostic;
  return {
    code,
    severity,
    title,
    labels: labels.map(({ span, text }) => ({ ...range(span), ...(text === undefined ? {} : { text }) })),
    notes,
    ...(help === undefined ? {} : { help }),
    ...(fixes ? { fixes: fixes.map((f) => ({ title: f.title, ...range(f.span), replacement: f.replacement })) } : {}),
  };
}

/** `{"diagnostics": [...]}` on one line. */
export function renderJson(diagnostics: readonly Diagnostic[]): string {
  return JSON.stringify({ diagnostics: diagnostics.map(diagnosticToJson) });
}

/** One workflow command of GitHub Actions: an annotation at the place. */
export function renderGithub(diagnostic: Diagnostic): string {
  const data = (text: string) => text.replace(/%/g, "%25").replace(/\r/g, "%0D").replace(/\n/g, "%0A");
  const property = (text: string) => data(text).replace(/:/g, "%3A").replace(/,/g, "%2C");
  const command = diagnostic.severity === "info" ? "notice" : diagnostic.severity;
  const primary = diagnostic.labels[0]?.span;
  const properties: string[] = [];
  if (primary) {
    const start = position(primary.file, primary.start);
    const end = position(primary.file, primary.end);
    properties.push(`file=${property(primary.file.name)}`, `line=${start.line}`, `endLine=${end.line}`);
    // GitHub takes columns only for a single line
    if (start.line === end.line) properties.push(`col=${start.column}`, `endColumn=${Math.max(end.column, start.column + 1)}`);
  }
  properties.push(`title=${property(diagnostic.code)}`);
  const related = diagnostic.labels.slice(1).map((label) => `note: ${describeLabel(label, primary)}`);
  const notes = diagnostic.notes.map((note) => `note: ${note}`);
  const help = diagnostic.help === undefined ? [] : [`help: ${diagnostic.help}`];
  return `::${command} ${properties.join(",")}::${data([diagnostic.title, ...related, ...notes, ...help].join("\n"))}`;
}
