/** Sizes and places of everything in a picture: frames are arranged from the inside out, edges pass their borders at ports. */
import { must } from "../invariant.ts";
import { type Arranged, arrange, type Point } from "./arrange.ts";
import { insideText, rowText, timesText, titleText } from "./captions.ts";
import type { Layer } from "./diagram.ts";
import { textPixels } from "./measure.ts";
import type { Edge, Vertex } from "./rank.ts";
import type { Cell, Closed, Frame, Link, Picture, View } from "./view.ts";

export const METRICS = { row: 20, title: 20, padX: 12, padY: 5, heading: 26, inset: 16, foot: 8, minWidth: 76 } as const;

/** The shape of a value, beside its line. */
export const LABEL = { size: 10.5, away: 6 } as const;

/** Frames lower than this are not broken into columns. */
const WRAP_ABOVE = 760;

export interface PlacedView {
  readonly view: View;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  /** Of a frame: where lines enter it, from its left side. */
  readonly entries: readonly number[];
}

export interface PlacedEdge {
  readonly points: readonly Point[];
  /** Ends at a box, not at the border of a frame. */
  readonly arrow: boolean;
  /** Written beside its start. */
  readonly label: string;
  /** The frame it runs in, and what it comes from there; a value from outside comes from nothing. */
  readonly frame: Frame;
  readonly from: View | undefined;
  readonly main: boolean;
}

export interface Layout {
  readonly width: number;
  readonly height: number;
  /** Outer before inner. */
  readonly views: readonly PlacedView[];
  readonly edges: readonly PlacedEdge[];
}

/** Whole numbers of pixels on both sides of a middle: lines that should meet do so. */
const even = (x: number): number => 2 * Math.ceil(x / 2);

/** `label`: what is written beside the line that leaves; it may not reach over the border of the frame around. */
function boxSize(view: Cell | Closed, label: string): { width: number; height: number } {
  const { padX, padY, row, title } = METRICS;
  const minWidth = Math.max(METRICS.minWidth, even(2 * (textPixels(label, LABEL.size, false) + LABEL.away - METRICS.inset + 6)));
  if (view.kind === "cell") {
    const widths = [textPixels(view.title, 12, true), ...view.rows.map((r) => textPixels(rowText(r), 12, r.label !== ""))];
    const height = 2 * padY + (view.title === "" ? 0 : title) + row * view.rows.length;
    return { width: Math.max(minWidth, even(Math.max(...widths) + 2 * padX + 4)), height };
  }
  const heading = textPixels(titleText(view), 12, true) + (view.times > 1 ? textPixels(timesText(view), 11, true) + 22 : 0);
  const detail =
    textPixels(`${view.layers} layers`, 11, false) + (view.inside.length > 0 ? textPixels(insideText(view), 11, true) + 22 : 0);
  return { width: Math.max(minWidth, even(Math.max(heading, detail) + 2 * padX)), height: 2 * padY + title + row };
}

/** A vertex of a frame: one of its parts, or a port for a value that passes its border. */
interface Local {
  readonly vertices: Vertex[];
  readonly edges: (Edge & { readonly value: Layer; readonly first: boolean; readonly arrow: boolean })[];
  /** Numbers of the ports by value. */
  readonly ins: Map<Layer, number>;
  readonly outs: Map<Layer, number>;
}

interface Measured {
  readonly width: number;
  readonly height: number;
  readonly inner?: { readonly local: Local; readonly arranged: Arranged };
  /** Where a value passes the border, from the left. */
  readonly inAt: ReadonlyMap<Layer, number>;
  readonly outAt: ReadonlyMap<Layer, number>;
}

const ancestors = (view: View): Frame[] => {
  const list: Frame[] = [];
  for (let at = view.parent; at; at = at.parent) list.push(at);
  return list;
};

export function layOut(picture: Picture): Layout {
  const linksOf = new Map<Frame, { link: Link; from: View | undefined; to: View | undefined }[]>();
  for (const link of picture.links) {
    const [up, down] = [
      [link.from, ...ancestors(link.from)],
      [link.to, ...ancestors(link.to)],
    ];
    const common = must(
      up.find((v): v is Frame => v.kind === "frame" && down.includes(v)),
      "a frame around both",
    );
    const note = (frame: Frame, from: View | undefined, to: View | undefined): void => {
      linksOf.set(frame, [...(linksOf.get(frame) ?? []), { link, from, to }]);
    };
    const [i, j] = [up.indexOf(common), down.indexOf(common)];
    for (let k = 1; k < i; k++) note(up[k] as Frame, up[k - 1], undefined);
    note(common, up[i - 1], down[j - 1]);
    for (let k = j - 1; k > 0; k--) note(down[k] as Frame, undefined, down[k - 1]);
  }

  const labels = new Map(picture.links.map((l) => [l.from, l.value.shape]));
  const measured = new Map<View, Measured>();
  const measure = (view: View): Measured => {
    const made =
      view.kind === "frame" ? measureFrame(view) : { ...boxSize(view, labels.get(view) ?? ""), inAt: new Map(), outAt: new Map() };
    measured.set(view, made);
    return made;
  };

  function measureFrame(frame: Frame): Measured {
    const sizes = frame.parts.map(measure);
    const index = new Map<View, number>(frame.parts.map((p, i) => [p, i]));
    const local: Local = {
      vertices: sizes.map(({ width, height }) => ({ width, height })),
      edges: [],
      ins: new Map(),
      outs: new Map(),
    };
    const port = (kind: "in" | "out", value: Layer): number => {
      const ports = kind === "in" ? local.ins : local.outs;
      const known = ports.get(value);
      if (known !== undefined) return known;
      ports.set(value, local.vertices.length);
      return local.vertices.push({ width: 0, height: 0, port: kind }) - 1;
    };
    const seen = new Set<string>();
    const named = new Set<Layer>();
    for (const { link, from, to } of linksOf.get(frame) ?? []) {
      const [a, b] = [
        from ? must(index.get(from), "part") : port("in", link.value),
        to ? must(index.get(to), "part") : port("out", link.value),
      ];
      const key = `${a} ${b} ${link.value.path}`;
      if (seen.has(key)) continue;
      seen.add(key);
      const offset = (part: View | undefined, side: "inAt" | "outAt"): number => {
        const m = part && measured.get(part);
        const x = m?.[side].get(link.value);
        return m && x !== undefined ? Math.round(x - m.width / 2) : 0;
      };
      const first = from?.kind !== "frame" && from !== undefined && !named.has(link.value);
      if (first) named.add(link.value);
      local.edges.push({
        from: a,
        to: b,
        main: link.main,
        fromOffset: offset(from, "outAt"),
        toOffset: offset(to, "inAt"),
        value: link.value,
        first,
        arrow: to !== undefined && to.kind !== "frame",
      });
    }
    const arranged = arrange(local.vertices, local.edges, WRAP_ABOVE);
    const isRoot = frame.parent === undefined;
    const heading = isRoot ? 0 : Math.ceil(textPixels(titleText(frame), 12, true) + (frame.times > 1 ? 44 : 0)) + 2 * METRICS.padX;
    const width = even(Math.max(heading, arranged.width + 2 * METRICS.inset));
    const left = (width - arranged.width) / 2;
    const places = (ports: ReadonlyMap<Layer, number>) =>
      new Map([...ports].map(([value, i]) => [value, left + (arranged.places[i]?.x ?? 0)] as const));
    return {
      width,
      height: arranged.height + METRICS.heading + METRICS.foot,
      inner: { local, arranged },
      inAt: places(local.ins),
      outAt: places(local.outs),
    };
  }

  const whole = measure(picture.root);
  const views: PlacedView[] = [];
  const edges: PlacedEdge[] = [];
  const place = (frame: Frame, x: number, y: number): void => {
    const { width, height, inner, inAt } = must(measured.get(frame), "size");
    if (frame.parent) views.push({ view: frame, x, y, width, height, entries: [...inAt.values()] });
    const { local, arranged } = must(inner, "insides");
    const [left, top] = [x + (width - arranged.width) / 2, y + METRICS.heading];
    frame.parts.forEach((part, i) => {
      const p = must(arranged.places[i], "place");
      const size = must(measured.get(part), "size");
      if (part.kind === "frame") place(part, left + p.x, top + p.y);
      else views.push({ view: part, x: left + p.x, y: top + p.y, width: size.width, height: size.height, entries: [] });
    });
    local.edges.forEach((e, i) => {
      const points = must(arranged.routes[i], "route").map((p) => ({ x: left + p.x, y: top + p.y }));
      const [first, last] = [points[0], points.at(-1)];
      // ports lie on the border, not where the frame's contents begin and end
      if (local.vertices[e.from]?.port && first) points.unshift({ x: first.x, y });
      if (local.vertices[e.to]?.port && last) points.push({ x: last.x, y: y + height });
      edges.push({ points, arrow: e.arrow, label: e.first ? e.value.shape : "", frame, from: frame.parts[e.from], main: e.main });
    });
  };
  place(picture.root, 0, 0);
  return { width: whole.width, height: whole.height, views, edges };
}
