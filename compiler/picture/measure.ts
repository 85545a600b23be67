/** Estimates how wide a text is in a sans-serif font: a picture is laid out where there is no font. */
import { characterWidth } from "../diagnostics/text-width.ts";

/** Widths in ems, a little generous: text must not leave its box whatever font the viewer has. */
function em(character: string): number {
  if (characterWidth(character) === 2) return 1.05;
  if ("iljtfr.,:;'|!·()[]".includes(character)) return 0.36;
  if (character === " ") return 0.3;
  if ("mwMW@%…".includes(character)) return 0.95;
  if (character === "×") return 0.82;
  if (/[0-9]/.test(character)) return 0.64;
  return /[A-Z]/.test(character) ? 0.72 : 0.6;
}

export function textPixels(text: string, size: number, bold: boolean): number {
  let ems = 0;
  for (const character of text) ems += em(character);
  return ems * size * (bold ? 1.06 : 1);
}
