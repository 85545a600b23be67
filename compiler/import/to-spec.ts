/** An imported net as the text of a spec, and the names that its tensors have there. */
import type { ImportedNet } from "./imported.ts";
import { type Level, labelItems } from "./label-items.ts";
import { nest } from "./nest.ts";
import { placesOf } from "./places.ts";
import { bodyText, Hidden, labelText, type Writing } from "./spec-text.ts";
import { type Item, structureOf, TooDeep } from "./structure.ts";

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

export interface SpecOptions {
  /** The tensors bring the file's names with them, so the spec need not spell them, and every squeeze can be an `se`. */
  readonly inPlace?: boolean;
}

/** The layers in the modules that the file's names speak of, else all at the top level under the names of the file's nodes. */
export function toSpec(net: ImportedNet, options: SpecOptions = {}): ImportedSpec | { readonly problem: string } {
  try {
    return written(net, options);
  } catch (error) {
    if (error instanceof TooDeep) return { problem: "its values are joined more deeply than can be written down" };
    if (error instanceof Hidden) return { problem: "names of its layers hide each other" };
    throw error;
  }
}

function written(net: ImportedNet, { inPlace = false }: SpecOptions): ImportedSpec {
  const places = placesOf(net);
  const shared = new Map(net.nodes.flatMap((n) => (n.same === undefined ? [] : [[n, n.same] as const])));
  const found = structureOf(net);
  const fetched = new Set(shared.values());
  fetchedIn(found, fetched);
  const isFlat = places === undefined;
  const items = named(found, fetched);
  const nested = nest(isFlat ? items : withOutputsLast(items, fetched), places, { keepsNames: !inPlace, madeUp: net.madeUp });
  const inputs = net.inputs.map((i) => i.name);
  const labels = labelItems(nested, { fetched, inputs, isFlat });
  const w: Writing = { net, names: new Map(), shapes: new Map(), order: [], labels, fetched, shared, blocks: new Map() };
  const body = bodyText(w, nested, labels.levels.get(undefined) as Level, "  ");
  const lines = [
    "se 1",
    ...[...w.blocks].map(([text, name]) => `block ${name}${text}`),
    `net ${net.name} {`,
    ...net.inputs.map((input) => `  input ${labelText(input.name)}: f32[${input.shape.join(", ")}]`),
    ...body,
    "}",
  ];
  return { text: `${lines.join("\n")}\n`, names: w.names, shapes: w.shapes, labels: w.order, isFlat };
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
