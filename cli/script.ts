/** The program as CommonJS scripts, and what V8 made of them when they were built, so that starting a command does not compile them again. */
import { closeSync, openSync, readSync } from "node:fs";
import module, { createRequire } from "node:module";
import path from "node:path";
import vm from "node:vm";

export type Program = typeof import("./process.ts");

/** The script that Node loads itself: its import() works, which in others would take an experimental option of Node 20. */
export const IMPORTER = "./import-url.cjs";

/** Where the compiled form of a script lies. */
export const compiledName = (script: string): string => `${script}.v8`;

/** Reads files one after another into the same memory: touching new memory takes longer than reading. */
function fileReader(): (file: string) => Buffer | undefined {
  let memory = Buffer.allocUnsafeSlow(2 ** 19);
  return (file) => {
    let descriptor: number;
    try {
      descriptor = openSync(file, "r");
    } catch {
      return undefined;
    }
    try {
      let end = 0;
      for (;;) {
        const bytes = readSync(descriptor, memory, end, memory.length - end, null);
        end += bytes;
        if (bytes === 0) return memory.subarray(0, end);
        if (end === memory.length) memory = Buffer.concat([memory], 2 * end);
      }
    } finally {
      closeSync(descriptor);
    }
  };
}

/**
 * A script, in ASCII, is one function of what CommonJS gives a module. Run by `vm`, its value is that function; loaded by Node, that is what it
 * exports. It is complete as it lies on the disk, because text that is put together is copied once more.
 */
export const WRAPPER = {
  before:
    '((made) => (typeof module === "object" ? (module.exports = made) : made))((function (exports, require, module, __filename, __dirname) {\n',
  after: "\n}));\n",
} as const;

/** The script with the grammar, a fifth of what `sec check` loads: only texts that do not ship with `sec` need it. It exports functions only. */
export const isGrammar = (file: string): boolean => path.basename(file).startsWith("parse-");

/** What `load` gives, loaded when something of it is used. */
const late = (load: () => unknown): object => new Proxy({}, { get: (_none, name) => (load() as Record<string | symbol, unknown>)[name] });

type Wrapped = (exports: object, require: (id: string) => unknown, module: { exports: unknown }, file: string, folder: string) => void;

export interface Scripts {
  /** What the script exports, evaluated when it is first asked for. */
  load(file: string): unknown;
  /** Scripts that were evaluated, by file. */
  loaded(): readonly string[];
  /** What V8 has compiled of each script so far, by file. */
  compiled(): ReadonlyMap<string, Uint8Array>;
  /** Files that were compiled anew, because there was no compiled form that this V8 takes. */
  anew(): readonly string[];
}

/** Node from 22.1 on keeps what it has compiled itself (cli/engine.ts), of what it loads itself. */
const NODE_KEEPS = "enableCompileCache" in module;

/**
 * Loads the scripts of one folder, which may require each other. The compiled form beside a script counts where this V8 is the one that made
 * it: any other refuses it, and then compiles the functions that run. `byNode`: Node loads them, and keeps what it compiles.
 */
export function openScripts(byNode = false): Scripts {
  const exported = new Map<string, { exports: unknown }>();
  const scripts = new Map<string, vm.Script>();
  const read = fileReader();
  const wrapped = (file: string, require: NodeJS.Require): Wrapped => {
    if (byNode) return require(file) as Wrapped;
    const text = read(file);
    if (text === undefined) throw new Error(`there is no ${file}`);
    const script = new vm.Script(text.toString("latin1"), { filename: file, cachedData: read(compiledName(file)) });
    scripts.set(file, script);
    return script.runInThisContext() as Wrapped;
  };
  /** One for each folder: making it looks at the disk. */
  const requires = new Map<string, NodeJS.Require>();
  const load = (file: string): unknown => {
    const known = exported.get(file);
    if (known) return known.exports;
    const folder = path.dirname(file);
    const require = requires.get(folder) ?? createRequire(file);
    requires.set(folder, require);
    const made = { exports: {} };
    const run = wrapped(file, require);
    // before it runs: scripts may require each other in a circle
    exported.set(file, made);
    const get = (id: string): unknown => {
      if (!id.startsWith("./") || id === IMPORTER) return require(id);
      const other = path.join(folder, id);
      return isGrammar(id) ? late(() => load(other)) : load(other);
    };
    run(made.exports, get, made, file, folder);
    return made.exports;
  };
  const anew = (): string[] => [...scripts].filter(([, script]) => script.cachedDataRejected !== false).map(([file]) => file);
  return {
    load,
    anew,
    loaded: () => [...exported.keys()],
    compiled: () => new Map([...scripts].map(([file, script]) => [file, script.createCachedData()])),
  };
}

/** The program of the script `name` in this file's folder. */
export const loadProgram = (name: string): Program => openScripts(NODE_KEEPS).load(path.join(__dirname, name)) as Program;
