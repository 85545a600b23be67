/** Where the package's own files are, from the sources as well as from dist/. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { must } from "../compiler/invariant.ts";
import { once } from "../compiler/once.ts";

export const packageRoot = once((): string => {
  let folder = path.dirname(fileURLToPath(import.meta.url));
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

/** Nets that ship with sec: `sec inspect se_resnet50`, `use "sec/resnet.se"`. Only names are looked for; the files are not parsed. */
export const shippedNets = once((): ShippedNets => {
  const folder = path.join(packageRoot(), "specs", "nets");
  const fileOf = new Map<string, string>();
  for (const file of readdirSync(folder).sort()) {
    if (!file.endsWith(".se")) continue;
    const text = readFileSync(path.join(folder, file), "utf8");
    for (const match of text.matchAll(/^net\s+([A-Za-z_]\w*)/gm)) {
      const name = match[1] as string;
      if (!fileOf.has(name)) fileOf.set(name, path.join(folder, file));
    }
  }
  return { fileOf, folder };
});
