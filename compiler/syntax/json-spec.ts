/** JSON -> the tree. */
import type { Diagnostics } from "../diagnostics/diagnostic.ts";
import type { SourceFile } from "../source.ts";
import type { SpecFile } from "./ast.ts";

export function parseJson(_file: SourceFile, _diagnostics: Diagnostics): SpecFile | undefined {
  return undefined;
}
