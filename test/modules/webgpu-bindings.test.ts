/** WebGPU's rule for a dispatch, checked on the tables: a buffer bound for writing is bound for nothing else, and at disjoint ranges. */
import { expect, test } from "vitest";
import { programFor } from "../../backends/emit.ts";
import { webgpu } from "../../backends/webgpu/index.ts";
import { planOf, type StepEntry } from "../../backends/webgpu/plan.ts";
import { modesOf } from "../../backends/webgpu/variants.ts";
import { Diagnostics } from "../../compiler/diagnostics/diagnostic.ts";
import { must } from "../../compiler/invariant.ts";
import { sharedInputs } from "../../compiler/ir/kernel.ts";
import { shippedGraph } from "../judges/whole-nets.ts";

/** Arena ranges of a step with the letter each is bound by. */
function ranges(step: StepEntry, access: string) {
  return step.bindings.flatMap((b, i) => ("arena" in b ? [{ ...b, letter: access[i] }] : []));
}

test.each([
  ["mobilenet_v3_large.se", "mobilenet_v3_large"],
  ["resnet.se", "resnet18"],
  ["unet_scse.se", "scse_unet"],
])("%s: inputs in an arena that is written are bound for writing, apart from the rest", (file, net) => {
  const program = programFor(webgpu, shippedGraph(file, net), { batch: 1, level: 2, diagnostics: new Diagnostics() });
  const modes = modesOf("auto", false);
  const { steps, shaders } = planOf(program, modes);
  expect(program.memory.mixed.size).toBeGreaterThan(0);
  for (const [at, step] of steps.entries()) {
    const shared = sharedInputs(program, at);
    expect(shared.size > 0, step.name).toBe(program.memory.mixed.has(at));
    for (const { shader } of step.dispatch) {
      const { access, code } = must(shaders[shader], step.name);
      const declared = [...code.matchAll(/var<storage, (read|read_write)>/g)].map(([, mode]) => (mode === "read" ? "r" : "w"));
      expect(declared.join(""), step.name).toBe(access);
      const bound = ranges(step, access);
      for (const [i, a] of bound.entries())
        for (const b of bound.slice(i + 1))
          if (a.arena === b.arena && (a.letter === "w" || b.letter === "w")) {
            expect([a.letter, b.letter], step.name).toEqual(["w", "w"]);
            expect(a.offset + a.bytes <= b.offset || b.offset + b.bytes <= a.offset, step.name).toBe(true);
          }
      // no more bindings for writing than the plan needs: what only reads may be cached
      const writes = must(program.kernels[at], step.name).buffers.filter((b) => b.access === "write").length;
      expect([...access].filter((letter) => letter === "w").length, step.name).toBe(writes + shared.size);
    }
  }
});
