import { existsSync, readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { Diagnostics } from "../../compiler/diagnostics/diagnostic.ts";
import { parseProgram } from "../../compiler/ir/parse-program.ts";
import { printProgram } from "../../compiler/ir/print-program.ts";
import { faultText } from "../../compiler/ir/verify.ts";
import { verifyProgram } from "../../compiler/ir/verify-program.ts";
import { kernelPasses } from "../../compiler/passes/kernel-pipeline.ts";
import { gpu } from "../kernels/optimize.ts";

// test/passes/<pass>/<case>.in.txt -> <case>.out.txt; `vitest -u` rewrites the outputs
const root = import.meta.dirname;
/** Capabilities that webgpu lacks and passes ask for. */
const more = (pass: string, file: string) => ({
  ...gpu,
  ...(pass === "plan-halo" ? { halo: true } : {}),
  ...(file.startsWith("winograd") ? { winograd: true } : {}),
});

for (const pass of new Set(kernelPasses)) {
  const folder = `${root}/${pass.name}`;
  const cases = existsSync(folder) ? readdirSync(folder).filter((f) => f.endsWith(".in.txt")) : [];

  test(`${pass.name} has cases`, () => {
    expect(cases.length).toBeGreaterThan(0);
  });

  for (const file of cases)
    test(`${pass.name}: ${file.slice(0, -".in.txt".length).replaceAll("-", " ")}`, async () => {
      const program = parseProgram(readFileSync(`${folder}/${file}`, "utf8"));
      expect(verifyProgram(program, gpu).map(faultText)).toEqual([]);
      const remarks: string[] = [];
      const context = {
        level: 2 as const,
        training: false,
        capabilities: more(pass.name, file),
        diagnostics: new Diagnostics(),
        remark: (r: { path: string; text: string }) => remarks.push(`# ${r.path}: ${r.text}\n`),
      };
      const after = pass.run(program, context);
      expect(verifyProgram(after, gpu).map(faultText)).toEqual([]);
      const printed = after === program ? "(unchanged)\n" : printProgram(after);
      await expect(printed + remarks.join("")).toMatchFileSnapshot(`${folder}/${file.replace(".in.", ".out.")}`);
      expect(printProgram(parseProgram(printProgram(after))), "what is printed reads back").toBe(printProgram(after));
      expect(printProgram(pass.run(after, context)), "a second run changes nothing").toBe(printProgram(after));
    });
}
