/** Imports an emitted module in this process. Nothing is written: its text becomes a data: URL, its weights are passed as bytes. */
import { must } from "../../compiler/invariant.ts";
import type { Artifact, Tensors } from "../backend.ts";
import { fileName } from "./text.ts";

export interface LoadedNet {
  run(inputs: Tensors): Promise<Tensors>;
  dispose(): void;
}

export interface EmittedModule {
  /** The module's own `load`; options are the target's. */
  load(options: Readonly<Record<string, unknown>>): Promise<LoadedNet>;
  /** Contents of the `.weights` file. */
  readonly weights: Uint8Array;
}

/** Imports the text of an ES module that imports nothing itself. */
export const importText = async <T>(text: string): Promise<T> =>
  (await import("./import-url.ts")).importUrl<T>(`data:text/javascript;base64,${Buffer.from(text, "utf8").toString("base64")}`);

export async function importModule(files: readonly Artifact[], net: string): Promise<EmittedModule> {
  const file = (path: string): Artifact =>
    must(
      files.find((f) => f.path === path),
      path,
    );
  const { load } = await importText<Pick<EmittedModule, "load">>(file(`${fileName(net)}.js`).contents as string);
  return { load, weights: file(`${fileName(net)}.weights`).contents as Uint8Array };
}

/** The JavaScript engine as judge: what it refuses of the emitted module. */
export async function judgeModule(files: readonly Artifact[], net: string): Promise<readonly string[]> {
  try {
    await importModule(files, net);
    return [];
  } catch (error) {
    return [`${net}.js: ${(error as Error).message}`];
  }
}
