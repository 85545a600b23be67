/** The library's blocks are parsed one by one when they are used: they are those of the whole file. */
import { expect, test } from "vitest";
import { Diagnostics } from "../../compiler/diagnostics/diagnostic.ts";
import { libraryTexts } from "../../compiler/semantics/library.gen.ts";
import { library } from "../../compiler/semantics/library.ts";
import { sourceFile } from "../../compiler/source.ts";
import { parseSpec } from "../../compiler/syntax/parse.ts";

test("every block is what the parser makes of its whole file, places included", () => {
  const diagnostics = new Diagnostics();
  const whole = Object.entries(libraryTexts).flatMap(([name, text]) => parseSpec(sourceFile(name, text), diagnostics)?.defs ?? []);
  expect(diagnostics.all).toEqual([]);
  expect([...library().keys()]).toEqual(whole.map((def) => def.name.text));
  for (const def of whole) expect(library().get(def.name.text)?.def).toEqual(def);
});
