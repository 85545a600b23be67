/**
 * node scripts/with-gpu.mjs node scripts/run-module.mjs FOLDER PICTURE: imports an emitted WebGPU module from disk as another project would,
 * runs it on a picture and prints the five largest outputs. Uses nothing of sec but the emitted files and the picture reader.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { create, globals } from "webgpu";
import { decodePicture, pictureToTensor } from "../dist/cli/images.js";

const [folder = "", picture = ""] = process.argv.slice(2);
const name = path.basename(path.dirname(path.resolve(folder)));

Object.assign(globalThis, globals);
globalThis.__gpu = create([]); // must outlive every device
Object.defineProperty(globalThis, "navigator", { value: { gpu: globalThis.__gpu }, configurable: true });

const { load, signature } = await import(pathToFileURL(path.resolve(folder, `${name}.js`)).href);
const started = performance.now();
const net = await load({
  onProgress: (done, total) => {
    if (process.stderr.isTTY) process.stderr.write(`\rcompiling shaders ${done}/${total} `);
  },
});
const loaded = performance.now();
const [input] = signature.inputs;
const [output] = signature.outputs;
const [, channels, height, width] = input.shape;
const values = pictureToTensor(decodePicture(readFileSync(picture), "jpg"), channels, height, width, {
  scale: 255,
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
  bgr: false,
});
const result = (await net.run({ [input.name]: values }))[output.name];
const ran = performance.now();
const top = [...result].map((value, index) => ({ value, index })).sort((a, b) => b.value - a.value);
console.log(`${signature.name}: ${input.name} ${input.shape.join("×")} → ${output.name} ${output.shape.join("×")}`);
console.log(
  `top 5: ${top
    .slice(0, 5)
    .map((t) => `${t.index}: ${t.value.toFixed(4)}`)
    .join("   ")}`,
);
const a = net.adapter;
console.log(
  `load ${(loaded - started).toFixed(0)} ms, run ${(ran - loaded).toFixed(0)} ms on ${a.architecture || a.vendor}${a.isFallbackAdapter ? " (a software GPU)" : ""}, ${a.variant} kernels`,
);
net.dispose();
process.exit(0);
