/** Runs an emitted cpu module in this process. */
import type { Artifact, Runner } from "../backend.ts";
import { importModule } from "../module/import-module.ts";

export async function runModule(files: readonly Artifact[], net: string): Promise<Runner> {
  const { load, weights } = await importModule(files, net);
  const loaded = await load({ weights });
  return {
    runtime: `${process.release.name} ${process.version}`,
    threads: 1,
    run: (inputs) => loaded.run(inputs),
    close: async () => loaded.dispose(),
  };
}
