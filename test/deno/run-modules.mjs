/**
 * deno run -A --unstable-webgpu run-modules.mjs JOBS: runs emitted WebGPU modules one after another, each on a device that it asks for.
 * JOBS is a JSON file, an array of { module, inputs, outputs }: paths of a module and of two files that hold the f32 values of all its
 * inputs and outputs in the order of its signature. Prints one line of JSON for each: the adapter of the net, or the error.
 */
import { Buffer } from "node:buffer";
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { pathToFileURL } from "node:url";

const size = ({ shape }) => shape.reduce((product, extent) => product * extent, 1);

async function run({ module, inputs, outputs }) {
  const { load, signature } = await import(pathToFileURL(module).href);
  const net = await load();
  const bytes = readFileSync(inputs);
  let at = bytes.byteOffset;
  const given = {};
  for (const port of signature.inputs) {
    given[port.name] = new Float32Array(bytes.buffer, at, size(port));
    at += 4 * size(port);
  }
  const made = await net.run(given);
  writeFileSync(
    outputs,
    Buffer.concat(signature.outputs.map(({ name }) => Buffer.from(made[name].buffer, made[name].byteOffset, made[name].byteLength))),
  );
  net.dispose();
  return { adapter: net.adapter };
}

for (const job of JSON.parse(readFileSync(process.argv[2], "utf8"))) {
  const outcome = await run(job).catch((error) => ({ error: `${error.message} ${error.cause?.message ?? ""}` }));
  console.log(JSON.stringify(outcome));
}
// wgpu's threads keep the process alive
process.exit(0);
