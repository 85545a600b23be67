/**
 * node scripts/with-gpu.mjs COMMAND ARGS...: runs COMMAND with a software GPU (SwiftShader) and a Chromium, both from the npm package
 * @sparticuz/chromium, in its environment: CHROMIUM, VK_ICD_FILENAMES, LD_LIBRARY_PATH. The last must be set before a process starts,
 * because Dawn loads libvulkan.so.1 by name; hence this wrapper.
 */
import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import path from "node:path";

const folder = path.resolve("node_modules/.cache/sec-chromium");
mkdirSync(folder, { recursive: true });
const outer = { ...process.env };
process.env.TMPDIR = folder; // the package unpacks into os.tmpdir()
process.env.AWS_LAMBDA_JS_RUNTIME ??= "nodejs20.x"; // makes it unpack libnss3 and libexpat too
let extra = {};
try {
  const { default: pack } = await import("@sparticuz/chromium");
  extra = {
    CHROMIUM: outer.CHROMIUM ?? (await pack.executablePath()), // 2 s and 203 MB the first time, then at once
    XDG_RUNTIME_DIR: outer.XDG_RUNTIME_DIR ?? "/tmp", // silences a message of the Vulkan loader
    VK_ICD_FILENAMES: outer.VK_ICD_FILENAMES ?? path.join(folder, "vk_swiftshader_icd.json"),
    LD_LIBRARY_PATH: [folder, path.join(folder, "al2023/lib"), outer.LD_LIBRARY_PATH].filter(Boolean).join(":"),
    FONTCONFIG_PATH: path.join(folder, "fonts"),
  };
} catch (error) {
  console.error(`with-gpu: no software GPU: ${error.message}`);
}
const [command, ...args] = process.argv.slice(2);
const child = spawn(command, args, { stdio: "inherit", env: { ...outer, ...extra } });
child.on("exit", (code) => process.exit(code ?? 1));
