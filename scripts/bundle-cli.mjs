/**
 * After `tsc`: replaces dist/cli by a bundle of the command line with everything it imports. A command that starts by loading some three
 * hundred small modules spends most of its time there; as a library the package stays unbundled. Run-time packages that are optional stay outside.
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { build } from "esbuild";

const OPTIONAL = ["webgpu", "@tensorflow/tfjs", "@tensorflow/tfjs-node", "vitest"];

/** zod's messages in sixty languages; ours are our own. */
const englishOnly = {
  name: "english-only",
  setup(b) {
    b.onLoad({ filter: /zod[\\/]v4[\\/]locales[\\/]index\.js$/ }, () => ({
      contents: 'export { default as en } from "./en.js";',
      loader: "js",
    }));
  },
};

/** commander loads it for commands that are programs of their own; here there are none. */
const noChildProcess = {
  name: "no-child-process",
  setup(b) {
    b.onResolve({ filter: /^node:child_process$/ }, ({ importer }) =>
      /[\\/]commander[\\/]/.test(importer) ? { path: "absent", namespace: "absent" } : undefined,
    );
    b.onLoad({ filter: /.*/, namespace: "absent" }, () => ({ contents: "module.exports = {};" }));
  },
};

/** Packages in CommonJS form ask for Node's own modules by require. Only the chunk that does gets one: making it looks through folders. */
const REQUIRE = 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);\n';

rmSync("dist/cli", { recursive: true, force: true });
const { outputFiles } = await build({
  entryPoints: ["cli/main.ts", "cli/images.ts"],
  outdir: "dist/cli",
  chunkNames: "chunks/[name]-[hash]",
  bundle: true,
  // a command's own part is loaded when it runs
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20.19",
  mainFields: ["module", "main"],
  external: OPTIONAL,
  minifyWhitespace: true,
  minifySyntax: true,
  legalComments: "linked",
  plugins: [englishOnly, noChildProcess],
  write: false,
});
for (const { path: file, text } of outputFiles) {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text.includes("typeof require") ? REQUIRE + text : text, { mode: text.startsWith("#!") ? 0o755 : 0o644 });
}
