/** Pictures of nets: what `sec graph` prints. Pure: the same tree gives the same bytes. */
import type { NetTree } from "../semantics/tree.ts";
import { diagramOf } from "./diagram.ts";
import { dotText } from "./dot.ts";
import { htmlText } from "./html.ts";
import { mermaidText } from "./mermaid.ts";
import { svgText } from "./svg.ts";
import { pictureOf, type ViewOptions } from "./view.ts";

export const pictureFormats = ["svg", "mermaid", "dot", "html"] as const;
export type PictureFormat = (typeof pictureFormats)[number];

export interface DrawOptions extends ViewOptions {
  readonly format: PictureFormat;
  /** A line under the net's name, in the formats that have a heading. */
  readonly facts: string;
}

export interface Drawn {
  readonly text: string;
  /** Cells and closed modules. */
  readonly boxes: number;
  readonly depth: number;
  /** Modules that are not opened. */
  readonly closed: number;
}

/** `tree` must have expanded without errors. */
export function drawNet(tree: NetTree, options: DrawOptions): Drawn {
  const picture = pictureOf(diagramOf(tree), options);
  const print = {
    svg: () => svgText(picture, options.facts),
    mermaid: () => mermaidText(picture),
    dot: () => dotText(picture),
    html: () => htmlText(picture, options.facts),
  }[options.format];
  return { text: print(), boxes: picture.boxes, depth: picture.depth, closed: picture.closed };
}
