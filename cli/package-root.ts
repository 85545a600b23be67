/** Where the package's own files are, from the sources as well as from dist/. */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { must } from "../compiler/invariant.ts";
import { once } from "../compiler/once.ts";

/** Where the running program lies: the bundle, or the sources of the command line. */
export const programFolder = once((): string => path.dirname(fileURLToPath(import.meta.url)));

/** The kept tree of a spec file that ships, beside the bundle in `folder`; beside the sources there is none. */
export const keptPath = (folder: string, file: string): string => path.join(folder, "trees", `${file}.tree`);

export const packageRoot = once((): string => {
  let folder = programFolder();
  while (!existsSync(path.join(folder, "specs", "nets"))) {
    const parent = path.dirname(folder);
    must(parent === folder ? undefined : parent, "the specs folder of sec-compiler");
    folder = parent;
  }
  return folder;
});

export function packageVersion(): string {
  return (JSON.parse(readFileSync(path.join(packageRoot(), "package.json"), "utf8")) as { version: string }).version;
}

export interface ShippedNets {
  /** Net name -> absolute path of the file that declares it. */
  readonly fileOf: ReadonlyMap<string, string>;
  readonly folder: string;
}

/** Nets that ship with sec: `sec inspect se_resnet50`, `use "sec/resnet.se"`. */
export const shippedNets = once((): ShippedNets => {
  const specs = path.join(packageRoot(), "specs");
  const folder = path.join(specs, "nets");
  const files = JSON.parse(readFileSync(path.join(specs, "net-files.json"), "utf8")) as Readonly<Record<string, string>>;
  return { folder, fileOf: new Map(Object.entries(files).map(([net, file]) => [net, path.join(folder, file)])) };
});
