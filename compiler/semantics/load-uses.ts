/** Reads a file and everything it uses, each once (language.md section 4). */
import type { Diagnostics } from "../diagnostics/diagnostic.ts";
import { messages } from "../diagnostics/messages.gen.ts";
import { type Host, SHIPPED } from "../host.ts";
import { LIMITS } from "../limits.ts";
import { type SourceFile, sourceFile } from "../source.ts";
import type { SpecFile, Use } from "../syntax/ast.ts";
import { keptFile } from "../syntax/kept-tree.ts";
import { parseSpec } from "../syntax/parse.ts";

export interface LoadedFile {
  readonly file: SourceFile;
  readonly spec: SpecFile | undefined;
  /** In text order; those that could not be read are left out, after a report. */
  readonly uses: readonly { readonly use: Use; readonly loaded: LoadedFile }[];
}

interface Loading {
  readonly host: Host;
  readonly diagnostics: Diagnostics;
  readonly files: Map<string, LoadedFile>;
}

/** The file with its uses, loaded depth first: a used file comes before the one that uses it in `all`. */
export function loadUses(
  entry: SourceFile,
  host: Host,
  diagnostics: Diagnostics,
): { readonly entry: LoadedFile; readonly all: readonly LoadedFile[] } {
  const loading: Loading = { host, diagnostics, files: new Map() };
  const loaded = load(loading, entry, [normalise(entry.name)]);
  return { entry: loaded, all: [...loading.files.values()] };
}

function load(loading: Loading, file: SourceFile, chain: readonly string[]): LoadedFile {
  const kept = loading.host.readKept?.(file.name);
  const spec = (kept === undefined ? undefined : keptFile(kept, file)) ?? parseSpec(file, loading.diagnostics);
  const uses: LoadedFile["uses"][number][] = [];
  for (const use of spec?.uses ?? []) {
    const loaded = loadUse(loading, use, chain);
    if (loaded) uses.push({ use, loaded });
  }
  const result: LoadedFile = { file, spec, uses };
  loading.files.set(chain[chain.length - 1] as string, result);
  return result;
}

function loadUse(loading: Loading, use: Use, chain: readonly string[]): LoadedFile | undefined {
  const { diagnostics, files, host } = loading;
  const written = use.path.value;
  const refused = whyRefused(written);
  if (refused !== undefined) {
    diagnostics.report(messages.SE009.file({ file: written, reason: refused }), use.path.span);
    return undefined;
  }
  const path = resolveUse(chain[chain.length - 1] as string, written);
  const index = chain.indexOf(path);
  if (index >= 0) {
    const cycle = [...chain.slice(index), path].join(" uses ");
    diagnostics.report(messages.SE114.file({ name: path, cycle }), use.path.span);
    return undefined;
  }
  const known = files.get(path);
  if (known) return known;
  if (chain.length > LIMITS.useDepth) {
    diagnostics.report(messages.SE010.uses({ limit: LIMITS.useDepth }), use.path.span);
    return undefined;
  }
  const read = host.readText(path);
  if (read.ok) return load(loading, sourceFile(path, read.text), [...chain, path]);
  diagnostics.report(messages.SE009.file({ file: written, reason: read.reason }), use.path.span);
  return undefined;
}

export function whyRefused(path: string): string | undefined {
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(path)) return "URLs are not read; download the file and use its path";
  if (path.startsWith("/") || path.startsWith("\\") || /^[a-z]:/i.test(path)) return "the path must be relative to this file";
  if (path.includes("\\")) return "the separator is `/`";
  return path === "" ? "the path is empty" : undefined;
}

/** What `use` says for a net that ships with `sec`. */
export const shippedPath = (net: string): string => `${SHIPPED}${net}.se`;

/** The path seen from where the entry file's path is seen from. `sec/NAME` is the gallery wherever it is used. */
export function resolveUse(user: string, written: string): string {
  if (written.startsWith(SHIPPED)) return normalise(written);
  const folder = user.includes("/") ? user.slice(0, user.lastIndexOf("/") + 1) : "";
  return normalise(folder + written);
}

function normalise(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "." || (part === "" && parts.length > 0)) continue;
    if (part === ".." && parts.length > 0 && parts[parts.length - 1] !== ".." && parts[parts.length - 1] !== "") parts.pop();
    else parts.push(part);
  }
  return parts.join("/");
}
