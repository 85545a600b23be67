/**
 * What a process needs in its environment for a software GPU (SwiftShader) and a Chromium, both from the npm package @sparticuz/chromium.
 * Ask once and hand it on: the first time, the package unpacks files that two processes would write over each other.
 */
import { mkdirSync } from "node:fs";
import path from "node:path";

/** @returns {Promise<Record<string, string>>} for `env` of a child beside process.env; empty, and said, where there is no such package */
export async function gpuEnvironment() {
  const folder = path.resolve("node_modules/.cache/sec-chromium");
  mkdirSync(folder, { recursive: true });
  const own = { ...process.env };
  process.env.TMPDIR = folder; // the package unpacks into os.tmpdir()
  process.env.AWS_LAMBDA_JS_RUNTIME ??= "nodejs20.x"; // makes it unpack libnss3 and libexpat too
  try {
    const { default: pack } = await import("@sparticuz/chromium");
    return {
      CHROMIUM: own.CHROMIUM ?? (await pack.executablePath()), // 2 s and 203 MB the first time, then at once
      XDG_RUNTIME_DIR: own.XDG_RUNTIME_DIR ?? "/tmp", // silences a message of the Vulkan loader
      VK_ICD_FILENAMES: own.VK_ICD_FILENAMES ?? path.join(folder, "vk_swiftshader_icd.json"),
      LD_LIBRARY_PATH: [folder, path.join(folder, "al2023/lib"), own.LD_LIBRARY_PATH].filter(Boolean).join(":"),
      FONTCONFIG_PATH: path.join(folder, "fonts"),
    };
  } catch (error) {
    console.error(`no software GPU: ${error.message}`);
    return {};
  } finally {
    // and the package sets more of it
    for (const name of Object.keys(process.env)) if (!(name in own)) delete process.env[name];
    Object.assign(process.env, own);
  }
}
