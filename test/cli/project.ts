/** A temporary folder as the working directory of `sec`, with streams that keep what was written. One per test. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { onTestFinished } from "vitest";
import { type Ran, type Surroundings, sec } from "./sec.ts";

export interface ProjectRun extends Ran {
  /** Standard output, one JSON value a line. */
  readonly json: () => unknown[];
}

export interface Project {
  readonly folder: string;
  /** Runs one command line; what the folder is called never shows in what it gives. */
  sec(args: readonly string[], around?: Surroundings): Promise<ProjectRun>;
  write(name: string, contents: string | Uint8Array): void;
  read(name: string): string;
  bytes(name: string): Buffer;
  has(name: string): boolean;
  /** Every file below the folder, sorted, `/` between parts. */
  files(): string[];
}

export function project(files: Readonly<Record<string, string | Uint8Array>> = {}): Project {
  const folder = mkdtempSync(path.join(tmpdir(), "sec-cli-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const at = (name: string): string => path.join(folder, name);
  const made: Project = {
    folder,
    async sec(args, around = {}) {
      const ran = await sec(args, folder, around);
      const bare = (text: string): string => text.replaceAll(folder, "FOLDER");
      const out = bare(ran.out);
      return {
        code: ran.code,
        out,
        err: bare(ran.err),
        json: () =>
          out
            .split("\n")
            .filter((line) => line !== "")
            .map((line) => JSON.parse(line) as unknown),
      };
    },
    write(name, contents) {
      mkdirSync(path.dirname(at(name)), { recursive: true });
      writeFileSync(at(name), contents);
    },
    read: (name) => readFileSync(at(name), "utf8"),
    bytes: (name) => readFileSync(at(name)),
    has: (name) => existsSync(at(name)),
    files: () =>
      readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((entry) => !entry.isDirectory())
        .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)).split(path.sep).join("/"))
        .sort(),
  };
  for (const [name, contents] of Object.entries(files)) made.write(name, contents);
  return made;
}

/** Makes `backend` the default export of the package sec-backend-NAME of the project. */
export function installBackend(made: Project, name: string, backend: unknown): void {
  const key = `sec.test.${path.basename(made.folder)}.${name}`;
  (globalThis as Record<symbol, unknown>)[Symbol.for(key)] = backend;
  const at = `node_modules/sec-backend-${name}`;
  made.write(`${at}/package.json`, JSON.stringify({ name: `sec-backend-${name}`, version: "1.2.3", type: "module", main: "index.js" }));
  made.write(`${at}/index.js`, `export default globalThis[Symbol.for(${JSON.stringify(key)})];\n`);
}

/** The net of the documents: its counts are exact. */
export const PLAIN = `se 1
net plain(classes = 10) {
  input image: f32[N, 3, 32, 32]
  conv1: conv(32, 3)             bn1: bn  relu  maxpool(2)
  conv2: conv(64, 3)             bn2: bn  relu
  att:   se(reduction=8)         maxpool(2)
  gap  flatten
  fc:    linear(classes)
  output logits
}
`;

/** A net that runs in no time. */
export const TINY = `se 1
net tiny {
  input image: f32[N, 3, 6, 6]
  conv1: conv(8, 3)  bn1: bn  relu
  att: se(reduction=4)
  gap  flatten
  fc: linear(5)
  output logits
}
`;

export const TWO = `se 1
net first { input x: f32[N, 4, 4, 4]  c: conv(4, 1)  output y }
net second from first { insert se(reduction=2) as se after c }
`;
