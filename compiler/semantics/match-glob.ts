/** Quoted text in a selector: `*` is any run without "/", `**` any run, `\*` a star (language.md section 9.1). */

type Token = { readonly kind: "char"; readonly char: string } | { readonly kind: "run" } | { readonly kind: "deep" };

function tokens(pattern: string): Token[] {
  const out: Token[] = [];
  for (let i = 0; i < pattern.length; i++) {
    const char = pattern[i] as string;
    if (char === "\\" && pattern[i + 1] === "*") {
      out.push({ kind: "char", char: "*" });
      i++;
    } else if (char === "*") {
      const deep = pattern[i + 1] === "*";
      if (deep) i++;
      out.push({ kind: deep ? "deep" : "run" });
    } else out.push({ kind: "char", char });
  }
  return out;
}

/** Whole-text match. Time is the product of the lengths: no pattern makes it explode. */
export function matchesGlob(text: string, pattern: string): boolean {
  if (!pattern.includes("*")) return text === pattern;
  // reach[i]: the tokens so far can stand for the first i characters
  let reach: boolean[] = Array.from({ length: text.length + 1 }, (_, i) => i === 0);
  for (const token of tokens(pattern)) {
    const next: boolean[] = [];
    for (let i = 0; i <= text.length; i++) {
      if (token.kind === "char") next.push(i > 0 && reach[i - 1] === true && text[i - 1] === token.char);
      else next.push(reach[i] === true || (i > 0 && next[i - 1] === true && (token.kind === "deep" || text[i - 1] !== "/")));
    }
    reach = next;
  }
  return reach[text.length] === true;
}
