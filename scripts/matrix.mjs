/**
 * npm run matrix: the other Node versions that are supported, from npm: the parts of the suite that could notice one (numbers, goldens,
 * parsing, files). Usage: node scripts/matrix.mjs [22 24]
 */
import { spawnSync } from "node:child_process";

const PARTS = [
  "test/conformance.cpu.test.ts",
  "test/golden",
  "test/syntax",
  "test/weights",
  "test/docs.test.ts",
  "test/cli/compile.test.ts",
  "test/cli/engine.test.ts",
  "test/random/wasm.test.ts",
];
const versions = process.argv.length > 2 ? process.argv.slice(2) : ["22", "24"];

for (const version of versions) {
  const args = ["-y", "-p", `node@${version}`, "node", "node_modules/vitest/vitest.mjs", "run", "--project", "unit", ...PARTS];
  console.log(`node ${version}`);
  const { status } = spawnSync("npx", args, { stdio: "inherit", shell: process.platform === "win32" });
  if (status !== 0) process.exit(status ?? 1);
}
