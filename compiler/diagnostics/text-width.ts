/** How many columns of a terminal a text takes, and how to show characters that a terminal would act on. */

/** Ranges of East Asian wide characters and of emoji, which take two columns (Unicode Standard Annex 11, coarse). */
const WIDE: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0x303e],
  [0x3041, 0xa4cf],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x1f300, 0x1f64f],
  [0x1f680, 0x1f6ff],
  [0x1f900, 0x1f9ff],
  [0x20000, 0x3fffd],
];

/** 0, 1 or 2 columns; `character` is one code point. */
export function characterWidth(character: string): number {
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x300) return 1;
  if (/^\p{M}$/u.test(character) || code === 0x200d || code === 0xfe0f) return 0;
  return WIDE.some(([low, high]) => code >= low && code <= high) ? 2 : 1;
}

/** Line breaks as blanks, every other control or direction-changing character as a visible stand-in of one column. */
export function printable(text: string): string {
  return text.replace(/\r?\n/g, " ").replace(/[\p{Cc}\p{Bidi_Control}\u200b\ufeff\ufff9-\ufffb\u2028\u2029]/gu, visible);
}

function visible(character: string): string {
  const code = character.charCodeAt(0);
  if (character === "\t") return " ";
  // the control pictures block mirrors the control characters
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  return code === 0x7f ? "\u2421" : "\ufffd";
}
