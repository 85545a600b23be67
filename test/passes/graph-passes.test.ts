import { existsSync, readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { Diagnostics } from "../../compiler/diagnostics/diagnostic.ts";
import { parseGraph } from "../../compiler/ir/parse.ts";
import { printGraph } from "../../compiler/ir/print.ts";
import { faultText, verifyGraph } from "../../compiler/ir/verify.ts";
import { opRules } from "../../compiler/ops/rules.ts";
import { graphPasses } from "../../compiler/passes/pipeline.ts";

// test/passes/<pass>/<case>.in.txt -> <case>.out.txt; `vitest -u` rewrites the outputs
const root = import.meta.dirname;

for (const pass of new Set(graphPasses)) {
  const folder = `${root}/${pass.name}`;
  const cases = existsSync(folder) ? readdirSync(folder).filter((f) => f.endsWith(".in.txt")) : [];

  test(`${pass.name} has cases`, () => {
    expect(cases.length).toBeGreaterThan(0);
  });

  for (const file of cases)
    test(`${pass.name}: ${file.slice(0, -".in.txt".length).replaceAll("-", " ")}`, async () => {
      const text = readFileSync(`${folder}/${file}`, "utf8");
      const graph = parseGraph(text, opRules);
      expect(verifyGraph(graph, opRules).map(faultText)).toEqual([]);
      const remarks: string[] = [];
      const context = {
        level: 2 as const,
        training: /^# training$/m.test(text),
        diagnostics: new Diagnostics(),
        remark: (r: { path: string; text: string }) => remarks.push(`# ${r.path}: ${r.text}\n`),
      };
      const after = pass.run(graph, context);
      expect(verifyGraph(after, opRules).map(faultText)).toEqual([]);
      const printed = after === graph ? "(unchanged)\n" : printGraph(after, opRules);
      await expect(printed + remarks.join("")).toMatchFileSnapshot(`${folder}/${file.replace(".in.", ".out.")}`);
      expect(pass.run(after, context), "a second run changes nothing").toBe(after);
    });
}
