/** The program as CommonJS scripts, and what V8 made of them when they were built, so that starting a command does not compile them again. */
import { readFileSync } from "node:fs";
import module, { createRequire } from "node:module";
import path from "node:path";
import vm from "node:vm";

export type Program = typeof import("./process.ts");

/** The script that Node loads itself: its import() works, which in others would take an experimental option of Node 20. */
export const IMPORTER = "./import-url.cjs";

/** Where the compiled form of a script lies. */
export const compiledName = (script: string): string => `${script}.v8`;

function readIfThere(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch {
    return undefined;
  }
}

export interface Scripts {
  /** What the script exports, evaluated when it is first asked for. */
  load(file: string): unknown;
  /** What V8 has compiled of each script so far, by file. */
  compiled(): ReadonlyMap<string, Uint8Array>;
  /** Files that were compiled anew, because there was no compiled form that this V8 takes. */
  anew(): readonly string[];
}

/**
 * Loads the scripts of one folder, which may require each other. The compiled form beside a script counts where this V8 is the one that made
 * it: any other refuses it, and then compiles the functions that run.
 */
export function openScripts(): Scripts {
  const scripts = new Map<string, { readonly script: vm.Script; readonly made: { exports: unknown } }>();
  const load = (file: string): unknown => {
    const known = scripts.get(file);
    if (known) return known.made.exports;
    const script = new vm.Script(module.wrap(readFileSync(file, "utf8")), {
      filename: file,
      cachedData: readIfThere(compiledName(file)),
    });
    const made = { exports: {} };
    // before it runs: scripts may require each other in a circle
    scripts.set(file, { script, made });
    const folder = path.dirname(file);
    const require = createRequire(file);
    const requireHere = (id: string): unknown => (id.startsWith("./") && id !== IMPORTER ? load(path.join(folder, id)) : require(id));
    script.runInThisContext()(made.exports, requireHere, made, file, folder);
    return made.exports;
  };
  const anew = (): string[] => [...scripts].filter(([, { script }]) => script.cachedDataRejected !== false).map(([file]) => file);
  return { load, anew, compiled: () => new Map([...scripts].map(([file, { script }]) => [file, script.createCachedData()])) };
}

/** Node from 22.1 on keeps what it has compiled itself (cli/engine.ts), of what it loads itself. */
const NODE_KEEPS = "enableCompileCache" in module;

/** The program of the script `name` in this file's folder. */
export function loadProgram(name: string): Program {
  const file = path.join(__dirname, name);
  return (NODE_KEEPS ? createRequire(file)(file) : openScripts().load(file)) as Program;
}
