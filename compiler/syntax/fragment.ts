/**
 * A text to be parsed and where its characters stand in a file: the file itself, or a string inside a JSON file, whose escapes make
 * the two lengths differ.
 */
import type { SourceFile, Span } from "../source.ts";

export interface Fragment {
  readonly file: SourceFile;
  readonly text: string;
  /** Offset in the file of every character of `text`, and of its end; absent when they are the same. */
  readonly offsets?: readonly number[];
}

/** The whole of a file as a fragment; for a selector of the command line, `sourceFile("selector", text)`. */
export function wholeFile(file: SourceFile): Fragment {
  return { file, text: file.text };
}

export function fragmentSpan(fragment: Fragment, start: number, end: number): Span {
  const { file, offsets } = fragment;
  if (!offsets) return { file, start, end };
  return { file, start: offsets[start] ?? 0, end: offsets[end] ?? offsets.at(-1) ?? 0 };
}
