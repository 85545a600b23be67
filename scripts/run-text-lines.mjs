/**
 * node scripts/run-text-lines.mjs FOLDER PICTURE…: imports an emitted WebAssembly module from disk as another project would and asks it
 * whether each line of text is upright. Uses nothing of sec but the emitted files and the picture reader.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { decodePicture, pictureToTensor } from "../dist/cli/images.js";

const [folder = "", ...pictures] = process.argv.slice(2);
const name = path.basename(path.dirname(path.resolve(folder)));
const { load, signature } = await import(pathToFileURL(path.resolve(folder, `${name}.js`)).href);
const net = await load();
const [input] = signature.inputs;
const [output] = signature.outputs;
const [, channels, height, width] = input.shape;
for (const picture of pictures) {
  // as the network was trained: blue first, -1 to 1
  const preparation = { scale: 255, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5], bgr: true };
  const values = pictureToTensor(decodePicture(readFileSync(picture), "png"), channels, height, width, preparation);
  const started = performance.now();
  const [upright, turned] = (await net.run({ [input.name]: values }))[output.name];
  const ms = performance.now() - started;
  const answer = upright > turned ? "upright" : "turned by 180 degrees";
  console.log(`  ${picture}: ${answer}, ${(100 * Math.max(upright, turned)).toFixed(1)} % sure, ${ms.toFixed(1)} ms`);
}
net.dispose();
