/** The blocks every file sees without `use` (language.md section 12): specs/std/*.se, parsed once. */
import { Diagnostics } from "../diagnostics/diagnostic.ts";
import { invariant } from "../invariant.ts";
import { once } from "../once.ts";
import { type SourceFile, sourceFile } from "../source.ts";
import { parseSpec } from "../syntax/parse.ts";
import { libraryTexts } from "./library.gen.ts";
import type { Definition, FileScope } from "./scope.ts";

/** Blocks of the library by name, in the order of its files. */
export const library: () => ReadonlyMap<string, Definition> = once(parseLibrary);

/** Names of the library's blocks. */
export const libraryBlocks = (): string[] => [...library().keys()];

/** True for the texts that ship inside `sec`: users do not edit them. */
export const isLibraryFile = (file: SourceFile): boolean => [...library().values()].some(({ home }) => home.file === file);

function parseLibrary(): ReadonlyMap<string, Definition> {
  const blocks = new Map<string, Definition>();
  for (const [name, text] of Object.entries(libraryTexts)) {
    const diagnostics = new Diagnostics();
    const file = sourceFile(name, text);
    const spec = parseSpec(file, diagnostics);
    invariant(spec && !diagnostics.hasErrors, `the library file ${name} does not parse: ${diagnostics.all[0]?.title}`);
    // blocks of all library files see each other: `scse` calls `se` and `sse`
    const home: FileScope = { file, library: true, definitions: blocks };
    for (const def of spec.defs) blocks.set(def.name.text, { def, home });
  }
  return blocks;
}
