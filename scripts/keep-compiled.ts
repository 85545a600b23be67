/**
 * After the bundle: runs the commands that should start fast, and keeps what V8 compiled of the program meanwhile beside it. Without these
 * files, or with another V8, everything works and starts slower.
 */
import "../cli/engine.ts";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { compiledName, isGrammar, openScripts, type Program } from "../cli/script.ts";

const COMMANDS = [
  ["check", "se_resnet50"],
  // not by its bare name: it is parsed
  ["check", "specs/nets/se_resnet50.se"],
  ["compile", "se_resnet50", "--target", "cpu,tfjs,webgpu,wasm,onnx,pytorch", "--dry-run"],
  ["inspect", "se_resnet50"],
];

const silent = { write: () => undefined, isTTY: false, columns: 80 };
const io = { cwd: process.cwd(), env: {}, stdout: silent, stderr: silent, stdin: () => new Uint8Array(), now: () => performance.now() };

const scripts = openScripts();
const { runCli } = scripts.load(path.resolve("dist/cli/process.cjs")) as Program;
for (const command of COMMANDS) {
  const code = await runCli(command, io);
  if (code !== 0) throw new Error(`sec ${command.join(" ")} ended with ${code}`);
  if (scripts.loaded().some(isGrammar) === (command === COMMANDS[0]))
    throw new Error("the grammar is not loaded by the first command, which is about a net that ships, and by the second");
}
const again = "--again";
if (process.argv.includes(again)) {
  const anew = scripts.anew();
  if (anew.length > 0) throw new Error(`compiled anew though kept: ${anew.join(", ")}`);
} else {
  for (const [file, compiled] of scripts.compiled()) writeFileSync(compiledName(file), compiled);
  // another process: this one would not even look at what was kept
  execFileSync(process.execPath, [...process.execArgv, fileURLToPath(import.meta.url), again], { stdio: "inherit" });
}
