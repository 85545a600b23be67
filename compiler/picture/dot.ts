/** A picture in Graphviz's language. */
import { boxText, frameText } from "./captions.ts";
import type { Picture, View } from "./view.ts";

const quoted = (text: string): string => `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`;

export function dotText(picture: Picture): string {
  const lines = [
    `digraph ${quoted(picture.name)} {`,
    '  graph [fontname="Helvetica", style="rounded,filled", color="#d0d7de", fillcolor="#f6f8fa", compound=true]',
    '  node [fontname="Helvetica", shape=box, style="rounded,filled", fillcolor="white", color="#8c959f"]',
    '  edge [fontname="Helvetica", fontsize=10, color="#57606a"]',
  ];
  const print = (view: View, indent: string): void => {
    const mark = view.inserted ? ', color="#c2255c", penwidth=2' : "";
    if (view.kind === "frame") {
      lines.push(`${indent}subgraph cluster_${view.id} {`, `${indent}  graph [label=${quoted(frameText(view))}${mark}]`);
      for (const part of view.parts) print(part, `${indent}  `);
      lines.push(`${indent}}`);
      return;
    }
    const shape = view.kind === "closed" ? ", peripheries=2" : view.rows[0]?.family === "port" ? ", shape=oval" : "";
    lines.push(`${indent}n${view.id} [label=${quoted(boxText(view).join("\n"))}${shape}${mark}]`);
  };
  for (const part of picture.root.parts) print(part, "  ");
  for (const { from, to, value } of picture.links) {
    lines.push(`  n${from.id} -> n${to.id}${value.shape === "" ? "" : ` [label=${quoted(value.shape)}]`}`);
  }
  return `${lines.join("\n")}\n}\n`;
}
