/** Trees of the library's blocks by name, as `keepTree` writes them. The command line's bundle has them (scripts/keep-trees.ts); elsewhere blocks are parsed. */
export const keptBlocks: Readonly<Record<string, string>> = {};
