/** The words in boxes and on frames, for every printed form. */
import { printable } from "../diagnostics/text-width.ts";
import type { Cell, Closed, Frame, Row } from "./view.ts";

export const rowText = (row: Row): string => {
  if (row.family === "port") return printable(row.label);
  const what = row.op === "add" ? "+ add" : row.op === "mul" ? "× mul" : row.op;
  return [printable(row.label), what, row.detail].filter((t) => t !== "").join("  ");
};

/** What the type adds to the label: nothing for groups, nor for a block that is called as it is labelled. */
export const typeText = (view: Closed | Frame): string => (view.type === "group" || view.type === view.title ? "" : printable(view.type));

export const titleText = (view: Closed | Frame): string => [printable(view.title), typeText(view)].filter((t) => t !== "").join("  ");

export const timesText = (view: Closed | Frame): string => (view.times > 1 ? `×${view.times}` : "");

export const insideText = (view: Closed): string => view.inside.map((t) => `+ ${printable(t)}`).join("  ");

/** A frame's heading on one line. */
export const frameText = (view: Frame): string => [titleText(view), timesText(view)].filter((t) => t !== "").join("  ");

/** Lines of a box. */
export function boxText(view: Cell | Closed): string[] {
  if (view.kind === "cell") return [...(view.title === "" ? [] : [printable(view.title)]), ...view.rows.map(rowText)];
  const size = `${view.layers} ${view.layers === 1 ? "layer" : "layers"}`;
  return [
    [titleText(view), timesText(view)].filter((t) => t !== "").join("  "),
    [size, insideText(view)].filter((t) => t !== "").join("  "),
  ];
}
