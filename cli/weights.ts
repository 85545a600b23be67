/** --weights and the flags around it: opens the file, matches it to the net, gives a reader; without a file, seeded initialisation. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import path from "node:path";
import { messages } from "../compiler/diagnostics/messages.gen.ts";
import {
  type ByteSource,
  checkValues,
  type Graph,
  matchWeights,
  openSafetensors,
  parseRename,
  type RenameRule,
  type TensorFile,
  type WeightReader,
  weightReader,
} from "../compiler/index.ts";
import type { WeightOptions } from "./options.ts";
import type { Session } from "./session.ts";
import { systemReason } from "./spec-files.ts";

export interface OpenedWeights {
  readonly file?: TensorFile;
  readonly close: () => void;
}

/** A file of which only the asked ranges are read. */
function fileSource(descriptor: number): ByteSource {
  return {
    size: fstatSync(descriptor).size,
    read(begin, end) {
      const bytes = new Uint8Array(end - begin);
      for (let at = 0; at < bytes.length; ) {
        const n = readSync(descriptor, bytes, at, bytes.length - at, begin + at);
        if (n === 0) break;
        at += n;
      }
      return bytes;
    },
  };
}

/** Opens the file of --weights, if there is one. Undefined after a reported problem. */
export function openWeights(session: Session, options: WeightOptions): OpenedWeights | undefined {
  const name = options.weights;
  if (name === undefined) return { close: () => undefined };
  let descriptor: number;
  try {
    descriptor = openSync(path.resolve(session.options.directory, name), "r");
  } catch (error) {
    session.usage(messages.SE009.file({ file: name, reason: systemReason(error) }));
    return undefined;
  }
  const close = (): void => closeSync(descriptor);
  if (!fstatSync(descriptor).isFile()) {
    session.usage(messages.SE009.file({ file: name, reason: "it is a folder" }));
    close();
    return undefined;
  }
  const opened = openSafetensors(name, fileSource(descriptor));
  if (opened.ok) return { file: opened.file, close };
  session.diagnostics.report(opened.problem);
  close();
  return undefined;
}

function renameRules(session: Session, options: WeightOptions): RenameRule[] {
  return (options.rename ?? []).flatMap(([from, to]) => {
    const rule = parseRename(`${from}=${to}`);
    if (!("reason" in rule)) return [rule];
    session.usage(messages.SE520.value({ option: "--rename", want: `A=B of whole parts (${rule.reason})`, given: `${from}=${to}` }));
    return [];
  });
}

/** The reader of one net's tensors. Says aloud where they come from. Undefined after a reported problem. */
export function weightsOf(session: Session, graph: Graph, opened: OpenedWeights, options: WeightOptions): WeightReader | undefined {
  const { file } = opened;
  if (!file) {
    session.note(`weights: none given, initialised with seed ${options.seed}`);
    return weightReader({ seed: options.seed });
  }
  const rename = renameRules(session, options);
  const match = matchWeights(graph, file, {
    rename,
    strip: options.strip,
    fresh: options.fresh,
    zeroBias: options.zeroBias,
    ignoreExtra: options.ignoreExtra,
    partial: options.partial,
  });
  for (const d of match.diagnostics) session.diagnostics.add(d);
  for (const line of match.log) session.note(`weights: ${line}`);
  if (!match.plan || session.failed) return undefined;
  for (const d of checkValues(match.plan, file)) session.diagnostics.add(d);
  return session.failed ? undefined : weightReader({ plan: match.plan, file, seed: options.seed });
}
