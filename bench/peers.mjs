/**
 * The wasm target beside onnxruntime-web (fed by the onnx target) and TensorFlow.js's WebAssembly backend (fed by the tfjs target), in one
 * launch of Chromium: same net, same weights, turns in shuffled order. README.md says how to run it and what the numbers are.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { median, root, sec } from "./measure.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));
const RUNTIMES = ["sec-wasm", "ort-web", "tfjs-wasm"];
/** Largest error that counts as equal, of what the input changes in the output: above rounding, far below a wrong layer. */
const TOLERANCE = 1e-3;
/** Idle pools of threads spin for a while: a turn waits for the one before to come to rest. */
const REST_MS = 60;
/** Of one turn. */
const MOST_RUNS = 40;

function options() {
  const { values } = parseArgs({
    options: {
      nets: { type: "string", default: "resnet50,se_resnet50,mobilenet_v3_large,efficientnet_b0" },
      threads: { type: "string", default: "1" },
      runtimes: { type: "string", default: RUNTIMES.join(",") },
      rounds: { type: "string", default: "12" },
      slice: { type: "string", default: "400" },
      weights: { type: "string" },
      json: { type: "string" },
    },
  });
  const list = (text) => text.split(",").filter(Boolean);
  const number = (name) => {
    const n = Number(values[name]);
    if (!Number.isInteger(n) || n < 1) throw new Error(`--${name} wants a whole number from 1, got ${values[name]}`);
    return n;
  };
  const given = {
    nets: list(values.nets),
    threads: list(values.threads).map(Number),
    runtimes: list(values.runtimes),
    rounds: number("rounds"),
    slice: number("slice"),
    weights: values.weights,
    json: values.json,
  };
  for (const r of given.runtimes) if (!RUNTIMES.includes(r)) throw new Error(`--runtimes knows ${RUNTIMES.join(", ")}, got ${r}`);
  if (given.threads.some((n) => !Number.isInteger(n) || n < 1)) throw new Error(`--threads wants whole numbers, got ${values.threads}`);
  if (given.weights && given.nets.length !== 1) throw new Error("--weights is the file of one net: give one with --nets");
  return given;
}

/** What the benchmark stands on; says how to get what is missing. */
async function prepared() {
  if (!existsSync(sec)) throw new Error("sec is not built here: npm run build");
  const install = "the peers are not installed: npm ci --prefix bench";
  if (!existsSync(path.join(here, "node_modules/onnxruntime-web"))) throw new Error(install);
  const { CHROMIUM } = process.env;
  if (!CHROMIUM) throw new Error("CHROMIUM is not set: start this through scripts/with-gpu.mjs, or set it to a browser's path");
  const { chromium } = await import("playwright-core");
  const peak = await import(pathToFileURL(path.join(root, "dist/backends/wasm/peak.js")).href);
  const { serve } = await import("./peers/server.mjs");
  return { chromium, executablePath: CHROMIUM, peak, serve };
}

const shuffled = (list) =>
  list
    .map((value) => ({ value, key: Math.random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ value }) => value);

/** A picture-like input: smooth in both directions, different in every channel. */
function pictureOf([n, c, h, w]) {
  const values = new Float32Array(n * c * h * w);
  for (let i = 0; i < values.length; i++) {
    const [x, y, plane] = [i % w, Math.floor(i / w) % h, Math.floor(i / (w * h))];
    values[i] = Math.sin(x / 9 + plane) * Math.cos(y / 7 - plane) + 0.25 * Math.sin((x * y) / 301);
  }
  return values;
}

const largest = (values) => values.reduce((m, v) => Math.max(m, Math.abs(v)), 0);

/** Largest difference from what is right, of `change`. */
function errorOf(output, { wanted, change }) {
  if (output.length !== wanted.length) return Infinity;
  return output.reduce((m, v, i) => Math.max(m, Number.isFinite(v) ? Math.abs(v - wanted[i]) : Infinity), 0) / change;
}

/** The file of --weights, or one made for the benchmark, kept in bench/.cache. */
function weightsOf(net, weights) {
  if (weights) return path.resolve(weights);
  const cache = path.join(here, ".cache");
  const file = path.join(cache, `${net}.safetensors`);
  if (existsSync(file)) return file;
  mkdirSync(cache, { recursive: true });
  console.log(`${net}: making weights (once)`);
  execFileSync(process.execPath, ["--import", "tsx", "bench/settle-weights.ts", net, file], { cwd: root, stdio: "inherit" });
  return file;
}

/** Compiles a net for everybody, and computes what is right with the cpu target: it sums in f64. */
async function compiled(net, folder, weights) {
  const args = ["compile", net, "-q", "-t", "wasm,onnx,tfjs,cpu", "-o", folder, "--weights", weightsOf(net, weights)];
  execFileSync(process.execPath, [sec, ...args], { cwd: root, stdio: ["ignore", "ignore", "inherit"] });
  const { macs } = JSON.parse(
    execFileSync(process.execPath, [sec, "inspect", net, "--json"], { cwd: root, encoding: "utf8", maxBuffer: 1 << 28 }),
  );
  const { load, signature } = await import(pathToFileURL(path.join(folder, net, "cpu", `${net}.js`)).href);
  const [input] = signature.inputs;
  const values = pictureOf(input.shape);
  const loaded = await load();
  const right = async (x) => (await loaded.run({ [input.name]: x }))[signature.outputs[0].name];
  const wanted = await right(values);
  // the last layer's bias is large beside what untrained layers say: a contender that ignored its input would be nearly right
  const idle = await right(new Float32Array(values.length));
  loaded.dispose();
  const change = largest(wanted.map((v, i) => v - idle[i]));
  if (!(change > 1e-2 * largest(wanted))) throw new Error(`${net}: its output hardly depends on its input; give trained --weights`);
  return { macs, shape: input.shape, values, wanted, change };
}

/** All contenders of one net and one number of threads, each in a tab of its own. */
async function contest({ context, origin, made, net, threads, given }) {
  const contenders = [];
  const tab = async (runtime) => {
    const page = await context.newPage();
    page.on("pageerror", (error) => console.error(`  ${runtime}: ${error.message}`));
    await page.goto(`${origin}/peers/page.html`);
    await page.waitForFunction(() => globalThis.contender !== undefined);
    const opened = await page.evaluate((o) => globalThis.contender.open(o), {
      runtime,
      net,
      threads,
      shape: made.shape,
      input: "/input",
    });
    return { ...opened, contender: runtime, page, times: [], perRound: [] };
  };
  for (const runtime of given.runtimes) {
    const c = await tab(runtime);
    const error = errorOf(c.output, made);
    if (!(error <= TOLERANCE)) {
      console.log(`  ${runtime} is wrong by ${error.toExponential(1)} of what the input changes: not timed`);
      await c.page.close();
    } else contenders.push({ ...c, error });
  }
  const peak = await tab("peak");
  const peaks = [];
  for (let round = 0; round < given.rounds; round++) {
    for (const c of shuffled([...contenders, peak])) {
      await new Promise((resolve) => setTimeout(resolve, REST_MS));
      if (c === peak) {
        peaks.push(await peak.page.evaluate(() => globalThis.contender.peak()));
        continue;
      }
      const { times, output } = await c.page.evaluate((o) => globalThis.contender.turn(o), { slice: given.slice, most: MOST_RUNS });
      const error = errorOf(output, made);
      if (!(error <= TOLERANCE)) throw new Error(`${net}, ${c.contender}: round ${round} is wrong by ${error.toExponential(1)}`);
      c.times.push(...times);
      c.perRound.push(median(times));
    }
  }
  for (const { page } of [...contenders, peak]) await page.close();
  return { contenders, peaks, peakKind: peak.runtime };
}

function report({ net, threads, made, contenders, peaks, peakKind }, flopsARound) {
  const gigaflops = peaks.map((p) => (p * flopsARound) / 1e6);
  const peak = median(gigaflops);
  const flops = 2 * made.macs;
  const own = contenders.find((c) => c.contender === "sec-wasm");
  const rows = contenders.map((c) => {
    const ms = median(c.times);
    const ratios = own && c !== own ? own.perRound.map((own, i) => own / c.perRound[i]) : [];
    return {
      net,
      threads,
      contender: c.contender,
      runtime: c.runtime,
      medianMs: ms,
      leastMs: Math.min(...c.times),
      gflops: flops / ms / 1e6,
      peakShare: flops / ms / 1e6 / peak,
      bestShare: flops / Math.min(...c.times) / 1e6 / Math.max(...gigaflops),
      loadMs: c.load,
      firstMs: c.first,
      error: c.error,
      runs: c.times.length,
      ...(ratios.length ? { ratio: median(ratios) } : {}),
    };
  });
  return { rows, peak: { threads, median: peak, best: Math.max(...gigaflops), kind: peakKind } };
}

const cells = (r) => [
  r.net,
  r.threads,
  r.contender,
  r.medianMs.toFixed(1),
  r.leastMs.toFixed(1),
  r.ratio === undefined ? "" : r.ratio.toFixed(2),
  r.gflops.toFixed(1),
  `${(100 * r.peakShare).toFixed(0)} %`,
  (r.loadMs + r.firstMs).toFixed(0),
];
const HEAD = ["net", "threads", "contender", "median ms", "least ms", "sec / it", "GFLOP/s", "of peak", "load + first, ms"];
const line = (list) => `| ${list.join(" | ")} |`;

const given = options();
const { chromium, executablePath, peak, serve } = await prepared();
const folder = mkdtempSync(path.join(os.tmpdir(), "sec-peers-"));
const places = { nets: folder, modules: path.join(here, "node_modules"), peers: path.join(here, "peers") };
places["fused.wasm"] = peak.peakModule(true);
places["apart.wasm"] = peak.peakModule(false);
const server = await serve(places);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-quic", "--no-first-run"] });
const results = [];
const versionOf = (name) => JSON.parse(readFileSync(path.join(here, "node_modules", name, "package.json"), "utf8")).version;
const machine = {
  cpu: `${os.cpus()[0].model.trim()}, ${os.cpus().length} cores`,
  system: `${os.type()} ${os.arch()}`,
  browser: `Chromium ${browser.version()}`,
  peers: Object.fromEntries(["onnxruntime-web", "@tensorflow/tfjs", "@tensorflow/tfjs-backend-wasm"].map((n) => [n, versionOf(n)])),
  loadBefore: os.loadavg()[0],
};
console.log(`${machine.cpu}, ${machine.system}; ${machine.browser}; load ${machine.loadBefore.toFixed(1)}`);
try {
  for (const net of given.nets) {
    const made = await compiled(net, folder, given.weights);
    places.input = new Uint8Array(made.values.buffer);
    for (const threads of given.threads) {
      console.log(`${net}, ${threads} thread${threads > 1 ? "s" : ""}`);
      const context = await browser.newContext();
      const contested = await contest({ context, origin: server.origin, made, net, threads, given });
      await context.close();
      const done = report({ net, threads, made, ...contested }, peak.FLOPS_A_ROUND);
      results.push(done);
      console.log(`  peak ${done.peak.median.toFixed(1)} GFLOP/s (best ${done.peak.best.toFixed(1)}), ${done.peak.kind}`);
      for (const r of done.rows) console.log(`  ${cells(r).slice(2).join("  ")}   error ${r.error.toExponential(1)}, ${r.runs} runs`);
    }
    rmSync(path.join(folder, net), { recursive: true });
  }
} finally {
  await browser.close();
  await server.close();
  rmSync(folder, { recursive: true, force: true });
}
machine.loadAfter = os.loadavg()[0];
console.log(`\n${[line(HEAD), line(HEAD.map(() => "---")), ...results.flatMap((r) => r.rows).map((r) => line(cells(r)))].join("\n")}`);
console.log(`\nload average ${machine.loadBefore.toFixed(1)} before, ${machine.loadAfter.toFixed(1)} after, ${os.cpus().length} cores`);
if (given.json) writeFileSync(given.json, `${JSON.stringify({ machine, results }, undefined, 2)}\n`);
