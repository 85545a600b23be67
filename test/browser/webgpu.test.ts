/**
 * An emitted module in a real page: headless Chromium, served under a strict Content-Security-Policy, with the weights fetched from beside the
 * module. Numbers against the reference; no GPU object but the command encoder is made in `run`; everything is freed by `dispose`.
 */
import { expect, test } from "vitest";
import type { Artifact, Backend } from "../../backends/backend.ts";
import { emitTarget } from "../../backends/emit.ts";
import { netFaults, referenceNets, type TestNet } from "../../backends/testing-nets.ts";
import { graphInputs, sampleWeights } from "../../backends/testing-samples.ts";
import { webgpu } from "../../backends/webgpu/index.ts";
import { Diagnostics } from "../../compiler/diagnostics/diagnostic.ts";
import { must } from "../../compiler/invariant.ts";
import { useSite } from "./page.ts";

const named = (name: string): TestNet =>
  must(
    referenceNets().find((n) => n.graph.name === name),
    name,
  );

/** Runs in the page: loads the module twice, counts what the device makes, and reports. */
const PAGE = `
import { load, signature } from "./net.js";
window.check = async (inputs) => {
  const made = [];
  const proto = GPUDevice.prototype;
  const wrapped = Object.getOwnPropertyNames(proto).filter((name) => name.startsWith("create"));
  for (const name of wrapped) {
    const original = proto[name];
    proto[name] = function (...args) {
      made.push(name);
      const object = original.apply(this, args);
      return object;
    };
  }
  const freed = { count: 0 };
  const destroy = GPUBuffer.prototype.destroy;
  GPUBuffer.prototype.destroy = function () { freed.count++; return destroy.call(this); };
  const progress = [];
  const net = await load({ onProgress: (done, total) => progress.push([done, total]) });
  const atLoad = made.splice(0);
  const image = { [signature.inputs[0].name]: new Float32Array(inputs) };
  const first = await net.run(image);
  const atFirst = made.splice(0);
  const [a, b] = await Promise.all([net.run(image), net.run(image)]);
  const atNext = made.splice(0);
  const profile = await net.profile(image);
  made.splice(0);
  const buffers = atLoad.filter((name) => name === "createBuffer").length;
  freed.count = 0;
  const running = net.run(image).then(() => "done", (error) => String(error.message));
  // let the run reach the device, but not its end
  for (let i = 0; i < 20; i++) await null;
  net.dispose();
  net.dispose();
  const after = await net.run(image).then(() => "ran", (error) => String(error.message));
  return {
    logits: [...first.logits], same: [a, b].every((r) => r.logits.every((v, i) => v === first.logits[i])),
    atLoad: [...new Set(atLoad)], atFirst, atNext, progress, profile, adapter: net.adapter, buffers, freed: freed.count,
    running: await running, after,
  };
};
window.ready = true;
`;

const site = useSite({
  args: ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"],
  headers: () => ({ "Content-Security-Policy": "default-src 'self'" }),
});

interface Report {
  readonly logits: number[];
  readonly same: boolean;
  readonly atLoad: string[];
  readonly atFirst: string[];
  readonly atNext: string[];
  readonly progress: [number, number][];
  readonly profile: { layer: string; ms: number }[];
  readonly adapter: { architecture: string; isFallbackAdapter: boolean; variant: string };
  readonly buffers: number;
  readonly freed: number;
  readonly running: string;
  readonly after: string;
}

function emitted(net: TestNet): { readonly artifacts: readonly Artifact[]; readonly dispatches: number } {
  const { artifacts, metrics } = emitTarget({
    backend: webgpu as unknown as Backend,
    graph: net.graph,
    options: { variant: "auto", f16: false },
    weights: sampleWeights,
    batch: net.batch,
    level: 2,
    diagnostics: new Diagnostics(),
    source: "net.se",
  });
  return { artifacts, dispatches: metrics.dispatches ?? 0 };
}

/** Serves the files of one net and a page that imports them. */
function serve(name: string, artifacts: readonly Artifact[]): void {
  site.served.clear();
  for (const file of artifacts) site.served.set(file.path === `${name}.js` ? "net.js" : file.path, file.contents);
  site.served.set("page.js", PAGE);
  site.served.set("index.html", '<!doctype html><meta charset="utf-8"><title>net</title><script type="module" src="page.js"></script>');
}

test("a net with squeeze and excitation runs in a page under default-src 'self'", async () => {
  const net = named("se_bottleneck");
  const { artifacts, dispatches } = emitted(net);
  serve("se_bottleneck", artifacts);
  const page = await site.browser().newPage();
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error" && !message.text().includes("favicon")) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  await page.goto(site.address());
  await page.waitForFunction("window.ready === true");
  const inputs = graphInputs(net.graph, net.batch, "browser");
  const report = (await page.evaluate(`window.check(${JSON.stringify([...(inputs.image as Float32Array)])})`)) as Report;
  await page.close();

  expect(netFaults(net, inputs, { logits: Float32Array.from(report.logits) })).toEqual([]);
  expect(report.same).toBe(true);

  // the counting works, and run makes nothing that lives
  expect(report.atLoad).toContain("createBuffer");
  expect(report.atLoad).toContain("createBindGroup");
  expect(report.atLoad).toContain("createComputePipelineAsync");
  expect(report.atFirst).toEqual(["createCommandEncoder"]);
  expect(report.atNext).toEqual(["createCommandEncoder", "createCommandEncoder"]);
  const [done, total] = must(report.progress.at(-1), "progress");
  expect([done, report.progress.length]).toEqual([total, total + 1]);
  expect(report.profile).toHaveLength(dispatches);
  expect(report.profile.every((p) => p.layer !== "" && p.ms >= 0)).toBe(true);
  expect(report.adapter).toMatchObject({ architecture: "swiftshader", isFallbackAdapter: true, variant: "register" });

  expect(report.freed).toBe(report.buffers);
  expect(report.running).toBe("se_bottleneck: disposed while running");
  expect(report.after).toBe("se_bottleneck: run after dispose");
  expect(complaints).toEqual([]);
});

test("without WebGPU, load says what is missing and which target works", async () => {
  const net = named("plain");
  serve("plain", emitted(net).artifacts);
  const page = await site.browser().newPage();
  await page.addInitScript("Object.defineProperty(navigator, 'gpu', { value: undefined })");
  await page.goto(site.address());
  await page.waitForFunction("window.ready === true");
  const message = await page.evaluate(`import("./net.js").then((m) => m.load()).then(() => "loaded", (error) => error.message)`);
  expect(message).toMatch(/^plain: no WebGPU here .* the cpu target works here$/);
  await page.close();
});

test("a lost device rejects runs with its reason", async () => {
  const net = named("plain");
  serve("plain", emitted(net).artifacts);
  const page = await site.browser().newPage();
  await page.goto(site.address());
  await page.waitForFunction("window.ready === true");
  const message = await page.evaluate(`(async () => {
    const { load } = await import("./net.js");
    const device = await (await navigator.gpu.requestAdapter()).requestDevice();
    const net = await load({ device });
    const image = new Float32Array(585);
    await net.run({ image });
    device.destroy();
    await device.lost;
    return net.run({ image }).then(() => "ran", (error) => error.message);
  })()`);
  expect(message).toMatch(/^plain: the GPU device was lost \(destroyed.*\); load the net again$/);
  await page.close();
});
