/**
 * Decides for every tensor of a net where its values come from, and reports what does not fit (weights.md section 4).
 * Matching is by exact name after renaming, never by position or shape, and never by halves in silence.
 */
import { type Diagnostic, diagnostic } from "../diagnostics/diagnostic.ts";
import { messages } from "../diagnostics/messages.gen.ts";
import { nearest, nearestFirst } from "../diagnostics/suggest.ts";
import type { Graph, Weight } from "../ir/graph.ts";
import { numel, shapeText } from "../ir/type.ts";
import { LIMITS } from "../limits.ts";
import { ignored, shapeOf, shapesFit, wantedBy } from "./fitting.ts";
import { insertedGroups } from "./inserted.ts";
import { type NameOptions, nameTensors, ruleText } from "./rename.ts";
import type { StoredTensor, TensorFile } from "./safetensors.ts";
import { type SuggestedRename, suggestRenames } from "./suggest-renames.ts";
import { READABLE } from "./values.ts";

export interface MatchOptions extends NameOptions {
  /** `--fresh`: layers or tensors that start anew whatever the file has. */
  readonly fresh?: readonly string[] | undefined;
  /** `--zero-bias`: a missing bias is zero. */
  readonly zeroBias?: boolean | undefined;
  /** `--ignore-extra`: tensors of the file without a place are left out. */
  readonly ignoreExtra?: boolean | undefined;
  /** `--partial`: what is missing starts anew. */
  readonly partial?: boolean | undefined;
  /** Names of other nets whose tensors these are, by their names after renaming; asked only when they are not this net's. */
  readonly elsewhere?: ((tensors: ReadonlyMap<string, StoredTensor>) => readonly string[]) | undefined;
}

export type WeightOrigin = { readonly kind: "file"; readonly tensor: StoredTensor } | { readonly kind: "zero" } | { readonly kind: "init" };

export interface WeightPlan {
  /** By path of the tensor; every tensor of the state dict is there. */
  readonly sources: ReadonlyMap<string, WeightOrigin>;
  /** Insertions whose tensors are not in the file: they start by their `init`, and their `preserve` factors are applied. */
  readonly freshGroups: ReadonlySet<number>;
}

export interface Misshapen {
  readonly name: string;
  readonly want: readonly number[];
  readonly have: readonly number[];
}

export interface MatchResult {
  /** Absent when there are errors. */
  readonly plan?: WeightPlan;
  readonly diagnostics: readonly Diagnostic[];
  /** One line per step that did something, for people. */
  readonly log: readonly string[];
  /** Tensors of the net that the file gives, of `total` (num_batches_tracked not counted). */
  readonly fits: number;
  readonly total: number;
  readonly missing: readonly Weight[];
  /** Tensors of the file without a place, by the name they have after renaming. */
  readonly extra: readonly StoredTensor[];
  readonly misshapen: readonly Misshapen[];
  /** Rules that would make missing tensors fit. */
  readonly renames: readonly SuggestedRename[];
  /** Other nets that all tensors of the file fit. */
  readonly fitsOther: readonly string[];
}

const below = (path: string, place: string): boolean => path === place || path.startsWith(`${place}.`);

/** `graph` as semantics made it, before any pass. */
export function matchWeights(graph: Graph, file: TensorFile, options: MatchOptions = {}): MatchResult {
  const diagnostics: Diagnostic[] = [];
  const wanted = wantedBy(graph);
  const byPath = new Map(wanted.map((w) => [w.path, w]));
  const isFresh = (path: string): boolean => (options.fresh ?? []).some((place) => below(path, place));

  for (const path of options.fresh ?? [])
    if (!wanted.some((w) => below(w.path, path))) {
      const near = nearest(path, [...new Set(wanted.map((w) => w.path.slice(0, Math.max(w.path.lastIndexOf("."), 0))))]);
      diagnostics.push(
        diagnostic(messages.SE401.fresh({ path, net: graph.name }), undefined, near ? { help: `did you mean \`--fresh ${near}\`?` } : {}),
      );
    }

  // steps 2 and 3
  const { names, log: namingLog } = nameTensors([...file.tensors.keys()], [...byPath.keys()], options);
  const log = [...namingLog];
  const stored = new Map<string, StoredTensor>();
  for (const tensor of file.tensors.values()) {
    const path = names.get(tensor.name)!;
    if (ignored(path)) continue;
    const first = stored.get(path);
    if (first) diagnostics.push(diagnostic(messages.SE406.collision({ file: file.name, path, first: first.name, second: tensor.name })));
    else stored.set(path, tensor);
  }

  // steps 4 to 6
  const sources = new Map<string, WeightOrigin>();
  const misshapen: Misshapen[] = [];
  let narrowed = 0;
  let fits = 0;
  const absent: Weight[] = [];
  for (const w of wanted) {
    const tensor = stored.get(w.path);
    if (isFresh(w.path)) sources.set(w.path, { kind: "init" });
    else if (!tensor) absent.push(w);
    else if (!shapesFit(tensor.shape, shapeOf(w))) misshapen.push({ name: w.path, want: shapeOf(w), have: tensor.shape });
    else if (!READABLE.has(tensor.dtype)) diagnostics.push(diagnostic(messages.SE407.dtype({ dtype: tensor.dtype, path: tensor.name })));
    else {
      sources.set(w.path, { kind: "file", tensor });
      fits++;
      if (tensor.dtype === "F64") narrowed++;
    }
  }
  if (narrowed > 0) log.push(`narrowed ${narrowed} tensors from F64 to F32`);

  // step 9 before 8: a block that the file has under another name is not a block it does not have
  const extra = [...stored].filter(([path]) => !byPath.has(path) && !isFresh(path)).map(([path, t]) => ({ ...t, name: path }));
  const suggest = (list: readonly Weight[]): SuggestedRename[] =>
    suggestRenames(
      list.map((w) => ({ name: w.path, shape: shapeOf(w) })),
      extra,
      [...sources.keys()],
      shapesFit,
    );
  const renamed = new Set(options.ignoreExtra ? [] : suggest(absent).flatMap((r) => r.finds));

  // step 10 before 8 too: tensors of an insertion that is wholly absent are not missing
  const inserted = insertedGroups(wanted, stored, isFresh, renamed, file.name);
  diagnostics.push(...inserted.diagnostics);
  log.push(...inserted.log);

  // step 8
  const missing: Weight[] = [];
  for (const w of absent) {
    if (w.inserted && (inserted.fresh.has(w.inserted.group) || inserted.halves.has(w.inserted.group)))
      sources.set(w.path, { kind: "init" });
    else if (options.zeroBias && /(^|\.)bias$/.test(w.path)) sources.set(w.path, { kind: "zero" });
    else if (options.partial) sources.set(w.path, { kind: "init" });
    else missing.push(w);
  }
  const zeros = [...sources.values()].filter((s) => s.kind === "zero").length;
  if (zeros > 0) log.push(`${zeros} missing biases are zero`);
  const fresh = [...sources.values()].filter((s) => s.kind === "init").length;
  if (fresh > 0) log.push(`${fresh} tensors start anew`);

  const renames = suggest(missing);
  const explained = renames.reduce((n, r) => n + r.tensors, 0);
  const fitsOther = missing.length + extra.length + misshapen.length > 0 ? (options.elsewhere?.(stored) ?? []) : [];
  const other = otherNets(file.name, stored.size, fitsOther, graph.name);
  if (misshapen.length > 0) diagnostics.push(misshapenProblem(misshapen, graph.name, file.name, other));
  if (missing.length > 0) diagnostics.push(missingProblem(graph.name, file.name, wanted.length, fits, missing, extra, renames, other));
  // what a suggested rename would use is not surplus, nor what another net has a place for; told once, with the missing ones
  const isTold = other !== undefined && missing.length + misshapen.length > 0;
  if (extra.length > explained && !options.ignoreExtra && !isTold) diagnostics.push(extraProblem(graph, file.name, extra, other));
  else if (extra.length > 0 && options.ignoreExtra) log.push(`left out ${extra.length} tensors of ${file.name}`);

  diagnostics.push(...sizeProblems(graph, file, wanted));
  log.unshift(`${fits} of ${wanted.length} tensors come from ${file.name}`);
  const failed = diagnostics.some((d) => d.severity === "error");
  return {
    ...(failed ? {} : { plan: { sources, freshGroups: inserted.fresh } }),
    diagnostics,
    log,
    fits,
    total: wanted.length,
    missing,
    extra,
    misshapen,
    renames,
    fitsOther,
  };
}

interface OtherNets {
  readonly note: string;
  readonly help: string;
}

/** What to say of nets that ship and have exactly the file's tensors. */
function otherNets(file: string, count: number, nets: readonly string[], net: string): OtherNets | undefined {
  const [first] = nets;
  if (first === undefined) return undefined;
  const named = nets.slice(0, 4).map((n) => `\`${n}\``);
  if (nets.length > 4) named.push(`${nets.length - 4} others`);
  const list = named.length === 1 ? named[0] : `${named.slice(0, -1).join(", ")} and ${named.at(-1)}`;
  return {
    note: `all ${count} tensors of ${file} fit ${list}`,
    help: `use ${nets.length === 1 ? named[0] : `one of these, such as ${named[0]},`} in place of \`${net}\``,
  };
}

const layerOf = (path: string): string => path.slice(0, Math.max(path.lastIndexOf("."), 0)) || path;

/** The flags that start these tensors anew, when they are few layers. */
function freshHelp(paths: readonly string[], what: string): string | undefined {
  const flags = [...new Set(paths.map((p) => `--fresh ${layerOf(p)}`))];
  return flags.length <= 3 ? `\`${flags.join(" ")}\` starts ${what} anew` : undefined;
}

function misshapenProblem(list: readonly Misshapen[], net: string, file: string, other: OtherNets | undefined): Diagnostic {
  const [first] = list;
  if (first && list.length === 1)
    return diagnostic(
      messages.SE402.one({ path: first.name, want: shapeText(first.want), have: shapeText(first.have), layer: layerOf(first.name) }),
      undefined,
      other ? { notes: [other.note], help: other.help } : {},
    );
  return diagnostic(messages.SE402.many({ count: list.length, net, file }), undefined, {
    notes: [
      ...list.map((m) => `\`${m.name}\` wants ${shapeText(m.want)}, the file has ${shapeText(m.have)}`),
      ...(other ? [other.note] : []),
    ],
    help:
      other?.help ??
      freshHelp(
        list.map((m) => m.name),
        "what differs",
      ),
  });
}

/** The first three, each with the unused tensor of its shape whose name is nearest. */
function missingProblem(
  net: string,
  file: string,
  total: number,
  fits: number,
  missing: readonly Weight[],
  extra: readonly StoredTensor[],
  renames: readonly SuggestedRename[],
  other: OtherNets | undefined,
): Diagnostic {
  const examples = missing.slice(0, 3).map((w) => {
    const candidates = extra.filter((t) => shapesFit(t.shape, shapeOf(w)) && t.name.split(".").at(-1) === w.path.split(".").at(-1));
    const [near] = nearestFirst(
      w.path,
      candidates.map((t) => t.name),
      1,
    );
    return near === undefined
      ? `\`${w.path}\` ${shapeText(shapeOf(w))}`
      : `\`${w.path}\` ${shapeText(shapeOf(w))}; the file has \`${near}\``;
  });
  if (missing.length > 3) examples.push(`... and ${missing.length - 3} more`);
  if (other) examples.push(other.note);
  const flags = renames.map((r) => `--rename ${ruleText(r.rule)}`).join(" ");
  const explained = renames.reduce((n, r) => n + r.tensors, 0);
  if (explained === missing.length)
    return diagnostic(
      messages.SE401.renamed({
        net,
        file,
        total,
        fits,
        missing: missing.length,
        renames: renames.map((r) => `${r.rule.from.join(".")} -> ${r.rule.to.join(".")} (${r.tensors})`).join(", "),
        flags: `\`${flags}\``,
      }),
      undefined,
      { notes: examples },
    );
  return diagnostic(messages.SE401.missing({ net, file, total, missing: missing.length }), undefined, {
    notes: examples,
    help: other
      ? other.help
      : renames.length
        ? `\`${flags}\` makes ${explained} of them fit`
        : freshHelp(
            missing.map((w) => w.path),
            "what is missing",
          ),
  });
}

function extraProblem(graph: Graph, file: string, extra: readonly StoredTensor[], other: OtherNets | undefined): Diagnostic {
  const unbiased = new Set(graph.nodes.filter((n) => n.attrs.bias === false).map((n) => `${n.path}.bias`));
  const notes = extra.slice(0, 10).map((t) => {
    const why = unbiased.has(t.name) ? `, and ${t.name.slice(0, -5)} has bias=false` : "";
    return `\`${t.name}\` ${shapeText(t.shape)}${why}`;
  });
  if (extra.length > 10) notes.push(`... and ${extra.length - 10} more`);
  if (other) notes.push(other.note);
  return diagnostic(messages.SE401.extra({ file, extra: extra.length, net: graph.name }), undefined, { notes, help: other?.help });
}

function sizeProblems(graph: Graph, file: TensorFile, wanted: readonly Weight[]): Diagnostic[] {
  const out: Diagnostic[] = [];
  const mega = (bytes: number): string => (bytes / 1e6).toFixed(1);
  const need = wanted.reduce((n, w) => n + 4 * numel(w.value.type.shape), 0);
  // small files are mostly header
  if (file.bytes > 4 * need && file.bytes > 1e6)
    out.push(diagnostic(messages.SE492.file({ file: file.name, have: mega(file.bytes), net: graph.name, need: mega(need) })));
  for (const t of file.tensors.values())
    if (t.end - t.begin > LIMITS.tensorBytes)
      out.push(diagnostic(messages.SE492.tensor({ path: t.name, file: file.name, have: mega(t.end - t.begin) })));
  return out;
}
