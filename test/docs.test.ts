/** Every complete spec that the documents show is accepted by the compiler, as it stands there. */
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { check, type Host, renderText, sourceFile } from "../compiler/index.ts";

const FOLDERS = ["test/fixtures/samples", "specs/nets"];

const host: Host = {
  readText(path) {
    const name = path.replace(/^sec\//, "");
    const found = FOLDERS.map((f) => `${f}/${name}`).find((f) => existsSync(f));
    return found ? { ok: true, text: readFileSync(found, "utf8") } : { ok: false, reason: "there is no such file" };
  },
};

/** Fenced blocks that are whole files: text that starts with the edition, or JSON that has one. */
function examples(file: string): string[] {
  return [...readFileSync(file, "utf8").matchAll(/^```\w*\n([\s\S]*?)^```/gm)]
    .map((m) => m[1] as string)
    .filter((text) => /^se 1\n/.test(text) || /^\{ "se": 1/.test(text));
}

describe.each(["specs/language.md", "README.md"])("%s", (file) => {
  const found = examples(file);
  test("shows at least one whole file", () => {
    expect(found.length).toBeGreaterThan(0);
  });
  test.each(found.map((text, i) => [i + 1, text] as const))("example %i is accepted", (i, text) => {
    const { diagnostics } = check(sourceFile(`example-${i}.${text.startsWith("{") ? "json" : "se"}`, text), host);
    expect(diagnostics.filter((d) => d.severity === "error").map((d) => renderText(d))).toEqual([]);
  });
});
