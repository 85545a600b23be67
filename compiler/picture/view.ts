/** What of a net is drawn at a depth: layers that belong together as one cell, modules as frames or, below the depth, as closed boxes. */
import { type Family, type Layer, layersOf, type Module } from "./diagram.ts";
import { type Folded, foldRepeats, noFolding } from "./fold-repeats.ts";

/** One line of a cell. */
export interface Row {
  readonly label: string;
  readonly op: string;
  readonly detail: string;
  readonly family: Family;
}

interface ViewBase {
  /** Dense, in the order of the text: what identifiers in the printed forms are made of. */
  readonly id: number;
  readonly parent: Frame | undefined;
  readonly inserted: boolean;
  readonly path: string;
}

/** A layer with what only finishes it: norm, activation, dropout, flatten. */
export interface Cell extends ViewBase {
  readonly kind: "cell";
  /** Of a module that holds nothing but this cell; empty otherwise. */
  readonly title: string;
  readonly rows: readonly Row[];
}

interface Titled extends ViewBase {
  readonly title: string;
  readonly type: string;
  /** Modules alike that this one stands for. */
  readonly times: number;
}

/** A module that is not opened. */
export interface Closed extends Titled {
  readonly kind: "closed";
  readonly layers: number;
  /** Types of inserted parts inside, each once. */
  readonly inside: readonly string[];
}

export interface Frame extends Titled {
  readonly kind: "frame";
  readonly parts: View[];
}

export type View = Cell | Closed | Frame;

export interface Link {
  readonly from: View;
  readonly to: View;
  /** What is read: links of one value share a stem. */
  readonly value: Layer;
  /** The first input of what reads it: the way the picture keeps straight. */
  readonly main: boolean;
}

export interface Picture {
  readonly name: string;
  readonly root: Frame;
  readonly links: readonly Link[];
  /** Cells and closed boxes. */
  readonly boxes: number;
  /** Modules that are not opened. */
  readonly closed: number;
  readonly depth: number;
}

export interface ViewOptions {
  /** How many levels of modules are shown; 1 shows those of the net itself, closed. Default: as many as give at most about 60 boxes. */
  readonly depth?: number | undefined;
  /** Draw every one of modules that are alike. */
  readonly unfolded?: boolean | undefined;
}

/** More boxes than this nobody reads. */
const MOST_BOXES = 60;
const DEEPEST = 64;

/** What joins the cell of the layer it reads, besides norms and activations. */
const FINISHING = new Set(["flatten", "dropout", "droppath", "identity"]);

export function pictureOf(root: Module, options: ViewOptions = {}): Picture {
  const folded = options.unfolded ? noFolding : foldRepeats(root);
  if (options.depth !== undefined) return pictureAt(root, folded, options.depth);
  let best = pictureAt(root, folded, 1);
  for (let depth = 2; depth <= DEEPEST; depth++) {
    const next = pictureAt(root, folded, depth);
    if (best.closed === 0 || next.boxes > MOST_BOXES) break;
    best = next;
  }
  return best;
}

const closedIn = (view: View): number =>
  view.kind === "frame" ? view.parts.reduce((n, p) => n + closedIn(p), 0) : Number(view.kind === "closed");

/** Whether `layer` is drawn in the cell of the layer it reads. */
function finishes(layer: Layer): boolean {
  const [input] = layer.inputs;
  return (
    input !== undefined &&
    layer.inputs.length === 1 &&
    (layer.family === "normalisation" || layer.family === "activation" || FINISHING.has(layer.op)) &&
    input.family !== "port" &&
    input.parent === layer.parent &&
    input.readers.length === 1 &&
    input.inserted === layer.inserted
  );
}

/** Whether a module is a chain of layers that one cell holds. */
const isOneCell = (module: Module): boolean =>
  module.parts.length > 0 &&
  module.parts.every((p, i) => p.kind === "layer" && (i === 0 || (finishes(p) && p.inputs[0] === module.parts[i - 1])));

function titleOf(module: Module, last: string | undefined): string {
  return last === undefined ? module.label : `${module.label} … ${last}`;
}

function pictureAt(root: Module, folded: Folded, depth: number): Picture {
  const viewOf = new Map<Layer, View>();
  const counted = { ids: 0, boxes: 0 };

  function closed(module: Module, parent: Frame): Closed {
    const layers = [...layersOf(module)];
    const run = folded.runs.get(module);
    const view: Closed = {
      kind: "closed",
      id: counted.ids++,
      parent,
      inserted: module.inserted,
      path: module.path,
      title: titleOf(module, run?.last),
      type: module.type,
      times: run?.times ?? 1,
      layers: layers.length,
      inside: module.inserted ? [] : [...new Set(insertedIn(module))],
    };
    counted.boxes++;
    for (const l of layers) viewOf.set(l, view);
    return view;
  }

  function cell(layers: readonly Layer[], parent: Frame, title: string, inserted: boolean): Cell {
    const [head] = layers as [Layer];
    const view: Cell = {
      kind: "cell",
      id: counted.ids++,
      parent,
      inserted: inserted || head.inserted,
      path: head.path,
      title,
      // `act("none")` is no news
      rows: layers.filter((l, i) => i === 0 || l.op !== "identity").map(({ label, op, detail, family }) => ({ label, op, detail, family })),
    };
    counted.boxes++;
    for (const l of layers) viewOf.set(l, view);
    return view;
  }

  function fill(frame: Frame, module: Module, level: number): void {
    const cells = new Map<Layer, Layer[]>();
    const parts: (Module | Layer[])[] = [];
    for (const part of module.parts) {
      if (part.kind === "module") {
        if (!folded.hidden.has(part)) parts.push(part);
        continue;
      }
      const started = finishes(part) ? cells.get(part.inputs[0] as Layer) : undefined;
      const own = started ?? [];
      own.push(part);
      cells.set(part, own);
      if (!started) parts.push(own);
    }
    for (const part of parts) frame.parts.push(Array.isArray(part) ? cell(part, frame, "", false) : opened(part, frame, level));
  }

  function opened(module: Module, parent: Frame, level: number): View {
    const run = folded.runs.get(module);
    const title = titleOf(module, run?.last);
    if (!run && isOneCell(module)) {
      // a frame, or a closed box, says no more than the cell with the module's name
      const type = module.type === "group" ? "" : module.type;
      return cell([...layersOf(module)], parent, [title, type].filter(Boolean).join("  "), module.inserted);
    }
    if (level >= depth) return closed(module, parent);
    const frame: Frame = {
      kind: "frame",
      id: counted.ids++,
      parent,
      inserted: module.inserted,
      path: module.path,
      title,
      type: module.type,
      times: run?.times ?? 1,
      parts: [],
    };
    fill(frame, module, level + 1);
    return frame;
  }

  const top: Frame = {
    kind: "frame",
    id: counted.ids++,
    parent: undefined,
    inserted: false,
    path: "",
    title: root.label,
    type: "net",
    times: 1,
    parts: [],
  };
  fill(top, root, 1);
  return { name: root.label, root: top, links: linksOf(viewOf, folded), boxes: counted.boxes, closed: closedIn(top), depth };
}

function insertedIn(module: Module): string[] {
  return module.parts.flatMap((p) => {
    if (p.inserted) return [p.kind === "module" ? p.type : p.op];
    return p.kind === "module" ? insertedIn(p) : [];
  });
}

function linksOf(viewOf: ReadonlyMap<Layer, View>, folded: Folded): Link[] {
  const links: Link[] = [];
  const seen = new Map<Layer, Set<View>>();
  for (const [layer, to] of viewOf) {
    if (folded.drawn(layer) !== layer) continue;
    layer.inputs.forEach((input, i) => {
      const value = folded.drawn(input);
      const from = viewOf.get(value);
      if (from === undefined || from === to) return;
      const readers = seen.get(value) ?? new Set();
      seen.set(value, readers);
      if (readers.has(to)) return;
      readers.add(to);
      links.push({ from, to, value, main: i === 0 });
    });
  }
  return links;
}
