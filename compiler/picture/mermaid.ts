/** A picture as a Mermaid flowchart. */
import { boxText, frameText } from "./captions.ts";
import type { Picture, View } from "./view.ts";

/** Text between double quotes; Mermaid reads `#quot;` and numeric entities, and would read Markdown, HTML and directives. */
function quoted(text: string): string {
  const safe = text.replace(/[^\p{L}\p{N} ×·/…,.()=+\n_-]/gu, (c) => `#${c.codePointAt(0)};`).replaceAll("\n", "<br/>");
  return `"${safe}"`;
}

export function mermaidText(picture: Picture): string {
  const lines = ["flowchart TB"];
  const marked: string[] = [];
  const print = (view: View, indent: string): void => {
    if (view.kind === "frame") {
      lines.push(`${indent}subgraph m${view.id}[${quoted(frameText(view))}]`);
      for (const part of view.parts) print(part, `${indent}  `);
      lines.push(`${indent}end`);
    } else {
      const [open, close] = view.kind === "closed" ? ["[[", "]]"] : view.rows[0]?.family === "port" ? ["([", "])"] : ["[", "]"];
      lines.push(`${indent}n${view.id}${open}${quoted(boxText(view).join("\n"))}${close}`);
    }
    if (view.inserted) marked.push(nameOf(view));
  };
  for (const part of picture.root.parts) print(part, "  ");
  for (const { from, to, value } of picture.links) {
    const label = value.shape === "" ? "" : `|${quoted(value.shape)}|`;
    lines.push(`  ${nameOf(from)} -->${label} ${nameOf(to)}`);
  }
  if (marked.length > 0) lines.push("  classDef inserted stroke:#c2255c,stroke-width:2px", `  class ${marked.join(",")} inserted`);
  return `${lines.join("\n")}\n`;
}

const nameOf = (view: View): string => `${view.kind === "frame" ? "m" : "n"}${view.id}`;
