/** Traps of drivers that no compiler reports (kernels.md section 3.5), checked over the emitted text. Every shader must pass; tests see to it. */

/** Findings as "line 12: ...", none for clean text. */
export function lint(code: string): string[] {
  const found: string[] = [];
  const lines = code.split("\n").map((line) => line.replace(/\/\/.*$/, ""));
  const text = lines.join("\n");
  const report = (line: number, what: string): void => {
    found.push(`line ${line + 1}: ${what}`);
  };
  lines.forEach((line, i) => {
    if (/\b(tanh|sinh|cosh)\s*\(/.test(line)) report(i, "built-in tanh gives NaN for large arguments on some devices");
    if (/\bexp\s*\((?!min\(|2\.0f \* clamp\()/.test(line)) report(i, "exp of an unbounded argument can be infinite");
    if (/\b(inf|infinity|nan)\b/i.test(line)) report(i, "infinities and NaN are not portable");
    if (/(?<![\w.])(\d+\.\d*|\.\d+|\d+e[+-]?\d+)(?![\w.])/.test(line)) report(i, "a float literal without a type");
    if (/\bf16\b.*\bexp\(|\bexp\(f16/.test(line)) report(i, "exp in f16 overflows above 11");
    if (/\b(\w+) != \1\b/.test(line)) report(i, "comparing a value with itself does not find NaN");
    if (/\bacc\w*\b.*:\s*(vec4h|f16)\b/.test(line)) report(i, "an f16 accumulator");
  });
  for (const [, name] of text.matchAll(/@binding\(\d+\) var<storage, \w+> (\w+):/g)) {
    if ((text.match(new RegExp(`\\b${name}\\b`, "g")) ?? []).length < 2) found.push(`binding ${name} is never used`);
  }
  // a barrier after a conditional return, or inside of a branch on a thread's own index
  const main = text.slice(text.indexOf("fn main"));
  const barrier = main.indexOf("workgroupBarrier()");
  if (barrier >= 0) {
    if (/\breturn\b/.test(main.slice(0, main.lastIndexOf("workgroupBarrier()")))) found.push("a barrier that some threads never reach");
    let depth: boolean[] = [];
    for (const line of main.split("\n")) {
      const opens = /\{\s*$/.test(line);
      const closes = /^\s*\}/.test(line);
      if (closes) depth = depth.slice(0, -1);
      if (line.includes("workgroupBarrier()") && depth.includes(true)) found.push("a barrier under a condition of the thread");
      if (opens) depth.push(/\b(if|for|else)\b.*\b(lx|ly|local|thread|index)\b/.test(line));
    }
  }
  return found;
}
