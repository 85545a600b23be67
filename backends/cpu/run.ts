/** Runs an emitted cpu module in this process. Nothing is written: the module is imported from a data: URL, the weights are passed as bytes. */
import { must } from "../../compiler/invariant.ts";
import type { Artifact, Runner, Tensors } from "../backend.ts";

interface Module {
  load(options: { readonly weights: Uint8Array }): Promise<{ run(inputs: Tensors): Promise<Tensors>; dispose(): void }>;
}

/** Imports the text of an ES module that imports nothing itself. */
export async function importText<T>(text: string): Promise<T> {
  return (await import(`data:text/javascript;base64,${Buffer.from(text, "utf8").toString("base64")}`)) as T;
}

export async function runModule(files: readonly Artifact[], net: string): Promise<Runner> {
  const file = (end: string): Artifact =>
    must(
      files.find((f) => f.path.endsWith(end)),
      `${end} of ${net}`,
    );
  const { load } = await importText<Module>(file(".js").contents as string);
  const loaded = await load({ weights: file(".weights").contents as Uint8Array });
  return {
    runtime: `${process.release.name} ${process.version}`,
    run: (inputs) => loaded.run(inputs),
    close: async () => loaded.dispose(),
  };
}
