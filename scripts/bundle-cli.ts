/**
 * After `tsc`: replaces dist/cli by bundles of the command line with everything it imports. A command that starts by loading some three
 * hundred small modules spends most of its time there; as a library the package stays unbundled. Run-time packages that are optional stay outside.
 */
import { chmodSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type Plugin, rolldown, type TransformOptions } from "rolldown";
import { IMPORTER, WRAPPER } from "../cli/script.ts";
import { keepTrees, keptBlocksPlugin } from "./keep-trees.ts";

const OPTIONAL = ["webgpu", "@tensorflow/tfjs", "@tensorflow/tfjs-node", "vitest"];

/** zod's messages in sixty languages; ours are our own. */
const englishOnly: Plugin = {
  name: "english-only",
  load: { filter: { id: /zod[\\/]v4[\\/]locales[\\/]index\.js$/ }, handler: () => 'export { default as en } from "./en.js";' },
};

/** commander loads it for commands that are programs of their own; here there are none. */
const noChildProcess: Plugin = {
  name: "no-child-process",
  resolveId: {
    filter: { id: /^node:child_process$/ },
    handler: (_id, by) => (/[\\/]commander[\\/]/.test(by ?? "") ? "\0absent" : null),
  },
  load: { filter: { id: /^\0absent$/ }, handler: () => "export {};" },
};

/** Replaces texts of one file of a package, which must have each just once. */
const edited = (name: string, file: RegExp, edits: Readonly<Record<string, string>>): Plugin => ({
  name,
  transform: {
    filter: { id: file },
    handler(code) {
      for (const text of Object.keys(edits)) if (code.split(text).length !== 2) throw new Error(`${name}: the package has changed`);
      return Object.entries(edits).reduce((made, [text, instead]) => made.replace(text, instead), code);
    },
  },
});

/** chevrotain makes a table of all characters at every start, which is quicker for a million tokens. Here it is computed when it is needed. */
const noCharacterTable = edited("no-character-table", /[\\/]chevrotain[\\/]lib[\\/]src[\\/]scan[\\/]lexer\.js$/, {
  "charCodeToOptimizedIdxMap[charCode]": "255 + ~~(charCode / 255)",
  "if (isEmpty(charCodeToOptimizedIdxMap))": "if (false)",
});

/** chevrotain relates each token to its categories when it is made, and once more all of them when a lexer or a parser is. */
const relatedOnce = edited("related-once", /[\\/]chevrotain[\\/]lib[\\/]src[\\/]scan[\\/]tokens_public\.js$/, {
  "augmentTokenTypes([tokenType]);": "",
});

/** Left where it is by the program, and a bundle of its own. */
const importer: Plugin = {
  name: "importer",
  resolveId: {
    filter: { id: /[\\/]import-url\.ts$/ },
    handler: (_id, from) => (from === undefined ? null : { id: IMPORTER, external: true }),
  },
};

/** Writes the bundle of one entry; the files that are in it. */
async function bundle(
  input: Record<string, string>,
  format: "cjs" | "esm",
  {
    transform = {},
    wrapper = { before: "", after: "" },
  }: { transform?: TransformOptions; wrapper?: typeof WRAPPER | { before: string; after: string } } = {},
): Promise<string[]> {
  const extension = format === "cjs" ? "cjs" : "js";
  const made = await rolldown({
    input,
    platform: "node",
    external: OPTIONAL,
    resolve: {
      mainFields: ["module", "main"],
      // its other form loads threads, which are not used here
      alias: { fflate: path.resolve("node_modules/fflate/esm/browser.js") },
    },
    transform,
    plugins: [englishOnly, noChildProcess, noCharacterTable, relatedOnce, keptBlocksPlugin, importer],
  });
  const { output } = await made.write({
    dir: "dist/cli",
    format,
    // scripts of `vm` cannot import on Node 20: what they ask for late they require
    dynamicImportInCjs: wrapper.before === "",
    postBanner: wrapper.before,
    postFooter: wrapper.after,
    entryFileNames: `[name].${extension}`,
    // in the folder of the entries: cli/script.ts counts on it
    chunkFileNames: `[name]-[hash].${extension}`,
    // leaves that others use too, so that what has the grammar is asked for nothing else (`isGrammar` in cli/script.ts)
    codeSplitting: { groups: [{ name: "words", test: /[\\/]compiler[\\/]syntax[\\/](words|fragment)\.ts$/ }] },
    // ASCII takes half the memory, and no time to decode
    minify: { compress: false, mangle: false, codegen: { asciiOnly: true } },
  });
  await made.close();
  if (wrapper.before !== "") {
    const late = output.filter((chunk) => "code" in chunk && /\bimport\(/.test(chunk.code));
    if (late.length > 0) throw new Error(`import() in ${late.map((chunk) => chunk.fileName).join(", ")}`);
  }
  return output.flatMap((chunk) => ("moduleIds" in chunk ? chunk.moduleIds : []));
}

/** The licences of the packages that `files` are from, as those packages state them. */
function licencesOf(files: readonly string[]): string {
  const packages = new Set(files.map((file) => /^.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+/.exec(file)?.[0]));
  const texts = [...packages].flatMap((folder) => {
    if (folder === undefined) return [];
    const { name, version, license } = JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8"));
    const stated = readdirSync(folder).filter((f) => /^(licen[cs]e|notice)/i.test(f));
    return [`${name} ${version} (${license})`, ...stated.sort().map((f) => readFileSync(path.join(folder, f), "utf8").trim())].join("\n\n");
  });
  return `${texts.sort().join(`\n\n${"-".repeat(80)}\n\n`)}\n`;
}

rmSync("dist/cli", { recursive: true, force: true });
const files = [
  // scripts that V8 can keep compiled; a command's own part is loaded when it runs
  ...(await bundle({ process: "cli/process.ts" }, "cjs", { wrapper: WRAPPER })),
  ...(await bundle({ main: "cli/main.ts" }, "cjs", { transform: { define: { SCRIPT: '"process.cjs"' } } })),
  ...(await bundle({ "import-url": "backends/module/import-url.ts" }, "cjs")),
  ...(await bundle({ images: "cli/images.ts" }, "esm")),
];
keepTrees("dist/cli");
chmodSync("dist/cli/main.cjs", 0o755);
writeFileSync("dist/cli/licenses.txt", licencesOf(files));
