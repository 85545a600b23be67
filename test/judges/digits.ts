/** The trained example (examples/digits): the held-out digits on a target must get the answers they got in PyTorch. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { Backend } from "../../backends/backend.ts";
import { emitTarget } from "../../backends/emit.ts";
import { parseBackendOptions } from "../../backends/registry.ts";
import { Diagnostics } from "../../compiler/diagnostics/diagnostic.ts";
import { readNpz } from "../../compiler/weights/npy.ts";
import { checkedNet } from "./pytorch-nets.ts";
import { readerOf } from "./whole-nets.ts";

const FOLDER = new URL("../../examples/digits/", import.meta.url);
/** What train.py wrote after the last epoch: 0.98665 of 899. */
const RIGHT = 887;
const BATCH = 31;

function heldOut(): { readonly images: Float32Array; readonly labels: readonly number[] } {
  const arrays = readNpz(readFileSync(new URL("held-out.npz", FOLDER)));
  if (typeof arrays === "string") throw new Error(arrays);
  const labels = arrays.get("labels")?.data;
  const pixels = arrays.get("images")?.data;
  if (!labels || !pixels) throw new Error("held-out.npz has no images and labels");
  // as in training: mean 0.3, deviation 0.37 of pixels between 0 and 1
  return { labels: [...labels], images: Float32Array.from(pixels, (v) => (v / 255 - 0.3) / 0.37) };
}

/** One test: every image of the file, `right` of them recognised. */
export function describeDigits(backend: Backend): void {
  test(`${RIGHT} of 899 digits are right on ${backend.name}`, async (context) => {
    const { graph, tree } = checkedNet(readFileSync(new URL("digits.se", FOLDER), "utf8"), "digits.se", "digits_se_resnet20");
    const weights = readerOf(graph, readFileSync(new URL("digits_se_resnet20.safetensors", FOLDER)));
    const diagnostics = new Diagnostics();
    const options = parseBackendOptions(backend, {}, diagnostics);
    const emitted = emitTarget({ backend, graph, tree, options, weights, batch: BATCH, level: 2, diagnostics, source: "digits.se" });
    expect(diagnostics.all).toEqual([]);
    const runner = await backend.runner?.(emitted.artifacts, graph.name);
    if (!runner || "unavailable" in runner) {
      const reason = runner?.unavailable ?? "no runner";
      if (process.env.CI) throw new Error(reason);
      return context.skip(reason);
    }
    const { images, labels } = heldOut();
    expect(labels.length).toBe(899);
    let right = 0;
    try {
      for (let at = 0; at < labels.length; at += BATCH) {
        const { logits } = await runner.run({ image: images.slice(64 * at, 64 * (at + BATCH)) });
        for (let i = 0; i < BATCH; i++) {
          const scores = [...(logits as Float32Array).subarray(10 * i, 10 * (i + 1))];
          if (scores.indexOf(Math.max(...scores)) === labels[at + i]) right++;
        }
      }
    } finally {
      await runner.close();
    }
    expect(right).toBe(RIGHT);
  }, 300_000);
}
