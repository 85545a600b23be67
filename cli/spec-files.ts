/** Turns FILE arguments into source texts: a path, `-`, `FILE#NET`, or the bare name of a shipped net (cli.md section 1). */
import { closeSync, existsSync, openSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { messages } from "../compiler/diagnostics/messages.gen.ts";
import { nearest } from "../compiler/diagnostics/suggest.ts";
import { type Host, type ReadResult, SHIPPED } from "../compiler/host.ts";
import { LIMITS } from "../compiler/limits.ts";
import { type SourceFile, sourceFile } from "../compiler/source.ts";
import { readUpTo } from "./io.ts";
import { keptPath, programFolder, shippedNets } from "./package-root.ts";
import { thousands } from "./report.ts";
import type { Session } from "./session.ts";

export interface SpecArgument {
  readonly file: SourceFile;
  /** Absolute path; undefined for stdin. */
  readonly path: string | undefined;
  /** The net that was named by `FILE#NET` or by a bare shipped name. */
  readonly net: string | undefined;
  /** The bare name of a family that ships. Where it is a net's name too, that net is meant if it can stand alone. */
  readonly family?: true;
  /** A net that ships: sec's own file, not one of the user's. */
  readonly shipped?: true;
  /** What commands printed in messages use for the file. */
  readonly shown: string;
}

function decode(bytes: Uint8Array, limit: number): ReadResult {
  if (bytes.length > limit) return tooLarge("too many", limit);
  try {
    return { ok: true, text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch {
    return { ok: false, reason: "it is not valid UTF-8" };
  }
}

const tooLarge = (bytes: string, limit: number): ReadResult => ({
  ok: false,
  reason: `it has ${bytes} bytes; the limit is ${(limit / 1024 / 1024).toFixed(0)} MiB`,
});

/** Pipes and devices do not say how many bytes they have, and some never end. */
function readSpecial(file: string, most: number): Uint8Array {
  const descriptor = openSync(file, "r");
  try {
    return readUpTo(descriptor, most);
  } finally {
    closeSync(descriptor);
  }
}

export function readTextFile(absolute: string, limit: number = LIMITS.fileBytes): ReadResult {
  try {
    const stat = statSync(absolute);
    if (stat.isDirectory()) return { ok: false, reason: "it is a folder" };
    if (stat.size > limit) return tooLarge(thousands(stat.size), limit);
    return decode(stat.isFile() ? readFileSync(absolute) : readSpecial(absolute, limit + 1), limit);
  } catch (error) {
    return { ok: false, reason: systemReason(error) };
  }
}

/** The system's word for a failed file operation, for people. */
export function systemReason(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  switch (code) {
    case "ENOENT":
      return "there is no such file";
    case "EACCES":
    case "EPERM":
      return "permission denied";
    case "EROFS":
      return "the file system is read-only";
    case "ENOSPC":
      return "no space is left on the device";
    case "ENOTDIR":
      return "a part of the path is a file, not a folder";
    case "EISDIR":
      return "it is a folder";
    case "ENAMETOOLONG":
      return "the name is too long";
    case "ERR_INVALID_ARG_VALUE":
      return "the name holds a NUL character";
    default:
      return code ?? String(error);
  }
}

/** The file of `sec/NAME.se`; a net's own name works as well as its family's. */
function shippedFile(name: string): string | undefined {
  const nets = shippedNets();
  const bare = name.slice(SHIPPED.length);
  const direct = path.join(nets.folder, bare);
  return existsSync(direct) ? direct : nets.fileOf.get(bare.replace(/\.se$/, ""));
}

/** Answers `use` from the file system; paths arrive as the user's own, relative to the working directory. */
export function fileHost(session: Session): Host {
  return {
    readKept(name) {
      const shipped = name.startsWith(SHIPPED) ? shippedFile(name) : undefined;
      if (shipped === undefined) return undefined;
      const kept = readTextFile(keptPath(programFolder(), path.basename(shipped)));
      return kept.ok ? kept.text : undefined;
    },
    readBytes(name) {
      try {
        return { ok: true, bytes: readFileSync(path.resolve(session.options.directory, name)) };
      } catch (error) {
        return { ok: false, reason: systemReason(error) };
      }
    },
    readText(name) {
      if (!name.startsWith(SHIPPED) && !path.isAbsolute(name)) return readTextFile(path.resolve(session.options.directory, name));
      if (name.startsWith(SHIPPED)) {
        const file = shippedFile(name);
        return file === undefined ? { ok: false, reason: "no such net ships with sec" } : readTextFile(file);
      }
      const inShipped = path.isAbsolute(name) && name.startsWith(shippedNets().folder);
      return readTextFile(inShipped ? name : path.resolve(session.options.directory, name));
    },
  };
}

function readStdin(session: Session): ReadResult {
  try {
    return decode(session.io.stdin(LIMITS.fileBytes + 1), LIMITS.fileBytes);
  } catch (error) {
    return { ok: false, reason: systemReason(error) };
  }
}

/** Reads one FILE argument; a problem is reported as wrong usage. */
export function readSpecArgument(session: Session, argument: string, stdinName = "stdin.se"): SpecArgument | undefined {
  if (argument === "-") {
    const text = readStdin(session);
    if (!text.ok) {
      session.usage(messages.SE009.file({ file: stdinName, reason: text.reason }));
      return undefined;
    }
    return { file: sourceFile(stdinName, text.text), path: undefined, net: undefined, shown: "-" };
  }
  const hash = argument.lastIndexOf("#");
  const [name, net] = hash > 0 ? [argument.slice(0, hash), argument.slice(hash + 1)] : [argument, undefined];
  const absolute = path.resolve(session.options.directory, name);
  if (!existsSync(absolute) && /^[A-Za-z_]\w*$/.test(name)) {
    const nets = shippedNets();
    const family = path.join(nets.folder, `${name}.se`);
    const isFamily = existsSync(family);
    const shipped = nets.fileOf.get(name) ?? (isFamily ? family : undefined);
    if (shipped === undefined) {
      const near = nearest(name, [...nets.fileOf.keys()]);
      session.usage(messages.SE521.file({ name }), undefined, near ? { help: `did you mean \`${near}\`?` } : {});
      return undefined;
    }
    const text = readTextFile(shipped);
    if (!text.ok) {
      session.usage(messages.SE009.file({ file: name, reason: text.reason }));
      return undefined;
    }
    return {
      file: sourceFile(`${SHIPPED}${path.basename(shipped)}`, text.text),
      path: shipped,
      net: net ?? (nets.fileOf.has(name) ? name : undefined),
      shown: name,
      shipped: true,
      ...(isFamily && net === undefined ? { family: true } : {}),
    };
  }
  const text = readTextFile(absolute);
  const shown = name.split(path.sep).join("/");
  if (!text.ok) {
    session.usage(messages.SE009.file({ file: shown, reason: text.reason }));
    return undefined;
  }
  return { file: sourceFile(shown, text.text), path: absolute, net, shown };
}
