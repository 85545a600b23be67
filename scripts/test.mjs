/** `npm test`: installs what is missing, then the whole suite with a software GPU and a real Chromium, both from npm packages. */
import { spawnSync } from "node:child_process";
import { installMissing } from "./install-missing.mjs";

installMissing();
const args = ["scripts/with-gpu.mjs", process.execPath, "node_modules/vitest/vitest.mjs", "run", ...process.argv.slice(2)];
process.exit(spawnSync(process.execPath, args, { stdio: "inherit" }).status ?? 1);
