/** Finds packages in the user's project: third-party backends and optional peers. sec installs nothing. */
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import type { Session } from "./session.ts";

/** The default export of a package that the user's project has, or undefined when it is not installed there. */
export async function loadInstalledBackend(session: Session, packageName: string): Promise<unknown> {
  const require = createRequire(path.join(session.options.directory, "package.json"));
  let entry: string;
  try {
    entry = require.resolve(packageName);
  } catch {
    return undefined;
  }
  const { importUrl } = await import("../backends/module/import-url.ts");
  return (await importUrl<{ default: unknown }>(pathToFileURL(entry).href)).default;
}
