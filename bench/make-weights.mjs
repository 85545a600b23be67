/** node bench/make-weights.mjs NET OUT.safetensors: a complete weight file of a shipped net, seeded values. */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { writeSafetensors } from "../dist/compiler/weights/safetensors.js";
import { sec } from "./measure.mjs";

const [net, out] = process.argv.slice(2);
const { tensors } = JSON.parse(execFileSync(process.execPath, [sec, "inspect", net, "--json"], { encoding: "utf8", maxBuffer: 1 << 28 }));
let state = 1;
const next = () => {
  state = (Math.imul(state, 1664525) + 1013904223) | 0;
  return (state >>> 8) / 2 ** 24;
};
writeFileSync(
  out,
  writeSafetensors(
    tensors
      .filter((t) => t.dtype === "f32")
      .map((t) => {
        const count = t.shape.reduce((a, b) => a * b, 1);
        const low = t.name.endsWith("running_var") ? 0.5 : -0.1;
        return { name: t.name, shape: t.shape, data: Float32Array.from({ length: count }, () => low + next() * 0.2) };
      }),
  ),
);
