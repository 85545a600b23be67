/** How numbers and tables look for people; the JSON of diagnostics. */
export { diagnosticToJson } from "../compiler/diagnostics/render.ts";

/** "1,200" for a whole number. Not by locale: its tables take longer to load than most commands need. */
export const thousands = (n: number): string => String(n).replace(/\B(?=(\d{3})+$)/g, ",");

/** "1 layer", "1,200 layers". */
export const counted = (n: number, one: string, many = `${one}s`): string => `${thousands(n)} ${n === 1 ? one : many}`;

/** "5.60 M", "4.089 G", "884.7 k", "640". */
export function quantity(n: number, digits = 4): string {
  for (const [size, unit] of [
    [1e9, "G"],
    [1e6, "M"],
    [1e3, "k"],
  ] as const) {
    if (n >= size) return `${(n / size).toPrecision(digits)} ${unit}`;
  }
  return String(n);
}

/** Decimal bytes: "9.8 kB". */
export function bytesText(n: number): string {
  if (n >= 1e6) return `${(n / 1e6).toPrecision(3)} MB`;
  if (n >= 1e3) return `${(n / 1e3).toPrecision(n >= 1e5 ? 3 : 2)} kB`;
  return `${n} B`;
}

export const dims = (shape: readonly (number | string)[]): string => shape.join("×");

/** Columns padded to their widest cell; numbers in `right` are right-aligned. Two blanks between columns. */
export function table(rows: readonly (readonly string[])[], right: readonly number[] = []): string {
  const widths: number[] = [];
  for (const row of rows)
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, cell.length);
    });
  return rows
    .map((row) =>
      `  ${row.map((cell, i) => (right.includes(i) ? cell.padStart(widths[i] as number) : cell.padEnd(widths[i] as number))).join("  ")}`.trimEnd(),
    )
    .join("\n");
}

const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/** A bar of `share` (0..1) of `width` cells, in eighths. */
export function bar(share: number, width: number): string {
  const cells = Math.max(0, Math.min(1, share)) * width;
  const eighths = Math.round((cells - Math.floor(cells)) * 8);
  return eighths === 8 ? "█".repeat(Math.floor(cells) + 1) : `${"█".repeat(Math.floor(cells))}${EIGHTHS[eighths]}`;
}

/** Three significant digits: "3.1e-9", "0". */
export const small = (n: number): string => (n === 0 ? "0" : n.toExponential(1));

/** A word of a command line that can be pasted into a shell. */
export const shellWord = (text: string): string => (/^[\w@%+=:,./#-]+$/.test(text) ? text : `"${text.replace(/["\\$`]/g, "\\$&")}"`);
