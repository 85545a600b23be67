/** The trees of what ships with `sec`, for the bundle of the command line: of the library's blocks in a module, of nets in files. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Plugin } from "rolldown";
import { keptPath } from "../cli/package-root.ts";
import { Diagnostics } from "../compiler/diagnostics/diagnostic.ts";
import { libraryTexts } from "../compiler/semantics/library.gen.ts";
import { sourceFile } from "../compiler/source.ts";
import type { SpecFile } from "../compiler/syntax/ast.ts";
import { keepFile, keepTree } from "../compiler/syntax/kept-tree.ts";
import { parseSpec } from "../compiler/syntax/parse.ts";

function parsed(name: string, text: string): SpecFile {
  const diagnostics = new Diagnostics();
  const tree = parseSpec(sourceFile(name, text), diagnostics);
  if (!tree || diagnostics.hasErrors) throw new Error(`${name} does not parse: ${diagnostics.all[0]?.title}`);
  return tree;
}

/** Gives compiler/semantics/kept-blocks.ts its contents. */
export const keptBlocksPlugin: Plugin = {
  name: "kept-blocks",
  load: {
    filter: { id: /[\\/]semantics[\\/]kept-blocks\.ts$/ },
    handler() {
      const blocks = Object.entries(libraryTexts).flatMap(([name, text]) => parsed(name, text).defs);
      const trees = blocks.flatMap((def) => (def.kind === "block" ? [[def.name.text, keepTree(def)]] : []));
      return `export const keptBlocks = ${JSON.stringify(Object.fromEntries(trees))};`;
    },
  },
};

/** Writes the trees of all nets that ship beside the bundle in `folder`. */
export function keepTrees(folder: string): void {
  for (const file of readdirSync("specs/nets").filter((name) => name.endsWith(".se"))) {
    const kept = keptPath(folder, file);
    mkdirSync(path.dirname(kept), { recursive: true });
    writeFileSync(kept, keepFile(parsed(file, readFileSync(path.join("specs/nets", file), "utf8"))));
  }
}
