/** A picture as a page: the SVG, scrolled when it is larger than the window. No script. */
import { printable } from "../diagnostics/text-width.ts";
import { svgText } from "./svg.ts";
import type { Picture } from "./view.ts";

export function htmlText(picture: Picture, facts: string): string {
  const title = printable(picture.name).replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${title}</title>
<style>body{margin:0;background:#f6f8fa;display:grid;justify-content:safe center}svg{display:block;margin:16px;border-radius:8px}</style>
${svgText(picture, facts)}</html>
`;
}
