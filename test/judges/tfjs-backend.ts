/** Chooses the backend of the one TensorFlow.js that tests and runners share. */
import { createRequire } from "node:module";
import path from "node:path";
import type * as Tf from "@tensorflow/tfjs";

const require = createRequire(import.meta.url);

/** `require` and not `import`: the runner of the target takes the CommonJS build, and a backend is set in one build only. */
export async function useTfjs(backend: "cpu" | "wasm"): Promise<typeof Tf> {
  const tf = require("@tensorflow/tfjs") as typeof Tf;
  if (backend === "wasm") {
    const name = "@tensorflow/tfjs-backend-wasm";
    const { setWasmPaths } = require(name) as { setWasmPaths(folder: string): void };
    setWasmPaths(`${path.dirname(require.resolve(`${name}/package.json`))}/dist/`);
  }
  if (!(await tf.setBackend(backend))) throw new Error(`TensorFlow.js has no backend ${backend} here`);
  await tf.ready();
  return tf;
}
