/** An imported net as the text of a spec, and the names that its tensors have there. */
import { isIdentifier } from "../syntax/words.ts";
import type { ImportedNet, ImportedNode } from "./imported.ts";
import { type Item, structureOf, TooDeep } from "./structure.ts";

export interface ImportedSpec {
  /** A whole file, not yet in canonical layout. */
  readonly text: string;
  /** Names of tensors in the spec to names in `ImportedNet.weights`. */
  readonly names: ReadonlyMap<string, string>;
  /** Of tensors that the spec has with other sizes: matrices as 1x1 convolutions. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  /** What the file calls the merges, in text order. */
  readonly merges: readonly string[];
}

/** One part of a path in the spec: no dot, not empty. */
export const labelText = (label: string): string => {
  const part = label.replaceAll(".", "_") || "_";
  if (isIdentifier(part)) return part;
  // the language knows \uXXXX, not the short forms for other control characters
  return JSON.stringify(part).replace(/\\[bfr]/g, (e) => ({ "\\b": "\\u0008", "\\f": "\\u000c", "\\r": "\\u000d" })[e] as string);
};
const partOf = (label: string): string => label.replaceAll(".", "_") || "_";

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

interface Writing {
  readonly net: ImportedNet;
  readonly lines: string[];
  readonly names: Map<string, string>;
  readonly merges: string[];
  readonly shapes: Map<string, readonly number[]>;
  /** Unique labels of nodes. */
  readonly labels: ReadonlyMap<string, string>;
  /** Values that some `from` names. */
  readonly fetched: ReadonlySet<string>;
}

/** Every layer at the top level of the net, under the file's node name. */
export function toSpec(net: ImportedNet): ImportedSpec | { readonly problem: string } {
  const items = structured(net);
  if (!items) return { problem: "its values are joined more deeply than can be written down" };
  const writing: Writing = {
    net,
    lines: [],
    names: new Map(),
    merges: [],
    shapes: new Map(),
    labels: labelsOf(net),
    fetched: fetchedOf(items),
  };
  const { lines } = writing;
  lines.push("se 1", `net ${net.name} {`);
  for (const input of net.inputs) lines.push(`  input ${labelText(input.name)}: f32[${input.shape.join(", ")}]`);
  body(writing, items, "  ");
  lines.push("}");
  return { text: `${lines.join("\n")}\n`, names: writing.names, merges: writing.merges, shapes: writing.shapes };
}

function structured(net: ImportedNet): readonly Item[] | undefined {
  try {
    return structureOf(net);
  } catch (error) {
    if (error instanceof TooDeep) return undefined;
    throw error;
  }
}

function labelsOf(net: ImportedNet): Map<string, string> {
  const taken = new Set<string>(["b1", "b2", "main", "shortcut", "x", "scale", ...net.inputs.map((i) => partOf(i.name))]);
  const labels = new Map<string, string>();
  for (const node of net.nodes) {
    const wanted = partOf(node.label);
    let label = wanted;
    // branches are called b1, b2, ... and share the level's names
    for (let n = 2; taken.has(label) || /^b\d+$/.test(label); n++) label = `${wanted}_${n}`;
    taken.add(label);
    labels.set(node.output, label);
  }
  return labels;
}

function fetchedOf(items: readonly Item[], into = new Set<string>()): Set<string> {
  for (const item of items) {
    if (item.kind === "from") into.add(item.value);
    else if (item.kind === "merge") for (const branch of item.branches) fetchedOf(branch.items, into);
  }
  return into;
}

function body(w: Writing, items: readonly Item[], indent: string): void {
  for (const item of items) {
    switch (item.kind) {
      case "output":
        w.lines.push(`${indent}output ${labelText(item.name)}`);
        break;
      case "from": {
        const label = w.labels.get(item.value) ?? item.value;
        w.lines.push(`${indent}from ${labelText(label)}`);
        break;
      }
      case "layer": {
        const label = w.labels.get(item.node.output) as string;
        for (const [role, name] of Object.entries(item.node.tensors)) w.names.set(`${label}.${role}`, name);
        w.lines.push(`${indent}${labelText(label)}: ${callText(item.node)}`);
        break;
      }
      case "se": {
        const label = w.labels.get(item.node.output) as string;
        const { se } = item;
        for (const fc of ["fc1", "fc2"] as const) {
          for (const [role, name] of Object.entries(se[fc].tensors)) w.names.set(`${label}.${fc}.${role}`, name);
          const [out, from, ...rest] = w.net.weights.get(se[fc].tensors.weight as string)?.shape ?? [];
          if (rest.length === 0) w.shapes.set(`${label}.${fc}.weight`, [out as number, from as number, 1, 1]);
        }
        const args = [
          `hidden=${se.hidden}`,
          ...(se.bias ? ["bias=true"] : []),
          ...(se.act === "relu" ? [] : [`act="${se.act}"`]),
          ...(se.gate === "sigmoid" ? [] : [`gate="${se.gate}"`]),
        ];
        w.lines.push(`${indent}${labelText(label)}: se(${args.join(", ")})`);
        break;
      }
      case "merge": {
        w.merges.push(w.labels.get(item.node.output) as string);
        const args = Object.entries(item.node.attrs).map(([key, v]) => `${key}=${valueText(v)}`);
        w.lines.push(`${indent}${item.word}${args.length > 0 ? `(${args.join(", ")})` : ""} {`);
        for (const branch of item.branches) {
          w.lines.push(`${indent}  ${branch.name} {`);
          body(w, branch.items, `${indent}    `);
          w.lines.push(`${indent}  }`);
        }
        w.lines.push(`${indent}}`);
        // an unlabelled merge has no name of its own
        if (w.fetched.has(item.node.output)) w.lines.push(`${indent}${labelText(w.labels.get(item.node.output) as string)}: identity`);
      }
    }
  }
}
