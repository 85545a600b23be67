/** An imported net as the text of a spec, and the names that its tensors have there. */
import { isIdentifier } from "../syntax/words.ts";
import type { ImportedNet, ImportedNode } from "./imported.ts";
import { type Labels, type Level, labelItems, partOf } from "./label-items.ts";
import { type Nested, type NestedGroup, type NestedLayer, nest } from "./nest.ts";
import { placesOf } from "./places.ts";
import { type Item, type SqueezeExcite, structureOf, TooDeep } from "./structure.ts";

export interface ImportedSpec {
  /** A whole file, not yet in canonical layout. */
  readonly text: string;
  /** Names of tensors in the spec to names in `ImportedNet.weights`. */
  readonly names: ReadonlyMap<string, string>;
  /** Of tensors that the spec has with other sizes: matrices as 1x1 convolutions. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  /** What the file calls the nodes of the spec, in tree order, without what is inside an `se`; groups have no name there. */
  readonly labels: readonly (string | undefined)[];
  /** Whether all layers are in one level, under the names of the file's nodes. */
  readonly isFlat: boolean;
}

export const labelText = (label: string): string => {
  const part = partOf(label);
  if (isIdentifier(part)) return part;
  // the language knows \uXXXX, not the short forms for other control characters
  return JSON.stringify(part).replace(/\\[bfr]/g, (e) => ({ "\\b": "\\u0008", "\\f": "\\u000c", "\\r": "\\u000d" })[e] as string);
};

function valueText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(valueText).join(", ")}]`;
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}

/** Layers whose first arguments everybody knows by place. */
const BY_PLACE: Readonly<Record<string, readonly string[]>> = {
  conv: ["out", "kernel"],
  deconv: ["out", "kernel"],
  linear: ["out"],
  maxpool: ["kernel"],
  avgpool: ["kernel"],
  times: ["k"],
  plus: ["k"],
  clip: ["min", "max"],
};

function callText({ op, attrs }: ImportedNode): string {
  const first = BY_PLACE[op] ?? [];
  const args = [
    ...first.map((key) => valueText(attrs[key])),
    ...Object.entries(attrs).flatMap(([key, v]) => (first.includes(key) || v === undefined ? [] : [`${key}=${valueText(v)}`])),
  ];
  return args.length > 0 ? `${op}(${args.join(", ")})` : op;
}

function seText({ hidden, bias, act, gate }: SqueezeExcite): string {
  const args = [
    `hidden=${hidden}`,
    ...(bias ? ["bias=true"] : []),
    ...(act === "relu" ? [] : [`act="${act}"`]),
    ...(gate === "sigmoid" ? [] : [`gate="${gate}"`]),
  ];
  return `se(${args.join(", ")})`;
}

interface Writing {
  readonly net: ImportedNet;
  readonly names: Map<string, string>;
  readonly shapes: Map<string, readonly number[]>;
  readonly order: (string | undefined)[];
  readonly labels: Labels;
  /** Values that some `from` or `shared` names. */
  readonly fetched: ReadonlySet<string>;
  /** Nodes that apply the layer of an earlier value once more. */
  readonly shared: ReadonlyMap<ImportedNode, string>;
}

/** A path cannot be written, because a name on the way means something else there. */
class Hidden extends Error {}

/** The layers in the modules that the file's names speak of, else all at the top level under the names of the file's nodes. */
export function toSpec(net: ImportedNet): ImportedSpec | { readonly problem: string } {
  try {
    return written(net);
  } catch (error) {
    if (error instanceof TooDeep) return { problem: "its values are joined more deeply than can be written down" };
    if (error instanceof Hidden) return { problem: "names of its layers hide each other" };
    throw error;
  }
}

function written(net: ImportedNet): ImportedSpec {
  const places = placesOf(net);
  const shared = sharedUses(net);
  const found = structureOf(net);
  const fetched = new Set(shared.values());
  fetchedIn(found, fetched);
  const isFlat = places === undefined;
  const items = named(found, fetched);
  const nested = nest(isFlat ? items : withOutputsLast(items, fetched), places);
  const inputs = net.inputs.map((i) => i.name);
  const labels = labelItems(nested, { fetched, inputs, isFlat });
  const w: Writing = { net, names: new Map(), shapes: new Map(), order: [], labels, fetched, shared };
  const lines = [
    "se 1",
    `net ${net.name} {`,
    ...net.inputs.map((input) => `  input ${labelText(input.name)}: f32[${input.shape.join(", ")}]`),
    ...bodyText(w, nested, labels.levels.get(undefined) as Level, "  "),
    "}",
  ];
  return { text: `${lines.join("\n")}\n`, names: w.names, shapes: w.shapes, labels: w.order, isFlat };
}

/** Layers that read the tensors of an earlier layer in the same way. */
function sharedUses(net: ImportedNet): Map<ImportedNode, string> {
  const first = new Map<string, string>();
  const uses = new Map<ImportedNode, string>();
  for (const node of net.nodes) {
    if (Object.keys(node.tensors).length === 0) continue;
    const key = JSON.stringify([node.op, node.attrs, node.tensors]);
    const known = first.get(key);
    if (known === undefined) first.set(key, node.output);
    else uses.set(node, known);
  }
  return uses;
}

function fetchedIn(items: readonly Item[], into: Set<string>): void {
  for (const item of items) {
    if (item.kind === "from") into.add(item.value);
    else if (item.kind === "merge") for (const branch of item.branches) fetchedIn(branch.items, into);
  }
}

/** An unlabelled merge has no name of its own: what is fetched of it gets a layer that has one. */
function named(items: readonly Item[], fetched: ReadonlySet<string>): Item[] {
  return items.flatMap((item): Item[] => {
    if (item.kind !== "merge") return [item];
    const { node } = item;
    const merge = { ...item, branches: item.branches.map((b) => ({ ...b, items: named(b.items, fetched) })) };
    if (!fetched.has(node.output)) return [merge];
    return [merge, { kind: "layer", node: { ...node, op: "identity", inputs: [node.output], attrs: {}, tensors: {} } }];
  });
}

/** Outputs stand in the net's own body, not in groups: those among the layers are fetched at the end, in their order. */
function withOutputsLast(items: readonly Item[], fetched: Set<string>): readonly Item[] {
  const layers = items.filter((i) => i.kind !== "output");
  const outputs = items.filter((i) => i.kind === "output");
  if (outputs.length === 1) return items;
  const valueAt = new Map(outputs.map((o) => [o, items.slice(0, items.indexOf(o)).findLast((i) => i.kind !== "output")]));
  const madeBy = (item: Item | undefined): string | undefined =>
    item === undefined || item.kind === "output" ? undefined : item.kind === "from" ? item.value : item.node.output;
  let current = madeBy(layers.at(-1));
  const tail: Item[] = [];
  for (const output of outputs) {
    const value = madeBy(valueAt.get(output));
    if (value !== undefined && value !== current) {
      tail.push({ kind: "from", value });
      fetched.add(value);
      current = value;
    }
    tail.push(output);
  }
  return [...named(layers, new Set(tail.flatMap((i) => (i.kind === "from" ? [i.value] : [])))), ...tail];
}

/** Names of the file's tensors below a path of the spec. */
function nameTensors(w: Writing, path: string, node: ImportedNode): void {
  for (const [role, name] of Object.entries(node.tensors)) w.names.set(`${path}.${role}`, name);
}

function nameSqueezeExcite(w: Writing, path: string, se: SqueezeExcite): void {
  for (const fc of ["fc1", "fc2"] as const) {
    nameTensors(w, `${path}.${fc}`, se[fc]);
    const [out, from, ...rest] = w.net.weights.get(se[fc].tensors.weight as string)?.shape ?? [];
    if (rest.length === 0) w.shapes.set(`${path}.${fc}.weight`, [out as number, from as number, 1, 1]);
  }
}

function groupsOf(level: Level): readonly NestedGroup[] {
  const groups: NestedGroup[] = [];
  for (let at: Level | undefined = level; at?.group; at = at.outer) groups.push(at.group);
  return groups.reverse();
}

const pathParts = ({ labels }: Writing, item: NestedLayer): string[] => [
  ...groupsOf(labels.levelOf.get(item) as Level).map((g) => labels.part.get(g) as string),
  labels.part.get(item) as string,
];

/** How `from` and `shared` call a value at a level: as short as it means that value there. */
function pathTo(w: Writing, value: string, here: Level): string {
  const { labels } = w;
  const around = groupsOf(here);
  const levels = [undefined, ...around].map((g) => labels.levels.get(g) as Level);
  const isHidden = (name: string, at: number): boolean => levels.slice(at + 1).some((l) => l.labels.has(name));
  const maker = labels.makers.get(value);
  if (!maker) {
    if (!isHidden(partOf(value), 0)) return labelText(value);
    if (w.net.inputs.length === 1) return "in";
    throw new Hidden();
  }
  const groups = groupsOf(labels.levelOf.get(maker) as Level);
  const chain = [...groups, maker];
  let common = 0;
  while (common < groups.length && groups[common] === around[common]) common++;
  for (let start = common; start >= 0; start--) {
    const first = labels.written.get(chain[start] as NestedGroup);
    if (first === undefined || isHidden(first, start)) continue;
    return chain
      .slice(start)
      .map((item) => labels.part.get(item) as string)
      .map((part) => (/^\d+$/.test(part) && chain.length > start + 1 && part !== first ? part : labelText(part)))
      .join(".");
  }
  throw new Hidden();
}

function bodyText(w: Writing, items: readonly Nested[], level: Level, indent: string): string[] {
  const lines: string[] = [];
  /** The unlabelled group before, for `* n`. */
  let last: { text: string; times: number; at: number } | undefined;
  for (const item of items) {
    const text = itemText(w, item, level, indent);
    const isRepeatable = item.kind === "group" && !w.labels.written.has(item);
    const joined = text.join("\n");
    if (isRepeatable && last?.text === joined) {
      last.times++;
      lines[last.at] = `${indent}} * ${last.times}`;
      continue;
    }
    lines.push(...text);
    last = isRepeatable ? { text: joined, times: 1, at: lines.length - 1 } : undefined;
  }
  return lines;
}

function itemText(w: Writing, item: Nested, level: Level, indent: string): string[] {
  const { labels } = w;
  const prefix = (of: NestedLayer | NestedGroup): string => {
    const label = labels.written.get(of);
    return label === undefined ? indent : `${indent}${labelText(label)}: `;
  };
  switch (item.kind) {
    case "output":
      return [`${indent}output ${labelText(item.name)}`];
    case "from":
      return [`${indent}from ${pathTo(w, item.value, level)}`];
    case "layer": {
      w.order.push(item.node.label);
      const of = w.shared.get(item.node);
      if (of !== undefined) return [`${prefix(item)}shared(${JSON.stringify(pathTo(w, of, level))})`];
      const path = pathParts(w, item).join(".");
      if (item.se) nameSqueezeExcite(w, path, item.se);
      else nameTensors(w, path, item.node);
      return [prefix(item) + (item.se ? seText(item.se) : callText(item.node))];
    }
    case "group":
      w.order.push(undefined);
      return [`${prefix(item)}{`, ...bodyText(w, item.items, labels.levels.get(item) as Level, `${indent}  `), `${indent}}`];
    case "merge": {
      w.order.push(item.node.label);
      const { word, branches } = labels.merges.get(item) ?? { word: item.word, branches: item.branches.map((b) => b.name) };
      const args = Object.entries(item.node.attrs).map(([key, v]) => `${key}=${valueText(v)}`);
      return [
        `${indent}${word}${args.length > 0 ? `(${args.join(", ")})` : ""} {`,
        ...branches.flatMap((name, i) => [
          `${indent}  ${name} {`,
          ...bodyText(w, item.branches[i]?.items ?? [], level, `${indent}    `),
          `${indent}  }`,
        ]),
        `${indent}}`,
      ];
    }
  }
}
