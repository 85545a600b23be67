/**
 * node bench/compile.mjs (after npm run build): what compiling costs. CPU time of whole processes, medians.
 * Goals: SE-ResNet-50 to all targets <= 1 s of CPU without weights, <= 3 s with 112 MB of weights and a peak of <= 3x the weights;
 * time linear in the number of layers; `sec check` <= 150 ms over Node's own start.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { measureNode, ms, root, sec } from "./measure.mjs";

const folder = mkdtempSync(path.join(os.tmpdir(), "sec-bench-"));
const file = (name, text) => {
  const full = path.join(folder, name);
  writeFileSync(full, text);
  return full;
};
const TARGETS = "cpu,tfjs,webgpu";
const report = [];
const row = (what, value, goal) => {
  report.push({ what, value, goal });
  console.log(`${what.padEnd(64)} ${value.padEnd(24)} ${goal}`);
};

console.log(`node ${process.version}, ${os.cpus()[0].model}, ${os.cpus().length} cores\n`);

const empty = measureNode(["-e", "0"], { runs: 9 });
const small = file("plain.se", readFileSync(path.join(root, "specs/nets/plain.se"), "utf8"));
const check = measureNode([sec, "check", small], { runs: 9 });
row("sec check, a 12-line file: wall time over `node -e 0`", ms(check.wall - empty.wall), "<= 150 ms");
const checkSe = measureNode([sec, "check", "se_resnet50"], { runs: 9 });
row("sec check se_resnet50: wall time over `node -e 0`", ms(checkSe.wall - empty.wall), "<= 150 ms");

const out = path.join(folder, "out");
let outs = 0;
/**
 * Arguments of the next run: a folder for each, as users have it. What the run before wrote is emptied, not removed: ext4 searches long for the
 * number of a new file where files were removed lately.
 */
const anew =
  (...args) =>
  () => {
    const last = path.join(folder, `out-${outs}`, "se_resnet50");
    if (outs > 0) for (const target of TARGETS.split(",")) truncateSync(path.join(last, target, "se_resnet50.weights"));
    return [sec, "compile", "se_resnet50", "-t", TARGETS, "-o", path.join(folder, `out-${++outs}`), ...args];
  };
const bare = measureNode(anew(), { runs: 9 });
row(`sec compile se_resnet50 -t ${TARGETS}, no weights: CPU`, ms(bare.cpu), "<= 1000 ms");
const again = measureNode([sec, "compile", "se_resnet50", "-t", TARGETS, "-o", out], { runs: 5 });
row("the same over the files of the last run: CPU", ms(again.cpu), "");

// a weights file with every tensor of the net
const weights = path.join(folder, "se_resnet50.safetensors");
execFileSync(process.execPath, [path.join(root, "bench/make-weights.mjs"), "se_resnet50", weights], { stdio: "inherit" });
const full = measureNode(anew("--weights", weights), { runs: 5 });
const megabytes = statSync(weights).size / 2 ** 20;
row(`the same with ${megabytes.toFixed(0)} MiB of weights: CPU`, ms(full.cpu), "<= 3000 ms");
row("the same: peak memory over the weights", (full.peak / megabytes).toFixed(2), "<= 3");

for (const target of TARGETS.split(",")) {
  const code = readFileSync(path.join(out, "se_resnet50", target, "se_resnet50.js"));
  row(`se_resnet50 for ${target}: module, gzip -9`, `${(gzipSync(code, { level: 9 }).length / 1000).toFixed(1)} kB`, "<= 40 kB (aim 20)");
}
for (const net of ["resnet50", "se_resnet50", "mobilenet_v3_large", "unet"]) {
  const { stdout } = measureNode([sec, "compile", net, "-t", "webgpu", "-o", out, "--json"], { runs: 1, warmup: 0 });
  const made = JSON.parse(stdout);
  const text = readFileSync(path.join(out, net, "webgpu", `${net}.js`), "utf8");
  const ratio = /([\d.]+) (?:x|times) the lower bound|ratio[^\d]*([\d.]+)/i.exec(text);
  row(
    `${net} for webgpu: dispatches, arenas`,
    `${made.dispatches}, ${(made.arenaBytes / 1e6).toFixed(2)} MB`,
    ratio ? `${ratio[1] ?? ratio[2]} x live-range bound, must <= 1.15` : "",
  );
}

// linear in the number of layers: CPU per layer, over the first row's
const chain = (layers) => `se 1
net chain {
  input x: f32[N, 8, 8, 8]
  body: { { conv: conv(8, 3)  bn: bn  relu  att: se(reduction=2) } * ${Math.round(layers / 10)} }
  output y
}
`;
let first;
for (const layers of [625, 1250, 2500, 5000]) {
  const spec = file(`chain-${layers}.se`, chain(layers));
  const run = measureNode([sec, "compile", spec, "-t", TARGETS, "-o", out], { runs: 3 });
  const per = (run.cpu - bareStart()) / layers;
  first ??= per;
  row(`a net of ${layers} layers to all targets: CPU`, ms(run.cpu), `${(per / first).toFixed(2)} x the first row's time per layer`);
}

function bareStart() {
  return empty.cpu;
}

rmSync(folder, { recursive: true });
