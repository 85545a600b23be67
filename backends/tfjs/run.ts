/** Runs emitted TensorFlow.js modules in Node: with @tensorflow/tfjs-node when it is installed, else with @tensorflow/tfjs. */
import { createRequire } from "node:module";
import path from "node:path";
import type { Artifact, Runner, Unavailable } from "../backend.ts";
import { importModule } from "../module/import-module.ts";

const PACKAGES = ["@tensorflow/tfjs-node", "@tensorflow/tfjs"] as const;

interface TensorFlow {
  readonly version: { readonly tfjs?: string };
  readonly version_core: string;
  getBackend(): string;
  enableProdMode(): void;
  ready(): Promise<void>;
}

/** The first package that the project in the working directory, or sec itself, has and that loads. */
function findTensorFlow(): { tf: TensorFlow; name: string } | Unavailable {
  const places = [createRequire(path.join(process.cwd(), "package.json")), createRequire(import.meta.url)];
  let broken = "";
  for (const name of PACKAGES) {
    for (const require of places) {
      let entry: string;
      try {
        entry = require.resolve(name);
      } catch {
        continue;
      }
      try {
        return { tf: require(entry) as TensorFlow, name };
      } catch (error) {
        // tfjs-node breaks on Node 23 and later, and where its native library is missing
        broken = `${name} is installed but does not load: ${(error as Error).message.split("\n")[0]}`;
      }
    }
  }
  return { unavailable: broken || `neither ${PACKAGES.join(" nor ")} is installed` };
}

export async function tfjsRunner(files: readonly Artifact[], net: string): Promise<Runner | Unavailable> {
  const found = findTensorFlow();
  if ("unavailable" in found) return found;
  const { tf, name } = found;
  // otherwise it prints an advertisement for its native package between the lines of whoever calls
  tf.enableProdMode();
  await tf.ready();
  const module = await importModule(files, net);
  const loaded = await module.load({ tf, weights: module.weights });
  return {
    runtime: `${name} ${tf.version_core}, ${tf.getBackend()}`,
    ...(tf.getBackend() === "cpu" ? { threads: 1 } : {}),
    run: (inputs) => loaded.run(inputs),
    close: async () => loaded.dispose(),
  };
}
