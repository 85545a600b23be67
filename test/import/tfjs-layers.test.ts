/** Layers models of TensorFlow.js: the same function as the model that was saved, under its names. */
import type * as Tf from "@tensorflow/tfjs";
import { beforeAll, expect, test } from "vitest";
import { useTfjs } from "../judges/tfjs-backend.ts";
import { expectSame, importedFiles, savedFiles, withSeededWeights } from "../judges/tfjs-models.ts";

let tf: typeof Tf;
beforeAll(async () => {
  tf = await useTfjs("cpu");
});

type Layers = (typeof Tf)["layers"];
type Build = (l: Layers, x: Tf.SymbolicTensor) => Tf.SymbolicTensor | Tf.SymbolicTensor[];
const apply = (layer: Tf.layers.Layer, x: Tf.SymbolicTensor | Tf.SymbolicTensor[]): Tf.SymbolicTensor =>
  layer.apply(x) as Tf.SymbolicTensor;

function chain(x: Tf.SymbolicTensor, ...layers: Tf.layers.Layer[]): Tf.SymbolicTensor {
  return layers.reduce((value, layer) => apply(layer, value), x);
}

const MODELS: readonly (readonly [string, readonly number[], Build])[] = [
  [
    "conv2d, same, odd size, stride 2",
    [7, 9, 3],
    (l, x) => chain(x, l.conv2d({ filters: 5, kernelSize: 3, strides: 2, padding: "same", activation: "relu" })),
  ],
  [
    "conv2d, same, even size, stride 2, bare kernel",
    [8, 6, 3],
    (l, x) => chain(x, l.conv2d({ filters: 5, kernelSize: [3, 2], strides: 2, padding: "same", useBias: false })),
  ],
  [
    "conv2d, same, stride 3 and kernel 5",
    [11, 8, 2],
    (l, x) => chain(x, l.conv2d({ filters: 4, kernelSize: 5, strides: 3, padding: "same" })),
  ],
  ["conv2d, dilation", [9, 9, 2], (l, x) => chain(x, l.conv2d({ filters: 4, kernelSize: 3, dilationRate: 2, padding: "same" }))],
  [
    "depthwise with a multiplier",
    [7, 6, 3],
    (l, x) => chain(x, l.depthwiseConv2d({ kernelSize: 3, depthMultiplier: 2, strides: 2, padding: "same", activation: "relu6" })),
  ],
  [
    "separable",
    [7, 6, 3],
    (l, x) => chain(x, l.separableConv2d({ filters: 5, kernelSize: 3, strides: 2, padding: "same", activation: "tanh" })),
  ],
  ["transposed, same", [5, 4, 3], (l, x) => chain(x, l.conv2dTranspose({ filters: 4, kernelSize: 3, strides: 2, padding: "same" }))],
  [
    "transposed, same, even kernel",
    [5, 4, 3],
    (l, x) => chain(x, l.conv2dTranspose({ filters: 4, kernelSize: 4, strides: 2, padding: "same", useBias: false })),
  ],
  ["transposed, valid", [5, 4, 3], (l, x) => chain(x, l.conv2dTranspose({ filters: 4, kernelSize: 3, strides: 2 }))],
  [
    "transposed, kernel below the stride",
    [5, 4, 3],
    (l, x) => chain(x, l.conv2dTranspose({ filters: 4, kernelSize: 2, strides: 3, padding: "same" })),
  ],
  ["dense on a flattened map", [4, 5, 3], (l, x) => chain(x, l.flatten(), l.dense({ units: 7, activation: "softmax" }))],
  ["dense on a map", [4, 5, 3], (l, x) => chain(x, l.dense({ units: 6, activation: "sigmoid" }))],
  ["batch norm of a map", [4, 5, 3], (l, x) => chain(x, l.batchNormalization({ epsilon: 1e-4 }))],
  ["batch norm without scale and shift", [4, 5, 3], (l, x) => chain(x, l.batchNormalization({ scale: false, center: false }))],
  ["batch norm of features", [6], (l, x) => chain(x, l.dense({ units: 5 }), l.batchNormalization({}), l.elu({}))],
  ["layer norm", [4, 5, 6], (l, x) => chain(x, l.layerNormalization({}))],
  ["max pool, same, odd", [7, 9, 3], (l, x) => chain(x, l.maxPooling2d({ poolSize: 3, strides: 2, padding: "same" }))],
  [
    "average pool, same: divided by what lies inside",
    [7, 8, 3],
    (l, x) => chain(x, l.averagePooling2d({ poolSize: [3, 2], strides: 2, padding: "same" })),
  ],
  ["average pool, valid", [7, 8, 3], (l, x) => chain(x, l.averagePooling2d({ poolSize: 2 }))],
  ["global pools", [7, 8, 3], (l, x) => [chain(x, l.globalAveragePooling2d({})), chain(x, l.globalMaxPooling2d({}))]],
  [
    "zero padding before a convolution",
    [7, 8, 3],
    (l, x) =>
      chain(
        x,
        l.zeroPadding2d({
          padding: [
            [0, 1],
            [2, 0],
          ],
        }),
        l.conv2d({ filters: 4, kernelSize: 3, strides: 2 }),
      ),
  ],
  [
    "zero padding before a pool",
    [7, 8, 3],
    (l, x) => chain(x, l.zeroPadding2d({ padding: 1 }), l.maxPooling2d({ poolSize: 3, strides: 2 })),
  ],
  [
    "zero padding before a convolution that pads too",
    [7, 8, 3],
    (l, x) => chain(x, l.zeroPadding2d({ padding: 1 }), l.conv2d({ filters: 4, kernelSize: 3, strides: 2, padding: "same" })),
  ],
  [
    "cropping",
    [7, 8, 3],
    (l, x) =>
      chain(
        x,
        l.cropping2D({
          cropping: [
            [1, 0],
            [2, 1],
          ],
        }),
      ),
  ],
  [
    "a channel shuffle, channels last",
    [3, 4, 6],
    (l, x) => {
      const cut = chain(x, l.conv2d({ filters: 8, kernelSize: 1 }), l.reshape({ targetShape: [3, 4, 2, 4] }));
      return chain(cut, l.permute({ dims: [1, 2, 4, 3] }), l.reshape({ targetShape: [3, 4, 8] }), l.conv2d({ filters: 3, kernelSize: 3 }));
    },
  ],
  [
    "features that become a map",
    [5],
    (l, x) =>
      chain(x, l.dense({ units: 24, activation: "relu" }), l.reshape({ targetShape: [2, 3, 4] }), l.conv2d({ filters: 3, kernelSize: 2 })),
  ],
  ["relu from a limit on", [4, 5, 3], (l, x) => chain(x, l.conv2d({ filters: 4, kernelSize: 1 }), l.thresholdedReLU({ theta: 0.25 }))],
  ["upsampling", [3, 4, 3], (l, x) => chain(x, l.upSampling2d({ size: [2, 3] }))],
  [
    "sums, products, averages",
    [4, 5, 3],
    (l, x) => {
      const a = chain(x, l.conv2d({ filters: 3, kernelSize: 1 }));
      const b = apply(l.multiply({}), [a, x]);
      const c = apply(l.average({}), [a, b, x]);
      return apply(l.add({}), [a, b, c]);
    },
  ],
  [
    "concatenated channels and rows",
    [4, 5, 3],
    (l, x) => {
      const a = chain(x, l.conv2d({ filters: 4, kernelSize: 1 }));
      const b = apply(l.concatenate({}), [a, x]);
      return apply(l.concatenate({ axis: 1 }), [b, b]);
    },
  ],
  [
    "activations",
    [4, 5, 3],
    (l, x) =>
      chain(
        x,
        l.leakyReLU({ alpha: 0.2 }),
        l.activation({ activation: "selu" }),
        l.activation({ activation: "softsign" }),
        l.activation({ activation: "hardSigmoid" }),
      ),
  ],
  [
    "more activations",
    [4, 5, 3],
    (l, x) =>
      chain(
        x,
        l.activation({ activation: "swish" }),
        l.activation({ activation: "mish" }),
        l.activation({ activation: "softplus" }),
        l.reLU({ maxValue: 1 }),
      ),
  ],
  ["softmax over the channels of a map", [4, 5, 3], (l, x) => chain(x, l.softmax({ axis: -1 }))],
  ["slopes for every channel", [4, 5, 3], (l, x) => chain(x, l.prelu({ sharedAxes: [1, 2] }))],
  [
    "reshaped to a pixel",
    [4, 5, 3],
    (l, x) =>
      chain(x, l.globalAveragePooling2d({}), l.reshape({ targetShape: [1, 1, 3] }), l.conv2d({ filters: 4, kernelSize: 1 }), l.flatten()),
  ],
  ["rescaled", [4, 5, 3], (l, x) => chain(x, l.rescaling({ scale: 1 / 127.5, offset: -1 }), l.conv2d({ filters: 2, kernelSize: 3 }))],
  ["one channel in", [6, 5, 1], (l, x) => chain(x, l.conv2d({ filters: 2, kernelSize: 3 }), l.flatten(), l.dense({ units: 3 }))],
  [
    "one channel on the way: a gate for every position, and out as a map, in a row, and as a pixel",
    [6, 5, 3],
    (l, x) => {
      const one = chain(x, l.conv2d({ filters: 1, kernelSize: 3, padding: "same", activation: "sigmoid" }));
      const gated = apply(l.multiply({}), [x, one]);
      const pixel = chain(gated, l.averagePooling2d({ poolSize: [6, 5] }));
      return [chain(apply(l.add({}), [one, chain(one, l.reLU({}))]), l.batchNormalization({})), gated, chain(one, l.flatten()), pixel];
    },
  ],
  ["permuted and flattened", [4, 5, 3], (l, x) => chain(x, l.permute({ dims: [3, 1, 2] }), l.flatten(), l.dense({ units: 4 }))],
  [
    "what only training needs",
    [4, 5, 3],
    (l, x) =>
      chain(
        x,
        l.dropout({ rate: 0.5 }),
        l.gaussianNoise({ stddev: 1 }),
        l.conv2d({ filters: 2, kernelSize: 1 }),
        l.alphaDropout({ rate: 0.2 }),
      ),
  ],
];

/** Maps that are channels first in the file too: nothing is turned around. */
test("channels first", async () => {
  const l = tf.layers;
  const dataFormat = "channelsFirst";
  const x = tf.input({ shape: [3, 7, 8] });
  const conv = chain(x, l.conv2d({ filters: 4, kernelSize: 3, strides: 2, padding: "same", dataFormat }));
  const pooled = chain(conv, l.maxPooling2d({ poolSize: 2, dataFormat }));
  const outputs = [chain(pooled, l.flatten(), l.dense({ units: 3 })), chain(pooled, l.globalAveragePooling2d({ dataFormat }))];
  const model = withSeededWeights(tf, tf.model({ inputs: x, outputs }));
  const imported = importedFiles(await savedFiles(tf, model));
  expect(imported.net.notes).toBeUndefined();
  await expectSame(tf, imported, (inputs) => model.predict(inputs) as Tf.Tensor[], { isLast: false });

  // the kernel of TensorFlow.js walks means as if channels were last, so it is no judge of a norm over axis 1: Keras says what is meant
  const normed = withSeededWeights(tf, tf.model({ inputs: x, outputs: chain(conv, l.batchNormalization({ axis: 1 })) }));
  const norm = importedFiles(await savedFiles(tf, normed));
  expect(norm.net.nodes.map((n) => n.op)).toEqual(["conv", "bn"]);
  expect(norm.net.notes).toBeUndefined();
});

test("idioms of layers that are channels last become layers of ours", async () => {
  const specOf = async (title: string): Promise<string> => {
    const [, shape, build] = MODELS.find(([name]) => name === title) as (typeof MODELS)[number];
    const x = tf.input({ shape: [...shape] });
    const { spec } = importedFiles(await savedFiles(tf, tf.model({ inputs: x, outputs: build(tf.layers, x) })));
    return spec.replace(/\s+/g, " ");
  };
  expect(await specOf("a channel shuffle, channels last")).toMatch(/: conv\(8, 1, bias=true\) chanshuffle\(groups=2\) \w+: conv\(3, 3,/);
  expect(await specOf("features that become a map")).toContain(
    "linear(24) relu reshape([24, 1, 1]) chanshuffle(groups=6) reshape([4, 2, 3]) conv2d",
  );
  expect(await specOf("relu from a limit on")).toContain("mul { x {} scale { plus(-0.25) times(1e+30) clip(0, 1) } }");
});

test.each(MODELS)("%s", async (_title, shape, build) => {
  const x = tf.input({ shape: [...shape] });
  const model = withSeededWeights(tf, tf.model({ inputs: x, outputs: build(tf.layers, x) }));
  const imported = importedFiles(await savedFiles(tf, model));
  await expectSame(tf, imported, (inputs) => model.predict(inputs) as Tf.Tensor | Tf.Tensor[]);
});
