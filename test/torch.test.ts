/** PyTorch judges cpu and tfjs: the recorded outputs always, PyTorch itself where it is installed. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Backend } from "../backends/backend.ts";
import { cpu } from "../backends/cpu/index.ts";
import { tfjs } from "../backends/tfjs/index.ts";
import { bytesSource, openSafetensors, type StoredTensor, type TensorFile } from "../compiler/weights/safetensors.ts";
import { describeTorch, torchItself } from "./judges/describe-torch.ts";
import { useTfjs } from "./judges/tfjs-backend.ts";
import { findTorch, recorded, torchCases } from "./judges/torch.ts";

const folder = mkdtempSync(path.join(tmpdir(), "sec-torch-"));
afterAll(() => rmSync(folder, { recursive: true }));
beforeAll(async () => {
  await useTfjs("wasm");
  torchItself(folder);
}, 600_000);

// loops at full size take long: the net with gates is resnet50 with more, and smaller images are in test/zoo
const ON_CPU = torchCases.filter((c) => process.env.SEC_ALL_NETS || c.title !== "resnet50");
describeTorch(cpu as unknown as Backend, ON_CPU);
describeTorch(tfjs as unknown as Backend);

const opened = (bytes: Uint8Array): TensorFile => {
  const file = openSafetensors("weights.safetensors", bytesSource(bytes));
  if (!file.ok) throw new Error(file.problem.title);
  return file.file;
};

const bytesOf = (t: StoredTensor): Uint8Array => t.source.read(t.begin, t.end);

describe("the numbers of both sides are the same", () => {
  // resnet50's names and shapes are se_resnet50's too
  test.each(torchCases.filter((c) => c.title !== "se_block" && c.title !== "resnet50"))("weights of $title, bit for bit", (c) => {
    if (!findTorch()) {
      // without Python the outputs alone tell: other weights would give other outputs
      expect(process.env.CI).toBeFalsy();
      expect(recorded(c.judge).values.length).toBeGreaterThan(50);
      return;
    }
    const name = path.join(folder, `${c.judge}.safetensors`);
    const [theirs, ours] = [opened(readFileSync(name)), opened(c.weightsFile())];
    expect([...theirs.tensors.keys()].sort()).toEqual([...ours.tensors.keys()].sort());
    for (const [tensor, stored] of theirs.tensors) {
      const own = ours.tensors.get(tensor);
      expect(own?.shape, tensor).toEqual(stored.shape);
      const same = own !== undefined && Buffer.compare(bytesOf(stored), bytesOf(own)) === 0;
      expect(same, tensor).toBe(true);
    }
  });
});
