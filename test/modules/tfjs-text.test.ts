/** The text of an emitted TensorFlow.js module: small, without transposition, readable by path, and no layer hides a function. */
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { sampleWeights } from "../../backends/testing-samples.ts";
import { graphOf, shippedGraph } from "../judges/whole-nets.ts";
import { emitTf } from "./tfjs-net.ts";

describe.each([true, false])("se_resnet50, train=%s", (train) => {
  test("at most 20 kB compressed, every gate in it, nothing transposed", async () => {
    const { text } = await emitTf(shippedGraph("se_resnet50.se", "se_resnet50"), sampleWeights, { train });
    expect(gzipSync(text).length).toBeLessThan(20_000);
    expect(text).not.toMatch(/tf\.transpose/);
    expect(text.match(/tf\.sigmoid\(/g)?.length).toBe(16);
    expect(text).toMatch(/layer4\.2\.se\.fc2/);
    // running statistics stay only where they are trained
    expect(/"layer1\.0\.bn3\.running_mean"/.test(text)).toBe(train);
  });
});

test("layers called like the functions around them get other names", async () => {
  const names = ["conv", "linear", "norm", "take", "maxPool", "makeNet", "tf", "net", "w"];
  const layers = names.map((name) => `${name}: conv(4, 1)`).join("  ");
  const { text } = await emitTf(graphOf(`se 1\nnet t { input x: f32[N, 3, 4, 4]  ${layers}  output y }\n`, "t"), sampleWeights);
  const forward = text.slice(text.indexOf("\nfunction forward("));
  for (const name of names) expect(forward).not.toMatch(new RegExp(`const ${name} =`));
  expect(forward.match(/const \w+ = conv\(/g)?.length).toBe(names.length);
});
