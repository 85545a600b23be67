/** specs/nets/*.se -> specs/net-files.json: which file declares a net that ships, so that a command reads that one and not all of them. */
import { readdirSync, readFileSync } from "node:fs";

const FOLDER = "specs/nets";

/** The first file by name counts. Only names are looked for; the files are not parsed. */
export function generateNetFiles(): string {
  const fileOf = new Map<string, string>();
  for (const file of readdirSync(FOLDER).sort()) {
    if (!file.endsWith(".se")) continue;
    for (const [, name] of readFileSync(`${FOLDER}/${file}`, "utf8").matchAll(/^net\s+([A-Za-z_]\w*)/gm))
      if (name !== undefined && !fileOf.has(name)) fileOf.set(name, file);
  }
  return `${JSON.stringify(Object.fromEntries(fileOf), undefined, 2)}\n`;
}
