/**
 * Emitted WebAssembly in a real page: headless Chromium, files fetched from beside the module under a strict Content-Security-Policy. One thread
 * everywhere; two in a cross-origin isolated page, with the same bits; without isolation the error says what is missing.
 */
import { expect, test } from "vitest";
import type { Backend } from "../../backends/backend.ts";
import { emitTarget } from "../../backends/emit.ts";
import { netFaults, referenceNets } from "../../backends/testing-nets.ts";
import { graphInputs, sampleWeights } from "../../backends/testing-samples.ts";
import { wasm } from "../../backends/wasm/index.ts";
import { Diagnostics } from "../../compiler/diagnostics/diagnostic.ts";
import { must } from "../../compiler/invariant.ts";
import { useSite } from "./page.ts";

const PAGE = `
import { load, signature } from "./se_mobile.js";
window.check = async (inputs, threads) => {
  const image = { [signature.inputs[0].name]: new Float32Array(inputs) };
  const net = await load({ threads }).catch((error) => String(error.message));
  if (typeof net === "string") return { refused: net };
  const [a, b] = await Promise.all([net.run(image), net.run(image)]);
  const profile = await net.profile(image);
  net.dispose();
  net.dispose();
  const after = await net.run(image).then(() => "ran", (error) => String(error.message));
  return { logits: [...a.logits], again: [...b.logits], layers: profile.map((p) => p.layer), relaxed: net.relaxed, after };
};
window.ready = true;
`;
interface Report {
  readonly refused?: string;
  readonly logits: number[];
  readonly again: number[];
  readonly layers: string[];
  readonly relaxed: boolean;
  readonly after: string;
}

const site = useSite({
  headers: (path) => ({
    "Content-Security-Policy": "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'",
    ...(path.startsWith("isolated/")
      ? { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" }
      : {}),
  }),
  fileOf: (path) => path.replace(/^isolated\//, ""),
});

test("a page: within bounds; two threads where it is isolated, an error that says so where it is not", async () => {
  const net = must(
    referenceNets().find((n) => n.graph.name === "se_mobile"),
    "net",
  );
  const { artifacts } = emitTarget({
    backend: wasm as unknown as Backend,
    graph: net.graph,
    options: { inline: false, threads: true },
    weights: sampleWeights,
    batch: net.batch,
    level: 2,
    diagnostics: new Diagnostics(),
    source: "net.se",
  });
  for (const file of artifacts) site.served.set(file.path, file.contents);
  site.served.set("index.html", '<!doctype html><title>net</title><script type="module" src="./page.js"></script>');
  site.served.set("page.js", PAGE);
  const inputs = graphInputs(net.graph, net.batch, "page");
  const image = [...must(inputs.image, "image")];
  const page = await site.browser().newPage();
  const open = async (path: string, threads: number): Promise<Report> => {
    await page.goto(`${site.address()}${path}index.html`);
    await page.waitForFunction("window.ready");
    return (await page.evaluate(`window.check(${JSON.stringify(image)}, ${threads})`)) as Report;
  };
  const alone = await open("", 1);
  expect(alone.refused).toBeUndefined();
  expect(alone.relaxed).toBe(true);
  expect(alone.after).toMatch(/se_mobile: .*dispose/);
  expect(alone.layers.length).toBeGreaterThan(5);
  expect(netFaults(net, inputs, { logits: Float32Array.from(alone.logits) })).toEqual([]);
  const refused = await open("", 2);
  expect(refused.refused).toMatch(/^se_mobile: threads need shared memory.*cross-origin isolated.*Cross-Origin-Opener-Policy/);
  const pool = await open("isolated/", 2);
  expect(pool.refused).toBeUndefined();
  expect(pool.logits).toEqual(alone.logits);
  expect(pool.again).toEqual(alone.logits);
  await page.close();
});
