/** The blocks every file sees without `use` (language.md section 12): specs/std/*.se. */
import { Diagnostics } from "../diagnostics/diagnostic.ts";
import { invariant } from "../invariant.ts";
import { once } from "../once.ts";
import { type SourceFile, sourceFile } from "../source.ts";
import type { BlockDef } from "../syntax/ast.ts";
import { keptTree } from "../syntax/kept-tree.ts";
import { parseBlock } from "../syntax/parse.ts";
import { keptBlocks } from "./kept-blocks.ts";
import { libraryTexts } from "./library.gen.ts";
import type { Definition, FileScope } from "./scope.ts";

/** Blocks of the library by name, in the order of its files. */
export const library: () => ReadonlyMap<string, Definition> = once(openLibrary);

/** Names of the library's blocks. */
export const libraryBlocks = (): string[] => [...library().keys()];

/** True for the texts that ship inside `sec`: users do not edit them. */
export const isLibraryFile = (file: SourceFile): boolean => [...library().values()].some(({ home }) => home.file === file);

/** Where a block of the library begins: at the start of a line. */
const BLOCK = /^block (\w+)/gm;

function openLibrary(): ReadonlyMap<string, Definition> {
  const blocks = new Map<string, Definition>();
  for (const [name, text] of Object.entries(libraryTexts)) {
    const file = sourceFile(name, text);
    // blocks of all library files see each other: `scse` calls `se` and `sse`
    const home: FileScope = { file, library: true, definitions: blocks };
    const heads = [...text.matchAll(BLOCK)];
    for (const [i, head] of heads.entries()) {
      const block = head[1] as string;
      blocks.set(block, blockAt(file, home, block, head.index, heads[i + 1]?.index ?? text.length));
    }
  }
  return blocks;
}

/** A net uses one block or two: each is read when somebody looks into it. */
function blockAt(file: SourceFile, home: FileScope, name: string, start: number, end: number): Definition {
  const def = once(() => {
    const kept = keptBlocks[name];
    if (kept !== undefined) return keptTree<BlockDef>(kept, file);
    const diagnostics = new Diagnostics();
    const block = parseBlock(file, start, end, diagnostics);
    invariant(block && !diagnostics.hasErrors, `the library file ${file.name} does not parse: ${diagnostics.all[0]?.title}`);
    return block;
  });
  return {
    get def() {
      return def();
    },
    home,
  };
}
