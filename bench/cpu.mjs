/**
 * node bench/cpu.mjs [NET] [SIZE] (after npm run build): the cpu target against TensorFlow.js's cpu backend, the same net and weights,
 * taken in turns in one process; outputs are compared before a time counts. Goal: at least twice as fast on ResNet-18.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { median, root, sec } from "./measure.mjs";

const [net = "resnet18", size = "224"] = process.argv.slice(2);
const ROUNDS = 3;
const folder = mkdtempSync(path.join(os.tmpdir(), "sec-bench-"));
execFileSync(process.execPath, [sec, "compile", net, "-t", "cpu,tfjs", "-o", folder, "--shape", `image=1x3x${size}x${size}`], {
  cwd: root,
});
const tf = createRequire(path.join(root, "package.json"))("@tensorflow/tfjs");
await tf.setBackend("cpu");

const nets = {};
for (const target of ["cpu", "tfjs"]) {
  const { load, signature } = await import(pathToFileURL(path.join(folder, net, target, `${net}.js`)).href);
  nets[target] = { run: (await load({ tf })).run, signature };
}
const [input] = nets.cpu.signature.inputs;
const [output] = nets.cpu.signature.outputs;
const values = Float32Array.from({ length: input.shape.reduce((a, b) => a * b) }, (_, i) => Math.sin(i));
const run = async (target) => {
  const started = performance.now();
  const result = (await nets[target].run({ [input.name]: values }))[output.name];
  return { ms: performance.now() - started, result };
};

const a = (await run("cpu")).result;
const b = (await run("tfjs")).result;
const largest = a.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
const error = a.reduce((m, v, i) => Math.max(m, Math.abs(v - b[i])), 0) / largest;
if (!(error < 1e-4)) throw new Error(`outputs differ: ${error}`);
const times = { cpu: [], tfjs: [] };
for (let i = 0; i < ROUNDS; i++) for (const target of i % 2 ? ["tfjs", "cpu"] : ["cpu", "tfjs"]) times[target].push((await run(target)).ms);
console.log(
  `${net} at ${size}x${size}, node ${process.version}, ${os.cpus()[0].model}; largest difference ${error.toExponential(1)} of the largest output`,
);
for (const [target, list] of Object.entries(times)) console.log(`  ${target.padEnd(5)} median ${median(list).toFixed(0)} ms of ${ROUNDS}`);
console.log(`  TensorFlow.js cpu / sec cpu: ${(median(times.tfjs) / median(times.cpu)).toFixed(1)} (goal >= 2)`);
rmSync(folder, { recursive: true });
