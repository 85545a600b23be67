/**
 * One run of `sec`: its streams, its global options, what it has reported, and so its exit code (cli.md section 3).
 * Commands report problems here and return; nothing in a command throws for a user's mistake.
 */
import pc from "picocolors";
import type { Diagnostic, Extra, Message } from "../compiler/diagnostics/diagnostic.ts";
import { Diagnostics } from "../compiler/diagnostics/diagnostic.ts";
import { diagnosticToJson, renderGithub, renderText, type Theme } from "../compiler/diagnostics/render.ts";
import type { Span } from "../compiler/source.ts";
import type { Io, Stream } from "./io.ts";
import { counted } from "./report.ts";

export const EXIT = { ok: 0, errors: 1, usage: 2, differs: 3, bug: 70, interrupted: 130 } as const;

export interface GlobalOptions {
  readonly json: boolean;
  readonly errorFormat: "text" | "json" | "github";
  readonly maxErrors: number;
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly color: "auto" | "always" | "never";
  readonly directory: string;
  readonly config?: string;
  /** -W NAME=off|warn|error. */
  readonly warnings: Readonly<Record<string, "off" | "warn" | "error">>;
}

export interface Session {
  readonly io: Io;
  readonly options: GlobalOptions;
  /** Problems of the spec, the weights or an imported file: exit 1. */
  readonly diagnostics: Diagnostics;
  /** Wrong usage, missing files, unwritable output: exit 2. */
  usage(message: Message, at?: Span, extra?: Extra): void;
  /** Result on stdout. */
  out(text: string): void;
  /** Everything else, on stderr; silent with --quiet. */
  note(text: string): void;
  /** A result as JSON: one object a line. */
  json(value: unknown): void;
  readonly color: (stream: Stream) => boolean;
  /** Levels of warnings from the configuration; -W beats them. */
  setLevels(levels: GlobalOptions["warnings"]): void;
  /** Prints what was reported and gives the exit code: `fallback` when nothing was wrong. */
  finish(fallback?: number): number;
  readonly failed: boolean;
}

export function theme(color: boolean): Theme {
  const c = pc.createColors(color);
  return {
    error: (s) => c.bold(c.red(s)),
    warning: (s) => c.bold(c.yellow(s)),
    info: (s) => c.bold(c.cyan(s)),
    place: c.bold,
    gutter: c.dim,
    caret: c.red,
    note: c.cyan,
    help: c.green,
  };
}

function wantsColor(io: Io, choice: GlobalOptions["color"], target: Stream): boolean {
  if (choice !== "auto") return choice === "always";
  return target.isTTY && io.env.NO_COLOR === undefined && io.env.TERM !== "dumb";
}

/** Applies -W: drops, lowers or raises warnings by code or by name. */
function leveled(list: readonly Diagnostic[], levels: GlobalOptions["warnings"]): Diagnostic[] {
  return list.flatMap((d) => {
    const level = d.severity === "warning" ? (levels[d.code] ?? levels.all) : undefined;
    if (level === "off") return [];
    return [level === "error" ? { ...d, severity: "error" as const } : d];
  });
}

/** "2 errors in net.se", when errors have places. */
function errorTotal(list: readonly Diagnostic[]): string | undefined {
  const errors = list.filter((d) => d.severity === "error");
  const files = new Set(errors.flatMap((d) => (d.labels[0] ? [d.labels[0].span.file.name] : [])));
  if (files.size === 0) return undefined;
  return `${counted(errors.length, "error")} in ${files.size === 1 ? [...files][0] : counted(files.size, "file")}`;
}

export function openSession(io: Io, options: GlobalOptions): Session {
  const diagnostics = new Diagnostics();
  const usage = new Diagnostics();
  const color = (target: Stream): boolean => wantsColor(io, options.color, target);
  const all = (): Diagnostic[] => [...usage.all, ...leveled(diagnostics.all, levels)];
  let levels = options.warnings;
  let printed = false;

  function print(list: readonly Diagnostic[]): void {
    if (options.errorFormat === "json") {
      io.stderr.write(`${JSON.stringify({ diagnostics: list.map(diagnosticToJson) })}\n`);
      return;
    }
    const wanted = options.quiet ? list.filter((d) => d.severity === "error") : list;
    const shown = wanted.slice(0, options.maxErrors);
    const hidden = wanted.length - shown.length;
    for (const d of shown) {
      const text =
        options.errorFormat === "github" ? renderGithub(d) : renderText(d, { theme: theme(color(io.stderr)), width: io.stderr.columns });
      io.stderr.write(`${text}\n`);
    }
    if (hidden > 0) io.stderr.write(`... and ${hidden} more; --max-errors ${wanted.length} shows all\n`);
    const total = options.errorFormat === "text" ? errorTotal(list) : undefined;
    if (total !== undefined) io.stderr.write(`\n${total}\n`);
  }

  return {
    io,
    options,
    diagnostics,
    color,
    usage: (message, at, extra) => usage.report(message, at, extra),
    out: (text) => io.stdout.write(text.endsWith("\n") ? text : `${text}\n`),
    note: (text) => {
      if (!options.quiet) io.stderr.write(text.endsWith("\n") ? text : `${text}\n`);
    },
    json: (value) => io.stdout.write(`${JSON.stringify(value)}\n`),
    setLevels(configured) {
      levels = { ...configured, ...options.warnings };
    },
    get failed() {
      return all().some((d) => d.severity === "error");
    },
    finish(fallback = EXIT.ok) {
      const list = all();
      const failed = list.some((d) => d.severity === "error");
      if (!printed) {
        printed = true;
        if (options.json && failed) io.stdout.write(`${JSON.stringify({ diagnostics: list.map(diagnosticToJson) })}\n`);
        else print(list);
      }
      if (usage.hasErrors) return EXIT.usage;
      return failed ? EXIT.errors : fallback;
    },
  };
}
