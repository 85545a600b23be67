/** A file with everything it sees: the state `check`, `expand` and the editors start from. */
import type { Diagnostics } from "../diagnostics/diagnostic.ts";
import { messages } from "../diagnostics/messages.gen.ts";
import type { Host, ReadBytesResult } from "../host.ts";
import type { SourceFile } from "../source.ts";
import type { SpecFile } from "../syntax/ast.ts";
import { placeText } from "./expand-context.ts";
import { isBuiltin } from "./expand-layer.ts";
import { library } from "./library.ts";
import { type LoadedFile, loadUses, resolveUse, shippedPath, whyRefused } from "./load-uses.ts";
import { resolveNames } from "./resolve-names.ts";
import type { Definition, FileScope } from "./scope.ts";

export interface Workspace {
  readonly entry: FileScope;
  /** The entry file as parsed; undefined when nothing could be read. */
  readonly spec: SpecFile | undefined;
  /** Files that were read, the entry last. */
  readonly files: readonly SourceFile[];
  /** Nets declared in the entry file, in text order. */
  readonly declared: readonly string[];
  /** The block or net of that name as the entry file sees it, the library included. */
  visible(name: string): Definition | undefined;
  /** True for a net whose parameters all have defaults: it can stand alone. */
  isComplete(name: string): boolean;
  /** A file could not be read or does not follow the grammar: what is missing from its tree would look like further mistakes. */
  readonly isBroken: boolean;
  /** Some net of some file comes from a model file. */
  readonly readsModels: boolean;
}

/** Parses the entry file and what it uses, and resolves names. Reports SE0xx, SE1xx; works on with what is right. */
export function loadWorkspace(entry: SourceFile, host: Host, diagnostics: Diagnostics): Workspace {
  const { entry: loaded, all } = loadUses(entry, host, diagnostics);
  const scopes = new Map<LoadedFile, FileScope>();
  const isBroken = diagnostics.all.some((d) => d.severity === "error" && /^SE0/.test(d.code));
  // a used file stands before its users, so its definitions are complete when they are needed
  for (const file of all) scopes.set(file, fileScope(file, scopes, diagnostics, host));
  for (const file of all) {
    const home = scopes.get(file);
    if (home && file.spec && !isBroken) resolveNames(file.spec, home, diagnostics);
  }
  const own = scopes.get(loaded) as FileScope;
  const defs = loaded.spec?.defs ?? [];
  return {
    entry: own,
    spec: loaded.spec,
    files: all.map((f) => f.file),
    declared: [...new Set(defs.filter((d) => d.kind === "net").map((d) => d.name.text))],
    visible: (name) => own.definitions.get(name),
    isBroken,
    readsModels: all.some((f) => f.spec?.defs.some((d) => d.kind === "net" && d.form.kind === "onnx")),
    isComplete: (name) => own.definitions.get(name)?.def.params.every((p) => p.default) ?? false,
  };
}

function fileScope(loaded: LoadedFile, scopes: ReadonlyMap<LoadedFile, FileScope>, diagnostics: Diagnostics, host: Host): FileScope {
  const definitions = new Map<string, Definition>();
  const readBytes = (written: string): ReadBytesResult => {
    const refused = whyRefused(written);
    if (refused !== undefined) return { ok: false, reason: refused };
    return host.readBytes?.(resolveUse(loaded.file.name, written)) ?? { ok: false, reason: "model files are not read here" };
  };
  const ships = (net: string): boolean => host.readText(shippedPath(net)).ok;
  const home: FileScope = { file: loaded.file, library: false, definitions, readBytes, ships };
  for (const def of loaded.spec?.defs ?? []) {
    const { text: name, span } = def.name;
    const other = definitions.get(name);
    if (isBuiltin(name)) diagnostics.report(messages.SE103.builtin({ name, kind: def.kind }), span);
    else if (other) {
      diagnostics.report(messages.SE103.twice({ name }), span, { notes: [`the other one is in ${placeText(other.def.name.span, span)}`] });
    } else definitions.set(name, { def, home });
    if (library().has(name)) diagnostics.report(messages.SE193.hides({ name }), span);
  }
  for (const { use, loaded: used } of loaded.uses) {
    const scope = scopes.get(used);
    for (const [name, definition] of scope?.definitions ?? []) {
      // what a used file uses itself is not passed on
      if (definition.home !== scope) continue;
      const other = definitions.get(name);
      if (!other) definitions.set(name, definition);
      else if (other.def !== definition.def) {
        const own = other.home === home ? other.def.name.span : use.path.span;
        const there = other.home === home ? definition.def.name.span : other.def.name.span;
        diagnostics.report(messages.SE103.twice({ name }), own, { notes: [`the other one is in ${placeText(there, own)}`] });
      }
    }
  }
  for (const [name, definition] of library()) if (!definitions.has(name)) definitions.set(name, definition);
  return home;
}
