/** What `load` refuses: weights that are damaged, cut short, of another build or no weights. Targets hash in two ways: in JavaScript and, wasm, in the memory. */
import { describe, expect, test } from "vitest";
import type { Backend } from "../../backends/backend.ts";
import { cpu } from "../../backends/cpu/index.ts";
import { emitTarget } from "../../backends/emit.ts";
import { importModule } from "../../backends/module/import-module.ts";
import { sampleWeights } from "../../backends/testing-samples.ts";
import { wasm } from "../../backends/wasm/index.ts";
import { Diagnostics } from "../../compiler/diagnostics/diagnostic.ts";
import { buildNet } from "../kernels/nets.ts";

const HEADER_BYTES = 64;

/** A net with weights that wasm expands at load, so that its payload has both kinds. */
async function emitted(backend: Backend) {
  const pen = buildNet("winograd");
  let x = pen.input("image", "N", 64, 14, 14);
  for (let i = 0; i < 4; i++) x = pen.op("conv", x, { out: 64, kernel: 3, bias: i > 1 }, `conv${i}`);
  const { artifacts } = emitTarget({
    backend,
    graph: pen.finish(x),
    options: {},
    weights: sampleWeights,
    batch: 1,
    level: 2,
    diagnostics: new Diagnostics(),
    source: "sample.se",
  });
  const { load, weights } = await importModule(artifacts, "winograd");
  if (backend.name === "wasm") expect(artifacts.find((f) => f.path === "winograd.js")?.contents).toMatch(/late: \[\[/);
  const bytes = (name: string) => artifacts.find((f) => f.path === name)?.contents;
  const given = { wasm: { plain: bytes("winograd.wasm"), relaxed: bytes("winograd.relaxed.wasm") } };
  return { weights, load: (own: Uint8Array | ArrayBuffer) => load({ ...given, weights: own }) };
}

const changed = (weights: Uint8Array, at: number): Uint8Array => {
  const copy = weights.slice();
  copy[at] = (copy[at] as number) ^ 1;
  return copy;
};

describe.each([
  ["cpu", cpu as unknown as Backend],
  ["wasm", wasm as unknown as Backend],
])("%s", (_, backend) => {
  test("one bit anywhere in the payload, zeros between tensors included, is found", async () => {
    const { weights, load } = await emitted(backend);
    (await load(weights)).dispose();
    const payload = weights.length - HEADER_BYTES;
    for (let i = 0; i < 40; i++) {
      const at = HEADER_BYTES + Math.floor((i * (payload - 1)) / 39);
      await expect(load(changed(weights, at))).rejects.toThrow(
        /winograd: the weights are damaged: expected hash [0-9a-f]{32}, got [0-9a-f]{32}/,
      );
    }
    const gap = weights.findLastIndex((byte) => byte !== 0) + 1;
    if (gap < weights.length) await expect(load(changed(weights, gap))).rejects.toThrow(/damaged/);
  });

  test("no weights, another version, cut short, too long, of another build", async () => {
    const { weights, load } = await emitted(backend);
    await expect(load(new Uint8Array(0))).rejects.toThrow(/these are not weights written by sec/);
    await expect(load(changed(weights, 0))).rejects.toThrow(/these are not weights written by sec/);
    await expect(load(changed(weights, 5))).rejects.toThrow(/the weights have version 257, this module reads version 1/);
    await expect(load(weights.slice(0, -16))).rejects.toThrow(/cut short or too long/);
    await expect(load(new Uint8Array([...weights, ...new Uint8Array(16)]))).rejects.toThrow(/cut short or too long/);
    // a header that says another hash, and is right about it
    const other = changed(weights, HEADER_BYTES);
    const got = await load(other).then(
      () => "",
      (error: Error) => error.message.match(/got ([0-9a-f]{32})/)?.[1] ?? "",
    );
    const header = new DataView(other.buffer, other.byteOffset, HEADER_BYTES);
    for (let lane = 0; lane < 4; lane++) header.setUint32(8 + lane * 4, Number.parseInt(got.slice(lane * 8, lane * 8 + 8), 16), true);
    await expect(load(other)).rejects.toThrow(/the weights are of another build/);
  });
});
