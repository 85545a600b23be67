/** --weights and the flags around it: opens the file, matches it to the net, gives a reader; without a file, seeded initialisation. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import path from "node:path";
import { messages } from "../compiler/diagnostics/messages.gen.ts";
import {
  type ByteSource,
  checkValues,
  type Graph,
  isShardIndex,
  LIMITS,
  type MatchResult,
  matchWeights,
  type OpenResult,
  openSafetensors,
  openShards,
  parseRename,
  type RenameRule,
  type TensorFile,
  type VectorMemory,
  type WeightReader,
  weightReader,
} from "../compiler/index.ts";
import { netsThatFit } from "./fitting-nets.ts";
import { MATCHING, type MatchingOptions, type WeightOptions } from "./options.ts";
import type { Session } from "./session.ts";
import { readTextFile, systemReason } from "./spec-files.ts";

export interface OpenedWeights {
  readonly file?: TensorFile;
  readonly close: () => void;
  /** Says once that there is no file. */
  readonly sayMade?: () => void;
}

/** A file of which only the asked ranges are read. */
export function fileSource(descriptor: number): ByteSource {
  const readInto = (begin: number, into: Uint8Array): number => {
    let at = 0;
    while (at < into.length) {
      const n = readSync(descriptor, into, at, into.length - at, begin + at);
      if (n === 0) break;
      at += n;
    }
    return at;
  };
  return {
    size: fstatSync(descriptor).size,
    owned: true,
    read(begin, end) {
      const bytes = new Uint8Array(end - begin);
      readInto(begin, bytes);
      return bytes;
    },
    readInto,
  };
}

const flagOf = (name: string): string => `--${name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`;

/** Opens the file of --weights, if there is one; the index of a sharded set opens its parts. Undefined after a reported problem. */
export function openWeights(session: Session, options: WeightOptions): OpenedWeights | undefined {
  const name = options.weights;
  if (name === undefined) {
    // an option without effect is a mistake
    for (const option of MATCHING)
      if (options[option] !== undefined) session.usage(messages.SE520.needs({ option: flagOf(option), needed: "--weights FILE" }));
    if (session.failed) return undefined;
    // said when they are first made: a spec with errors makes none
    const said = new Set<string>();
    const sayMade = (): void => {
      const text = `weights: none given, initialised with seed ${options.seed}`;
      if (!said.has(text)) session.note(text);
      said.add(text);
    };
    return { close: () => undefined, sayMade };
  }
  const absolute = path.resolve(session.options.directory, name);
  const descriptors: number[] = [];
  const close = (): void => {
    for (const d of descriptors.splice(0)) closeSync(d);
  };
  const source = (file: string): ByteSource | string => {
    try {
      const descriptor = openSync(file, "r");
      descriptors.push(descriptor);
      return fstatSync(descriptor).isFile() ? fileSource(descriptor) : "it is a folder";
    } catch (error) {
      return systemReason(error);
    }
  };
  const refuse = (reason: string): undefined => {
    session.usage(messages.SE009.file({ file: name, reason }));
    close();
  };

  let opened: OpenResult;
  if (isShardIndex(name)) {
    const index = readTextFile(absolute, LIMITS.weightHeaderBytes);
    if (!index.ok) return refuse(index.reason);
    opened = openShards(name, index.text, (part) => {
      const found = source(path.join(path.dirname(absolute), part));
      return typeof found === "string" ? undefined : found;
    });
  } else {
    const found = source(absolute);
    if (typeof found === "string") return refuse(found);
    opened = openSafetensors(name, found);
  }
  if (opened.ok) return { file: opened.file, close };
  session.diagnostics.report(opened.problem);
  close();
  return undefined;
}

function renameRules(session: Session, options: MatchingOptions): RenameRule[] {
  return (options.rename ?? []).flatMap(([from, to]) => {
    const rule = parseRename(`${from}=${to}`);
    if (!("reason" in rule)) return [rule];
    session.usage(messages.SE520.value({ option: "--rename", want: `A=B of whole parts (${rule.reason})`, given: `${from}=${to}` }));
    return [];
  });
}

/** What fits, under the flags of the command line. A malformed rule is reported as wrong usage. */
export function matchFile(session: Session, graph: Graph, file: TensorFile, options: MatchingOptions): MatchResult {
  return matchWeights(graph, file, {
    rename: renameRules(session, options),
    strip: options.strip,
    fresh: options.fresh,
    zeroBias: options.zeroBias,
    ignoreExtra: options.ignoreExtra,
    partial: options.partial,
    elsewhere: (tensors) => netsThatFit(session, tensors, graph.name),
  });
}

/**
 * The reader of one net's tensors. Says aloud where they come from. Undefined after a reported problem. `memory`: as in `ReaderOptions`.
 */
export function weightsOf(
  session: Session,
  graph: Graph,
  opened: OpenedWeights,
  options: WeightOptions,
  memory?: VectorMemory,
): WeightReader | undefined {
  const { file } = opened;
  if (!file) {
    opened.sayMade?.();
    return weightReader({ seed: options.seed, memory });
  }
  const match = matchFile(session, graph, file, options);
  for (const d of match.diagnostics) session.diagnostics.add(d);
  for (const line of match.log) session.note(`weights: ${line}`);
  if (!match.plan || session.failed) return undefined;
  for (const d of checkValues(match.plan, file)) session.diagnostics.add(d);
  return session.failed ? undefined : weightReader({ plan: match.plan, file, seed: options.seed, memory });
}
