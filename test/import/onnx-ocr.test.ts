import { describe, expect, test } from "vitest";
import type { Backend } from "../../backends/backend.ts";
import { builtInBackends } from "../../backends/registry.ts";
import { askNet, describeOcr, directionNet, pictures } from "../judges/ocr.ts";

// the GPU has its own project: gpu/import-ocr.test.ts
const backends = await builtInBackends();
describeOcr(backends.filter((b) => b.name !== "webgpu"));

describe("surgery on the imported net, on cpu", () => {
  const cpu = backends.find((b) => b.name === "cpu") as Backend;
  const answer = async (edits = ""): Promise<Float32Array> => {
    const output = await askNet(cpu, directionNet(edits), pictures());
    if (typeof output === "string") throw new Error(output);
    return output;
  };

  test("eca after every residual branch with init preserve: the same probabilities, bit for bit", async () => {
    const edits = 'insert eca() as "{}_eca" after @residual.main expect 7 init preserve';
    expect([...(await answer(edits))]).toEqual([...(await answer())]);
    // the same insertion that starts otherwise does change them
    expect([...(await answer('insert eca() as "{}_eca" after @residual.main expect 7'))]).not.toEqual([...(await answer())]);
  });

  test("without its nine squeeze-and-excitation blocks it runs and says something else", async () => {
    const without = await answer("remove @se expect 9");
    expect(without.every(Number.isFinite)).toBe(true);
    expect([...without]).not.toEqual([...(await answer())]);
  });

  test.each([
    "replace @se with ese() expect 9 init default",
    'set @se(gate="sigmoid") expect 9',
    'insert eca() as "{}_eca" before @se expect 9',
  ])("%s: it runs and says something else", async (edits) => {
    const other = await answer(edits);
    expect(other.every(Number.isFinite)).toBe(true);
    expect([...other]).not.toEqual([...(await answer())]);
  });

  test("tensors keep the file's names, whatever is put in", () => {
    const names = (edits: string): string[] => directionNet(edits).weights.map((w) => w.path);
    const before = names("");
    expect(before).toContain("conv2d_3.w_0");
    expect(before).toContain("batch_norm_0.w_1");
    const after = new Set(names('insert eca() as "{}_eca" after @residual.main init preserve'));
    expect(before.filter((name) => !after.has(name))).toEqual([]);
  });
});
