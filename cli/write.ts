/**
 * Writes outputs so that a failure or Ctrl-C leaves no half-written file: everything goes to temporary files beside its target first,
 * then all are renamed. Files that sec did not write are left alone unless --force.
 */
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import path from "node:path";
import { type Artifact, WRITTEN_BY } from "../backends/backend.ts";
import { messages } from "../compiler/diagnostics/messages.gen.ts";
import type { Session } from "./session.ts";
import { systemReason } from "./spec-files.ts";

/** Weights files start with this (architecture.md section 8.3). */
const WEIGHTS_MAGIC = "SECW";
const HEAD_BYTES = 512;

/** Whether an existing file carries sec's mark in its first bytes; `knows` recognises kinds that have no room for one. */
function isOurs(file: string, knows: (head: Uint8Array) => boolean = () => false): boolean {
  const descriptor = openSync(file, "r");
  try {
    const head = Buffer.alloc(HEAD_BYTES);
    const n = readSync(descriptor, head, 0, HEAD_BYTES, 0);
    const text = head.toString("latin1", 0, n);
    return n === 0 || text.startsWith(WEIGHTS_MAGIC) || text.includes(WRITTEN_BY) || knows(head.subarray(0, n));
  } finally {
    closeSync(descriptor);
  }
}

const bytesOf = (a: Artifact): Uint8Array => (typeof a.contents === "string" ? Buffer.from(a.contents, "utf8") : a.contents);

/** Paths (relative to `folder`) whose contents on disk differ from the artifacts or are missing. */
export function staleFiles(folder: string, artifacts: readonly Artifact[]): string[] {
  return artifacts
    .filter((a) => {
      const file = path.join(folder, a.path);
      if (!existsSync(file) || !statSync(file).isFile()) return true;
      return Buffer.compare(readFileSync(file), bytesOf(a)) !== 0;
    })
    .map((a) => a.path);
}

/** Files of an earlier, larger output in the subfolders the artifacts use (kernels/): ours, and no longer written. */
function leftovers(folder: string, artifacts: readonly Artifact[]): string[] {
  const kept = new Set(artifacts.map((a) => path.join(folder, a.path)));
  const subfolders = new Set(artifacts.map((a) => path.dirname(a.path)).filter((d) => d !== "."));
  return [...subfolders].flatMap((d) => {
    const full = path.join(folder, d);
    if (!existsSync(full) || !statSync(full).isDirectory()) return [];
    return readdirSync(full)
      .map((f) => path.join(full, f))
      .filter((f) => !kept.has(f) && statSync(f).isFile() && isOurs(f));
  });
}

/** The file that stands where a folder above `file` should be. */
function fileAbove(file: string): string | undefined {
  for (let at = path.dirname(file); at !== path.dirname(at); at = path.dirname(at)) {
    if (existsSync(at)) return statSync(at).isDirectory() ? undefined : at;
  }
  return undefined;
}

/** Reports the file that stands where `folder`, or one above it, should be. */
function inTheWay(session: Session, folder: string): boolean {
  const found = fileAbove(path.join(path.resolve(folder), "file"));
  if (found === undefined) return false;
  session.usage(messages.SE522.folder({ path: path.relative(session.options.directory, found).split(path.sep).join("/") }));
  return true;
}

/** An artifact that is in its temporary file already. */
export interface StoredFile {
  /** The array that stands for it among the artifacts. */
  readonly contents: Uint8Array;
  readonly part: string;
  /** Why it could not be written. */
  readonly error?: unknown;
}

export interface WriteOptions {
  readonly force: boolean;
  /** How the folder is called in messages. */
  readonly shown: string;
  readonly stored?: StoredFile | undefined;
  /** Recognises files of sec's own that have no room for its mark, by their first bytes. */
  readonly knows?: (head: Uint8Array) => boolean;
}

/** Whether all files that are there may be written over. False after reporting why not. */
function mayReplace(session: Session, folder: string, files: readonly { readonly path: string }[], options: WriteOptions): boolean {
  for (const { path: name } of files) {
    const file = path.join(folder, name);
    if (!existsSync(file)) continue;
    const shown = path.posix.join(options.shown, name);
    const isFile = statSync(file).isFile();
    if (isFile && (options.force || isOurs(file, options.knows))) continue;
    // a folder is never replaced, not even by --force
    session.usage(isFile ? messages.SE522.foreign({ path: shown }) : messages.SE522.failed({ path: shown, reason: "it is a folder" }));
    return false;
  }
  return true;
}

/** Writes all artifacts into `folder` or none of them. Returns false after reporting why not. */
export function writeArtifacts(session: Session, folder: string, artifacts: readonly Artifact[], options: WriteOptions): boolean {
  const temporary: [from: string, to: string][] = [];
  const undo = (): void => {
    // below a file there is nothing to remove, and rmSync says so
    for (const [from] of temporary) if (existsSync(from)) rmSync(from);
  };
  let current = options.shown;
  try {
    if (!mayReplace(session, folder, artifacts, options)) return false;
    const isStored = (a: Artifact): boolean => options.stored?.contents === a.contents;
    // first what could not be stored: it may be why nothing else can be written
    for (const a of [...artifacts.filter(isStored), ...artifacts.filter((other) => !isStored(other))]) {
      const file = path.join(folder, a.path);
      current = path.posix.join(options.shown, a.path);
      makeFolder(path.dirname(file));
      if (options.stored && isStored(a)) {
        temporary.push([options.stored.part, file]);
        if (options.stored.error !== undefined) throw options.stored.error;
        continue;
      }
      const part = `${file}.${process.pid}.part`;
      temporary.push([part, file]);
      const descriptor = openSync(part, "w");
      try {
        const bytes = bytesOf(a);
        for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at, bytes.length - at);
      } finally {
        closeSync(descriptor);
      }
    }
    for (const [from, to] of temporary) renameSync(from, to);
    for (const file of leftovers(folder, artifacts)) rmSync(file);
    return true;
  } catch (error) {
    undo();
    if (!inTheWay(session, folder)) session.usage(messages.SE522.failed({ path: current, reason: systemReason(error) }));
    return false;
  }
}

type NamedOptions = Pick<WriteOptions, "force" | "knows">;

const inFolder = (session: Session, shown: string): { folder: string; shown: string; name: string } => {
  const file = path.resolve(session.options.directory, shown);
  return { folder: path.dirname(file), shown: path.dirname(shown).split(path.sep).join("/"), name: path.basename(file) };
};

/** Whether a file that the user named may be written, asked before long work. False after reporting why not. */
export function mayWriteNamed(session: Session, file: string, options: NamedOptions): boolean {
  if (file === "" || file.endsWith("/")) {
    session.usage(messages.SE522.failed({ path: file, reason: "it names no file" }));
    return false;
  }
  try {
    const { folder, shown, name } = inFolder(session, file);
    if (inTheWay(session, folder)) return false;
    return mayReplace(session, folder, [{ path: name }], { ...options, shown });
  } catch (error) {
    session.usage(messages.SE522.failed({ path: file, reason: systemReason(error) }));
    return false;
  }
}

/** Writes one file that the user named, under the rules of all outputs; `file` is the name as it was given. */
export function writeNamedFile(session: Session, file: string, contents: string | Uint8Array, options: NamedOptions): boolean {
  const { folder, shown, name } = inFolder(session, file);
  return writeArtifacts(session, folder, [{ path: name, contents, mediaType: "" }], { ...options, shown });
}

/**
 * The folder, with those above it. One step at a time: `recursive` of mkdirSync never returns where the system answers "no such file" for
 * a folder whose parent exists, as /proc does.
 */
export function makeFolder(folder: string): void {
  if (existsSync(folder)) return;
  const parent = path.dirname(folder);
  if (parent !== folder) makeFolder(parent);
  try {
    mkdirSync(folder);
  } catch (error) {
    // another process may have made it meanwhile
    if (!existsSync(folder)) throw error;
  }
}
