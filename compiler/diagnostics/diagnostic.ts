/** Diagnostics are plain data. Printers (text, JSON, GitHub, language server) live elsewhere. */
import type { Span } from "../source.ts";

export type Severity = "error" | "warning" | "info";

export interface Label {
  readonly span: Span;
  readonly text?: string;
}

/** A replacement that mends the problem when applied. */
export interface Fix {
  readonly title: string;
  readonly span: Span;
  readonly replacement: string;
}

export interface Diagnostic {
  readonly code: `SE${number}`;
  readonly severity: Severity;
  /** What: one line, no full stop. */
  readonly title: string;
  /** Where: `labels[0]` is the primary place. Empty for problems without a place (weights, options). */
  readonly labels: readonly Label[];
  /** Why, and where the other half of the conflict is. */
  readonly notes: readonly string[];
  /** What to do: one action. */
  readonly help?: string;
  readonly fixes?: readonly Fix[];
}

/** What a generated message function returns: a diagnostic without its places. */
export interface Message {
  readonly code: `SE${number}`;
  readonly severity: Severity;
  readonly title: string;
  readonly notes: readonly string[];
  readonly help?: string;
}

export interface Extra {
  /** Added after the message's own notes. */
  readonly notes?: readonly string[];
  /** Replaces the message's own help. */
  readonly help?: string | undefined;
  readonly fixes?: readonly Fix[];
  /** Further places, after the primary one. */
  readonly related?: readonly Label[];
}

/** Makes a Diagnostic of a message and a place. */
export function diagnostic(message: Message, at?: Span, extra: Extra = {}): Diagnostic {
  const help = extra.help ?? message.help;
  return {
    code: message.code,
    severity: message.severity,
    title: message.title,
    labels: [...(at ? [{ span: at }] : []), ...(extra.related ?? [])],
    notes: [...message.notes, ...(extra.notes ?? [])],
    ...(help === undefined ? {} : { help }),
    ...(extra.fixes ? { fixes: extra.fixes } : {}),
  };
}

/** Collects diagnostics in the order they are found; the same title at the same place is kept once. */
export class Diagnostics {
  readonly #list: Diagnostic[] = [];
  readonly #seen = new Set<string>();

  report(message: Message, at?: Span, extra?: Extra): void {
    this.add(diagnostic(message, at, extra));
  }

  add(item: Diagnostic): void {
    const at = item.labels[0]?.span;
    const key = `${item.code}\0${item.title}\0${at?.file.name ?? ""}\0${at?.start ?? ""}`;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    this.#list.push(item);
  }

  get all(): readonly Diagnostic[] {
    return this.#list;
  }

  get errors(): number {
    return this.#list.reduce((n, d) => n + (d.severity === "error" ? 1 : 0), 0);
  }

  get hasErrors(): boolean {
    return this.#list.some((d) => d.severity === "error");
  }
}
