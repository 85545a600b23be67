/** `npm run build`, also where only `node` is at hand: the library, the bundled command line, what V8 compiles of it. Ends with what fails. */
import { spawnSync } from "node:child_process";

const STEPS = [
  ["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json"],
  ["--import", "tsx", "scripts/bundle-cli.ts"],
  ["--import", "tsx", "scripts/keep-compiled.ts"],
];

for (const step of STEPS) {
  const { status } = spawnSync(process.execPath, step, { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}
