/**
 * Source texts and places in them. Everything that can later be wrong carries a `Span`;
 * everything that was expanded carries an `Origin`.
 */

/** A text the user gave. `name` is the path as the user wrote it, with `/` as separator. */
export interface SourceFile {
  readonly name: string;
  readonly text: string;
  /** Offset of the first character of every line, ascending; `lineStarts[0]` is 0. */
  readonly lineStarts: readonly number[];
}

/** Half-open range of UTF-16 code units. */
export interface Span {
  readonly file: SourceFile;
  readonly start: number;
  readonly end: number;
}

/** Where a node was written, then every place that put it there: block call, repeat, insert (innermost first). */
export interface Origin {
  readonly span: Span;
  readonly via: readonly Span[];
}

/** 1-based line and column, 0-based offset, all in UTF-16 units. */
export interface Position {
  readonly line: number;
  readonly column: number;
  readonly offset: number;
}

export function sourceFile(name: string, text: string): SourceFile {
  const lineStarts = [0];
  for (let i = text.indexOf("\n"); i >= 0; i = text.indexOf("\n", i + 1)) lineStarts.push(i + 1);
  return { name, text, lineStarts };
}

export function span(file: SourceFile, start: number, end: number): Span {
  return { file, start, end };
}

/** The smallest span that covers both; they must be of one file. */
export function union(a: Span, b: Span): Span {
  return { file: a.file, start: Math.min(a.start, b.start), end: Math.max(a.end, b.end) };
}

export function position(file: SourceFile, offset: number): Position {
  let low = 0;
  let high = file.lineStarts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((file.lineStarts[middle] ?? 0) <= offset) low = middle;
    else high = middle - 1;
  }
  return { line: low + 1, column: offset - (file.lineStarts[low] ?? 0) + 1, offset };
}

/** The text of a 1-based line without its line break. */
export function lineText(file: SourceFile, line: number): string {
  const start = file.lineStarts[line - 1] ?? file.text.length;
  const next = file.lineStarts[line];
  return file.text.slice(start, next === undefined ? undefined : next - 1).replace(/\r$/, "");
}
