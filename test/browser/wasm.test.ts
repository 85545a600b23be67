/**
 * Emitted WebAssembly in a real page: headless Chromium, files fetched from beside the module under a strict Content-Security-Policy. One thread
 * everywhere; two in a cross-origin isolated page, with the same bits; without isolation the error says what is missing.
 */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { type Browser, chromium } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Backend } from "../../backends/backend.ts";
import { emitTarget } from "../../backends/emit.ts";
import { referenceNets } from "../../backends/testing-nets.ts";
import { graphInputs, referenceInputs, sampleWeights } from "../../backends/testing-samples.ts";
import { wasm } from "../../backends/wasm/index.ts";
import { derivedBounds } from "../../compiler/analysis/bounds.ts";
import { Diagnostics } from "../../compiler/diagnostics/diagnostic.ts";
import { must } from "../../compiler/invariant.ts";
import { rounded, runReference } from "../../compiler/reference/run.ts";

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

const TYPES: Record<string, string> = { js: "text/javascript", html: "text/html", wasm: "application/wasm" };
const served = new Map<string, string | Uint8Array>();
let server: Server;
let browser: Browser;

beforeAll(async () => {
  server = createServer((request, response) => {
    const url = new URL(request.url ?? "/", "http://localhost");
    const path = url.pathname.slice(1) || "index.html";
    const contents = served.get(path.replace(/^isolated\//, ""));
    const isolation = path.startsWith("isolated/")
      ? { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" }
      : {};
    response.writeHead(contents === undefined ? 404 : 200, {
      "Content-Type": TYPES[path.split(".").at(-1) ?? ""] ?? "application/octet-stream",
      "Content-Security-Policy": "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'",
      ...isolation,
    });
    response.end(contents ?? "no such file");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  browser = await chromium.launch({
    executablePath: must(process.env.CHROMIUM, "CHROMIUM: run through scripts/with-gpu.mjs"),
    args: [
      "--no-sandbox",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
});
afterAll(async () => {
  await browser?.close();
  await new Promise((resolve) => server?.close(resolve));
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
  for (const file of artifacts) served.set(file.path, file.contents);
  served.set("index.html", '<!doctype html><title>net</title><script type="module" src="./page.js"></script>');
  served.set("page.js", PAGE);
  const inputs = graphInputs(net.graph, net.batch, "page");
  const image = [...must(inputs.image, "image")];
  const { port } = server.address() as AddressInfo;
  const page = await browser.newPage();
  const open = async (path: string, threads: number): Promise<Report> => {
    await page.goto(`http://127.0.0.1:${port}/${path}index.html`);
    await page.waitForFunction("window.ready");
    return (await page.evaluate(`window.check(${JSON.stringify(image)}, ${threads})`)) as Report;
  };
  const alone = await open("", 1);
  expect(alone.refused).toBeUndefined();
  expect(alone.relaxed).toBe(true);
  expect(alone.after).toMatch(/se_mobile: .*dispose/);
  expect(alone.layers.length).toBeGreaterThan(5);
  const reader = rounded(sampleWeights);
  const arrays = referenceInputs(net.graph, net.batch, inputs);
  const want = must(runReference(net.graph, arrays, reader, { batch: net.batch }).logits, "reference").data;
  const allowed = must(derivedBounds(net.graph, arrays, reader, { batch: net.batch })[0], "bound").allowed;
  const limit = (i: number): number => (typeof allowed === "number" ? allowed : (allowed[i] as number));
  alone.logits.forEach((v, i) => {
    expect(Math.abs(v - (want[i] as number))).toBeLessThanOrEqual(limit(i));
  });
  const refused = await open("", 2);
  expect(refused.refused).toMatch(/^se_mobile: threads need shared memory.*cross-origin isolated.*Cross-Origin-Opener-Policy/);
  const pool = await open("isolated/", 2);
  expect(pool.refused).toBeUndefined();
  expect(pool.logits).toEqual(alone.logits);
  expect(pool.again).toEqual(alone.logits);
  await page.close();
});
