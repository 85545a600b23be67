/** A picture as SVG: one self-contained file, no script, no external font. */

import { printable } from "../diagnostics/text-width.ts";
import type { Point } from "./arrange.ts";
import { insideText, rowText, timesText, titleText, typeText } from "./captions.ts";
import type { Family } from "./diagram.ts";
import { LABEL, layOut, METRICS, type PlacedEdge, type PlacedView } from "./layout.ts";
import { textPixels } from "./measure.ts";
import type { Cell, Closed, Frame, Picture, Row, View } from "./view.ts";

const COLOURS: Readonly<Record<Family, string>> = {
  convolution: "#2f6fde",
  normalisation: "#7a8aa0",
  activation: "#e8912d",
  pooling: "#7b4fd0",
  merge: "#1f9d61",
  moving: "#5a9fb0",
  elementwise: "#1f9d61",
  other: "#5a9fb0",
  port: "#30363d",
};
const LEGEND: readonly (readonly [Family, string])[] = [
  ["convolution", "convolution, linear"],
  ["normalisation", "norm"],
  ["activation", "activation"],
  ["pooling", "pooling"],
  ["merge", "add, mul, concat"],
  ["moving", "moving data"],
];
const MARK = "#c2255c";
const MARGIN = 24;
const HEADER = 52;
const FOOTER = 40;
const ROUND = 8;

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
/** Numbers are printed in one way on every machine: at most one decimal. */
const n = (x: number): string => String(Math.round(x * 10) / 10);

function rect(x: number, y: number, width: number, height: number, attributes: string): string {
  return `<rect x="${n(x)}" y="${n(y)}" width="${n(width)}" height="${n(height)}" ${attributes}/>`;
}

function text(x: number, y: number, content: string, className: string): string {
  return `<text x="${n(x)}" y="${n(y)}" class="${className}">${escaped(content)}</text>`;
}

/** A pill with its right end at `right`. */
function pill(right: number, y: number, content: string, colour: string): string {
  const width = textPixels(content, 11, true) + 12;
  return [
    rect(right - width, y, width, 16, `rx="8" fill="${colour}"`),
    `<text x="${n(right - width / 2)}" y="${n(y + 12)}" class="pill">${escaped(content)}</text>`,
  ].join("");
}

function path(points: readonly Point[]): string {
  const [first] = points;
  if (!first) return "";
  let d = `M${n(first.x)} ${n(first.y)}`;
  for (let i = 1; i < points.length; i++) {
    const [a, b, c] = [points[i - 1] as Point, points[i] as Point, points[i + 1]];
    if (a.x !== b.x && a.y !== b.y) {
      const middle = (a.y + b.y) / 2;
      d += `C${n(a.x)} ${n(middle)} ${n(b.x)} ${n(middle)} ${n(b.x)} ${n(b.y)}`;
      continue;
    }
    const turns = c !== undefined && ((a.x === b.x && b.y === c.y && b.x !== c.x) || (a.y === b.y && b.x === c.x && b.y !== c.y));
    if (!turns || c === undefined) {
      d += `L${n(b.x)} ${n(b.y)}`;
      continue;
    }
    const near = (from: Point, to: Point): Point => {
      const length = Math.hypot(to.x - from.x, to.y - from.y);
      const share = Math.min(ROUND, length / 2) / Math.max(length, 1e-9);
      return { x: from.x + (to.x - from.x) * share, y: from.y + (to.y - from.y) * share };
    };
    const [before, after] = [near(b, a), near(b, c)];
    d += `L${n(before.x)} ${n(before.y)}Q${n(b.x)} ${n(b.y)} ${n(after.x)} ${n(after.y)}`;
  }
  return d;
}

function rowSpans(row: Row): string {
  const label = row.family === "port" || row.label === "" ? "" : `<tspan class="name">${escaped(printable(row.label))}</tspan>`;
  const rest = rowText(row).slice(label === "" ? 0 : printable(row.label).length);
  return `${label}<tspan>${escaped(rest)}</tspan>`;
}

function cellSvg(view: Cell, { x, y, width, height }: PlacedView): string {
  const { padX, padY, row, title } = METRICS;
  const isPort = view.rows[0]?.family === "port";
  if (isPort) {
    const content = view.rows[0] ? rowText(view.rows[0]) : "";
    return [
      rect(x, y, width, height, `rx="${n(height / 2)}" fill="#30363d"`),
      `<text x="${n(x + width / 2)}" y="${n(y + height / 2 + 4)}" class="port">${escaped(content)}</text>`,
    ].join("");
  }
  const parts = [rect(x, y, width, height, `rx="6" class="${view.inserted ? "box inserted" : "box"}"`)];
  let top = y + padY;
  if (view.title !== "") {
    parts.push(text(x + padX, top + 14, printable(view.title), "title"));
    top += title;
  }
  view.rows.forEach((r, i) => {
    const line = top + i * row;
    parts.push(rect(x + 5, line + 3, 4, row - 6, `rx="2" fill="${COLOURS[r.family]}"`));
    parts.push(`<text x="${n(x + padX + 2)}" y="${n(line + 14)}" class="row" xml:space="preserve">${rowSpans(r)}</text>`);
  });
  return parts.join("");
}

/** How far the cards behind a box that stands for several reach. */
const STACK = 6;

const stacked = (x: number, y: number, width: number, height: number): string =>
  [STACK, STACK / 2].map((d) => rect(x + d, y + d, width, height, 'rx="6" class="box"')).join("");

function closedSvg(view: Closed, { x, y, width, height }: PlacedView): string {
  const { padX, padY } = METRICS;
  const size = `${view.layers} ${view.layers === 1 ? "layer" : "layers"}`;
  return [
    view.times > 1 ? stacked(x, y, width, height) : "",
    rect(x, y, width, height, `rx="6" class="${view.inserted ? "box inserted" : "box closed"}"`),
    `<text x="${n(x + padX)}" y="${n(y + padY + 14)}" xml:space="preserve">${titleSpans(view)}</text>`,
    text(x + padX, y + padY + 33, size, "size"),
    view.times > 1 ? pill(x + width - 8, y + padY + 1, timesText(view), "#57606a") : "",
    view.inside.length > 0 ? pill(x + width - 8, y + padY + 21, insideText(view), MARK) : "",
  ].join("");
}

/** Deeper frames are darker, in three steps; the net itself is white. */
function levelOf(view: Frame): number {
  let level = 0;
  for (let at = view.parent; at; at = at.parent) level++;
  return level === 0 ? 0 : ((level - 1) % 3) + 1;
}

/** Classes of what has the colour of a frame: the frame, and the halo of words on it. */
const groundOf = (view: Frame): string => `level${levelOf(view)}${view.inserted ? " inserted" : ""}`;

function frameSvg(view: Frame, { x, y, width, height }: PlacedView): string {
  const name = `frame ${groundOf(view)}`;
  const shifts = view.times > 1 ? [8, 4, 0] : [0];
  return shifts.map((d) => rect(x + d, y + d, width, height, `rx="8" class="${name}"`)).join("");
}

/** Right of the line that enters where it would run through the words, if there is room. */
function headingSvg(view: Frame, { x, y, width, entries }: PlacedView): string {
  const words = textPixels(titleText(view), 12, true);
  const times = view.times > 1 ? textPixels(timesText(view), 11, true) + 28 : 0;
  const crossing = entries.filter((e) => e > METRICS.padX - 4 && e < METRICS.padX + words + 4);
  const beside = Math.max(...crossing) + 10;
  const left = crossing.length > 0 && beside + words + times < width - 4 ? beside : METRICS.padX;
  return [
    `<text x="${n(x + left)}" y="${n(y + 17)}" class="heading ${groundOf(view)}" xml:space="preserve">${titleSpans(view)}</text>`,
    view.times > 1 ? pill(x + width - 8, y + 5, timesText(view), "#57606a") : "",
  ].join("");
}

const titleSpans = (view: Closed | Frame): string => {
  const type = typeText(view);
  return `<tspan class="name">${escaped(printable(view.title))}</tspan>${type === "" ? "" : `<tspan class="type">  ${escaped(type)}</tspan>`}`;
};

const drawn = (placed: PlacedView): string => {
  const { view } = placed;
  const body = view.kind === "cell" ? cellSvg(view, placed) : view.kind === "closed" ? closedSvg(view, placed) : frameSvg(view, placed);
  return `<g><title>${escaped(printable(view.path))}</title>${body}</g>`;
};

function edgeSvg(edge: PlacedEdge): string {
  return `<path d="${path(edge.points)}"${edge.arrow ? ' marker-end="url(#arrow)"' : ""}/>`;
}

/** Left of the line, or right of one that turns to the left. */
function labelSvg({ points, label, frame, from }: PlacedEdge): string {
  const [start] = points;
  if (!start || label === "") return "";
  const turn = points.find((p) => p.x !== start.x);
  const isRight = turn !== undefined && turn.x < start.x;
  const stack = from?.kind === "closed" && from.times > 1 ? STACK : 0;
  const name = `shape ${isRight ? "right " : ""}${groundOf(frame)}`;
  return text(start.x + (isRight ? LABEL.away : -LABEL.away), start.y + stack + 14, label, name);
}

const STYLE = `text{font-family:Inter,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;font-size:12px;fill:#24292f}
.name,.title{font-weight:600}
.heading,.shape{paint-order:stroke;stroke:#fff;stroke-width:4px;stroke-linejoin:round}
text.level1{stroke:#f6f8fa}text.level2{stroke:#ebeff3}text.level3{stroke:#e1e7ed}text.inserted{stroke:#ffe9f2}
.shape{font-size:${LABEL.size}px;fill:#57606a;text-anchor:end}.shape.right{text-anchor:start}.type{fill:#57606a}.size{font-size:11px;fill:#57606a}
.port{fill:#fff;font-weight:600;text-anchor:middle}.pill{font-size:11px;font-weight:600;fill:#fff;text-anchor:middle}
.box{fill:#fff;stroke:#afb8c1}.closed{fill:#eef2f7}.frame{stroke:#d0d7de}.frame.level1{fill:#f6f8fa}.frame.level2{fill:#ebeff3}.frame.level3{fill:#e1e7ed}
.box.inserted{fill:#fff0f6;stroke:${MARK};stroke-width:1.5}.frame.inserted{fill:#ffe9f2;stroke:${MARK};stroke-width:1.5}
.edges path{fill:none;stroke:#6e7781;stroke-width:1.4}.net{font-size:17px;font-weight:700}.facts{fill:#57606a}`;

function legendSvg(views: readonly View[], x: number, y: number): { svg: string; width: number } {
  const families = new Set(views.flatMap((v) => (v.kind === "cell" ? v.rows.map((r) => r.family) : [])));
  const parts: string[] = [];
  let at = x;
  const entry = (mark: string, caption: string): void => {
    parts.push(mark, text(at + 14, y + 11, caption, "size"));
    at += 14 + textPixels(caption, 11, false) + 16;
  };
  const shared = (f: Family): Family => (f === "elementwise" ? "merge" : f === "other" ? "moving" : f);
  const used = new Set([...families].map(shared));
  for (const [family, caption] of LEGEND) if (used.has(family)) entry(rect(at, y + 1, 4, 12, `rx="2" fill="${COLOURS[family]}"`), caption);
  if (views.some((v) => v.inserted || (v.kind === "closed" && v.inside.length > 0)))
    entry(rect(at - 2, y + 1.5, 11, 11, 'rx="3" class="box inserted"'), "inserted by an edit");
  if (views.some((v) => v.kind !== "cell" && v.times > 1))
    entry(`${rect(at, y + 3, 9, 9, 'rx="2" class="box"')}${rect(at - 3, y, 9, 9, 'rx="2" class="box"')}`, "×n: modules alike, in a row");
  return { svg: parts.join(""), width: at - x };
}

/** `facts` goes under the name: "28,088,024 parameters · 4.09 G MACs". */
export function svgText(picture: Picture, facts: string): string {
  const layout = layOut(picture);
  const legend = legendSvg(
    layout.views.map((p) => p.view),
    MARGIN,
    HEADER + layout.height + MARGIN,
  );
  const width = Math.ceil(
    Math.max(layout.width, legend.width, textPixels(facts, 12, false), textPixels(picture.name, 17, true)) + 2 * MARGIN,
  );
  const height = Math.ceil(layout.height + HEADER + FOOTER + MARGIN);
  const left = (width - layout.width) / 2;
  const frames = layout.views.filter((p) => p.view.kind === "frame");
  const boxes = layout.views.filter((p) => p.view.kind !== "frame");
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">
<title>${escaped(printable(picture.name))}</title>
<style>${STYLE}</style>
<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0.5L8 4L0 7.5Z" fill="#6e7781"/></marker></defs>
<rect width="${width}" height="${height}" fill="#fff"/>
${text(MARGIN, 32, printable(picture.name), "net")}
${text(MARGIN, 50, facts, "facts")}
<g transform="translate(${n(left)} ${HEADER})">
${frames.map(drawn).join("\n")}
<g class="edges">
${layout.edges.map(edgeSvg).join("\n")}
</g>
${frames.map((p) => headingSvg(p.view as Frame, p)).join("\n")}
${boxes.map(drawn).join("\n")}
${layout.edges
  .map(labelSvg)
  .filter((t) => t !== "")
  .join("\n")}
</g>
${legend.svg}
</svg>
`;
}
