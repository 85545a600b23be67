/** Bodies of an imported net as text: layers, modules and merges, and blocks for squeezes that call their matrices otherwise than `se`. */
import { isIdentifier } from "../syntax/words.ts";
import type { ImportedNet, ImportedNode } from "./imported.ts";
import { type Labels, type Level, labelItems, partOf } from "./label-items.ts";
import { type Nested, type NestedGroup, type NestedLayer, nest } from "./nest.ts";
import type { NodePlace } from "./places.ts";
import { writtenOut } from "./squeezes.ts";
import type { Item, OwnNames, SqueezeExcite } from "./structure.ts";

export const labelText = (label: string): string => {
  const part = partOf(label);
  if (isIdentifier(part)) return part;
  // the language knows \uXXXX, not the short forms for other control characters
  return JSON.stringify(part).replace(/\\[bfr]/g, (e) => ({ "\\b": "\\u0008", "\\f": "\\u000c", "\\r": "\\u000d" })[e] as string);
};

/** An argument that is worked out where the block is called. */
class Expression {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

function valueText(value: unknown): string {
  if (value instanceof Expression) return value.text;
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
  reshape: ["dims"],
  slice: ["start", "stop"],
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

export interface Writing {
  readonly net: ImportedNet;
  readonly names: Map<string, string>;
  readonly shapes: Map<string, readonly number[]>;
  readonly order: (string | undefined)[];
  readonly labels: Labels;
  /** Values that some `from` or `shared` names. */
  readonly fetched: ReadonlySet<string>;
  /** Nodes that apply the layer of an earlier value once more. */
  readonly shared: ReadonlyMap<ImportedNode, string>;
  /** Blocks that the net calls, by their text after the name. */
  readonly blocks: Map<string, string>;
}

/** A path cannot be written, because a name on the way means something else there. */
export class Hidden extends Error {}

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

export function bodyText(w: Writing, items: readonly Nested[], level: Level, indent: string): string[] {
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
      if (item.se && item.names) return [prefix(item) + blockCall(w, path, item.node, item.se, item.names)];
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

/** A squeeze whose matrices the file calls otherwise: its own layers in a block, and the call. */
function blockCall(w: Writing, path: string, product: ImportedNode, se: SqueezeExcite, names: OwnNames): string {
  const channels = se.fc2.attrs.out;
  const places = new Map<string, NodePlace>([
    [se.fc1.output, names.fc1],
    [se.fc2.output, names.fc2],
    // the product lies in the block itself, whatever module holds both matrices
    [product.output, { scope: [], own: undefined }],
  ]);
  const general = (item: Item): Item => {
    if (item.kind !== "layer") return item;
    const { node } = item;
    const attrs =
      node === se.fc1
        ? { ...node.attrs, out: new Expression("hidden") }
        : node === se.fc2
          ? { ...node.attrs, out: new Expression("in.c") }
          : node.op === "reshape" && JSON.stringify(node.attrs.dims) === JSON.stringify([channels, 1, 1])
            ? { dims: new Expression("[in.c, 1, 1]") }
            : node.attrs;
    return { kind: "layer", node: { ...node, attrs } };
  };
  const branches = writtenOut(se).map((b) => ({ ...b, items: b.items.map(general) }));
  const nested = nest([{ kind: "merge", node: product, word: "mul", branches }], places);
  const labels = labelItems(nested, { fetched: new Set(), inputs: [], isFlat: false });
  const inner: Writing = { ...w, names: new Map(), order: [], labels, fetched: new Set(), shared: new Map() };
  const text = ["(hidden) {", ...bodyText(inner, nested, labels.levels.get(undefined) as Level, "  "), "}"].join("\n");
  for (const [own, name] of inner.names) w.names.set(`${path}.${own}`, name);
  const known = w.blocks.get(text);
  if (known !== undefined) return `${known}(${se.hidden})`;
  const taken = new Set([w.net.name, ...w.blocks.values()]);
  let name = "squeeze_excite";
  for (let n = 2; taken.has(name); n++) name = `squeeze_excite_${n}`;
  w.blocks.set(text, name);
  return `${name}(${se.hidden})`;
}
