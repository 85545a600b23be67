/**
 * Which statement, edit or definition a comment belongs to: the one it stands before, or, on the same line behind it, the one it follows.
 * A comment inside the parentheses of something moves in front of it.
 */
import { position, type Span } from "../source.ts";
import type { Comment } from "./ast.ts";

export interface Region {
  readonly start: number;
  readonly end: number;
}

/** Something the formatter puts on a line; `inner`: the parts of it that print their own comments. */
export interface Item {
  readonly span: Span;
  readonly inner: readonly Region[];
}

export interface Attached {
  readonly before: readonly string[];
  readonly behind: readonly string[];
}

export interface Placed {
  /** One for every item. */
  readonly items: readonly Attached[];
  /** After the last item. */
  readonly rest: readonly string[];
}

const NONE: Attached = { before: [], behind: [] };

/** Gives the comments of `region` to `items`, which are in text order. Those in an item's `inner` regions are left for these. */
export function placeComments(comments: readonly Comment[], region: Region, items: readonly Item[]): Placed {
  const own = comments.filter(
    ({ span }) =>
      span.start >= region.start && span.start < region.end && !items.some((item) => item.inner.some((r) => within(span.start, r))),
  );
  if (own.length === 0) return { items: items.map(() => NONE), rest: [] };
  const before: string[][] = items.map(() => []);
  const behind: string[][] = items.map(() => []);
  const rest: string[] = [];
  for (const comment of own) {
    const next = items.findIndex((item) => item.span.end > comment.span.start);
    const previous = next < 0 ? items.length - 1 : next - 1;
    const last = items[previous];
    const text = commentText(comment);
    if (last && sameLine(last.span, comment.span)) {
      behind[previous]?.push(text);
      continue;
    }
    const list = next >= 0 ? before[next] : rest;
    list?.push(...(isBlankBefore(comment) ? ["", text] : [text]), ...(isBlankBehind(comment) ? [""] : []));
  }
  return { items: items.map((_, i) => ({ before: before[i] ?? [], behind: behind[i] ?? [] })), rest };
}

/** As it was written, with a blank behind the `#`. */
function commentText({ span }: Comment): string {
  const body = span.file.text.slice(span.start + 1, span.end).trimEnd();
  return /^[^\s#!]/.test(body) ? `# ${body}` : `#${body}`;
}

/** Comments keep the blank lines around them, which say what they are about. */
function isBlankBefore({ span }: Comment): boolean {
  return /\n[ \t\r]*\n[ \t]*$/.test(span.file.text.slice(Math.max(0, span.start - 400), span.start));
}

function isBlankBehind({ span }: Comment): boolean {
  return /^[ \t\r]*\n[ \t\r]*\n/.test(span.file.text.slice(span.end, span.end + 400));
}

/** Whether the comment stands on the line on which the item ends. */
function sameLine(item: Span, comment: Span): boolean {
  return comment.start >= item.end && position(item.file, item.end).line === position(comment.file, comment.start).line;
}

function within(offset: number, region: Region): boolean {
  return offset >= region.start && offset < region.end;
}

export function hasComments(comments: readonly Comment[], region: Region): boolean {
  return comments.some(({ span }) => within(span.start, region));
}
