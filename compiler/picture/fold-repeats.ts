/**
 * Runs of modules that are alike and feed one another (`bottleneck * 5`) become one box marked "×5": layers of the later copies are dropped
 * from the picture, and what reads the last copy reads the first.
 */
import { type Layer, layersOf, type Module } from "./diagram.ts";

export interface Folded {
  /** Modules that stand for a run: how many, and the label of the last. */
  readonly runs: ReadonlyMap<Module, { readonly times: number; readonly last: string }>;
  /** Copies that are not drawn. */
  readonly hidden: ReadonlySet<Module>;
  /** The layer that is drawn for a layer of a copy; others stand for themselves. */
  readonly drawn: (layer: Layer) => Layer;
}

/** Everything a reader of the picture could tell two modules apart by, but for their own labels. */
function signatureOf(module: Module, layers: readonly Layer[]): string {
  const index = new Map(layers.map((l, i) => [l, i]));
  const text = (part: Module | Layer): unknown =>
    part.kind === "module"
      ? [part.label, part.type, part.inserted, part.parts.map(text)]
      : [part.label, part.op, part.detail, part.shape, part.inserted, part.inputs.map((i) => index.get(i) ?? i.shape)];
  return JSON.stringify([module.type, module.inserted, module.parts.map(text)]);
}

/** Whether the only thing `later` reads from outside is one layer of `earlier`, and nothing else reads that module. */
function follows(earlier: ReadonlySet<Layer>, later: ReadonlySet<Layer>): boolean {
  const sources = new Set<Layer>();
  for (const layer of later) for (const input of layer.inputs) if (!later.has(input)) sources.add(input);
  const [source] = sources;
  if (sources.size !== 1 || source === undefined || !earlier.has(source)) return false;
  for (const layer of earlier) for (const reader of layer.readers) if (!earlier.has(reader) && !later.has(reader)) return false;
  return true;
}

export function foldRepeats(root: Module): Folded {
  const runs = new Map<Module, { times: number; last: string }>();
  const hidden = new Set<Module>();
  const drawnAs = new Map<Layer, Layer>();

  function visit(module: Module): void {
    let first: { module: Module; signature: string; layers: Layer[] } | undefined;
    let before: ReadonlySet<Layer> = new Set();
    for (const part of module.parts) {
      if (part.kind === "layer") {
        first = undefined;
        continue;
      }
      const layers = [...layersOf(part)];
      const signature = signatureOf(part, layers);
      const own = new Set(layers);
      if (first && first.signature === signature && follows(before, own)) {
        runs.set(first.module, { times: (runs.get(first.module)?.times ?? 1) + 1, last: part.label });
        hidden.add(part);
        const originals = first.layers;
        layers.forEach((l, i) => {
          drawnAs.set(l, originals[i] as Layer);
        });
      } else first = { module: part, signature, layers };
      before = own;
    }
    for (const part of module.parts) if (part.kind === "module" && !hidden.has(part)) visit(part);
  }
  visit(root);

  return {
    runs,
    hidden,
    drawn(layer) {
      // a run inside a copy of a run: two steps
      let at = layer;
      for (let next = drawnAs.get(at); next; next = drawnAs.get(at)) at = next;
      return at;
    },
  };
}

export const noFolding: Folded = { runs: new Map(), hidden: new Set(), drawn: (layer) => layer };
