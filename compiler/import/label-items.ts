/**
 * Labels of the items of every level, so that tensors are called as in the file and everything else is left unnamed where the language
 * allows it (language.md section 6): a number that comes out right needs no label, nor does a layer without tensors that nothing refers to.
 */
import type { ImportedNode } from "./imported.ts";
import type { Nested, NestedGroup, NestedLayer, NestedMerge } from "./nest.ts";

export interface Level {
  readonly group: NestedGroup | undefined;
  readonly outer: Level | undefined;
  /** Labels that `from` finds here. */
  readonly labels: ReadonlySet<string>;
}

export interface Labels {
  /** What is written before the colon; absent where the number is the name. */
  readonly written: ReadonlyMap<NestedLayer | NestedGroup, string>;
  /** Label or number: the part of names. */
  readonly part: ReadonlyMap<NestedLayer | NestedGroup, string>;
  readonly levels: ReadonlyMap<NestedGroup | undefined, Level>;
  readonly levelOf: ReadonlyMap<NestedLayer | NestedGroup, Level>;
  /** Word and names of branches of merges whose names would be taken. */
  readonly merges: ReadonlyMap<NestedMerge, { readonly word: string; readonly branches: readonly string[] }>;
  /** By value: the layer that makes it. */
  readonly makers: ReadonlyMap<string, NestedLayer>;
}

interface Child {
  readonly item: NestedLayer | NestedGroup;
  /** Of a child that is not in a branch. */
  readonly number: string | undefined;
}

/** One part of a path: no dot, not empty. */
export const partOf = (label: string): string => label.replaceAll(".", "_") || "_";

const hasTensors = (node: ImportedNode): boolean => Object.keys(node.tensors).length > 0;

export function labelItems(
  items: readonly Nested[],
  { fetched, inputs, isFlat }: { fetched: ReadonlySet<string>; inputs: readonly string[]; isFlat: boolean },
): Labels {
  const written = new Map<NestedLayer | NestedGroup, string>();
  const part = new Map<NestedLayer | NestedGroup, string>();
  const levels = new Map<NestedGroup | undefined, Level>();
  const levelOf = new Map<NestedLayer | NestedGroup, Level>();
  const renamed = new Map<NestedMerge, { word: string; branches: readonly string[] }>();
  const makers = new Map<string, NestedLayer>();

  const weighted = new Map<NestedGroup, boolean>();
  const holding = new Set<NestedGroup>();
  const look = (list: readonly Nested[]): { tensors: boolean; fetched: boolean } => {
    const all = { tensors: false, fetched: false };
    for (const item of list) {
      let found = { tensors: false, fetched: false };
      if (item.kind === "layer") {
        makers.set(item.node.output, item);
        found = { tensors: item.se !== undefined || hasTensors(item.node), fetched: fetched.has(item.node.output) };
      } else if (item.kind === "group") {
        found = look(item.items);
        weighted.set(item, found.tensors);
        if (found.fetched) holding.add(item);
      } else if (item.kind === "merge") found = look(item.branches.flatMap((b) => b.items));
      all.tensors ||= found.tensors;
      all.fetched ||= found.fetched;
    }
    return all;
  };
  look(items);

  const level = (list: readonly Nested[], group: NestedGroup | undefined, outer: Level | undefined): void => {
    const children: Child[] = [];
    const merges: NestedMerge[] = [];
    const collect = (some: readonly Nested[], isBranch: boolean): void => {
      let count = 0;
      for (const item of some) {
        if (item.kind === "merge") {
          merges.push(item);
          for (const b of item.branches) collect(b.items, true);
        } else if (item.kind === "layer" || item.kind === "group") children.push({ item, number: isBranch ? undefined : String(count++) });
      }
    };
    collect(list, false);
    const isWeighted = ({ item }: Child): boolean =>
      item.kind === "group" ? weighted.get(item) === true : item.se !== undefined || hasTensors(item.node);
    const nameOf = ({ item }: Child): string => partOf(item.own ?? (item.kind === "layer" ? item.node.label : "group"));
    const mustHave = ({ item }: Child): boolean =>
      item.kind === "layer" ? fetched.has(item.node.output) : group === undefined && holding.has(item);
    const wanted = new Set(children.filter(isWeighted).map(nameOf));
    const branchNames = branchesBeside(merges, wanted, renamed);

    const taken = new Set([...branchNames, ...(group === undefined ? inputs.map(partOf) : [])]);
    const give = (child: Child, name: string): void => {
      let label = name;
      for (let n = 2; taken.has(label); n++) label = `${name}_${n}`;
      taken.add(label);
      written.set(child.item, label);
      part.set(child.item, label);
    };
    const leave = (child: Child): void => {
      if (child.number !== undefined) taken.add(child.number);
      part.set(child.item, child.number ?? "");
    };
    const bare: Child[] = [];
    for (const child of children) {
      const name = nameOf(child);
      const isNumber = child.number === name && !taken.has(name);
      if (isFlat) give(child, name);
      else if (isWeighted(child) || child.item.kind === "group") isNumber && !mustHave(child) ? leave(child) : give(child, name);
      else bare.push(child);
    }
    for (const child of bare) {
      const { item } = child;
      const isWord = item.own !== undefined && !/^\d+$/.test(item.own) && !item.own.startsWith("@");
      if (isWord) give(child, partOf(item.own));
      else if (mustHave(child)) {
        const { number } = child;
        give(child, number !== undefined && number === item.own && !taken.has(number) ? number : opOf(item));
      } else if (child.number !== undefined && taken.has(child.number)) give(child, opOf(item));
      else leave(child);
    }
    const own: Level = { group, outer, labels: new Set(children.flatMap((c) => written.get(c.item) ?? [])) };
    levels.set(group, own);
    for (const { item } of children) {
      levelOf.set(item, own);
      if (item.kind === "group") level(item.items, item, own);
    }
  };
  level(items, undefined, undefined);
  return { written, part, levels, levelOf, merges: renamed, makers };
}

const opOf = (item: NestedLayer | NestedGroup): string => (item.kind === "layer" ? item.node.op : "group");

/** Names of branches share the level with the labels, and tensors keep theirs. */
function branchesBeside(
  merges: readonly NestedMerge[],
  wanted: ReadonlySet<string>,
  renamed: Map<NestedMerge, { word: string; branches: readonly string[] }>,
): Set<string> {
  const names = new Set<string>();
  for (const merge of merges) {
    let branches = merge.branches.map((b) => b.name);
    if (branches.some((name) => wanted.has(name))) {
      let letter = "b";
      const called = (): string[] => merge.branches.map((_, i) => `${letter}${i + 1}`);
      while (called().some((name) => wanted.has(name))) letter += "b";
      branches = called();
      // a residual without a shortcut has one branch, a sum has two
      const word = merge.word === "residual" ? "add" : merge.word;
      if (word === "add" && branches.length === 1) branches = [...branches, `${letter}2`];
      renamed.set(merge, { word, branches });
    }
    for (const name of branches) names.add(name);
  }
  return names;
}
