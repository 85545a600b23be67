/**
 * After `tsc`: lets the built compiler load chevrotain from one file instead of a few hundred.
 * The package exports only its unbundled modules, whose import takes longer than all the rest of `sec check`; it ships a bundle beside them.
 * Usage: tsx scripts/inline-chevrotain.ts [dist]
 */
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const dist = process.argv[2] ?? "dist";
// the package's only entry is lib/src/api.js
const library = dirname(dirname(createRequire(import.meta.url).resolve("chevrotain")));
const syntax = join(dist, "compiler", "syntax");
copyFileSync(join(library, "chevrotain.min.mjs"), join(syntax, "chevrotain.js"));
copyFileSync(join(dirname(library), "LICENSE.txt"), join(syntax, "chevrotain.LICENSE.txt"));

let rewritten = 0;
for (const name of readdirSync(syntax).filter((n) => n.endsWith(".js") && n !== "chevrotain.js")) {
  const path = join(syntax, name);
  const text = readFileSync(path, "utf8");
  const inlined = text.replace(/from "chevrotain"/g, 'from "./chevrotain.js"');
  if (inlined === text) continue;
  writeFileSync(path, inlined);
  rewritten++;
}
if (rewritten === 0) throw new Error(`no import of chevrotain in ${syntax}`);
