/**
 * node scripts/with-gpu.mjs COMMAND ARGS...: runs COMMAND with a software GPU and a Chromium in its environment: CHROMIUM, VK_ICD_FILENAMES,
 * LD_LIBRARY_PATH. The last must be set before a process starts, because Dawn loads libvulkan.so.1 by name; hence this wrapper.
 */
import { spawn } from "node:child_process";
import { gpuEnvironment } from "./gpu-environment.mjs";

const [command, ...args] = process.argv.slice(2);
const child = spawn(command, args, { stdio: "inherit", env: { ...process.env, ...(await gpuEnvironment()) } });
child.on("exit", (code) => process.exit(code ?? 1));
