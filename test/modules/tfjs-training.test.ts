/** Training an emitted TensorFlow.js module: gradients, running statistics, folding anew, memory; one step against PyTorch's numbers. */
import type * as Tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, test } from "vitest";
import type { Graph } from "../../compiler/ir/graph.ts";
import { hashedValues } from "../judges/hashed-values.ts";
import { useTfjs } from "../judges/tfjs-backend.ts";
import { askTrainStep, findTorch, recordedStep, type TrainStep } from "../judges/torch.ts";
import { graphOf, hashedReader } from "../judges/whole-nets.ts";
import { channelsLast, emitTf, stateOf, type TfNet } from "./tfjs-net.ts";

/** The net of test/python/train_step.py. */
const STEP = `se 1
net step {
  input x: f32[N, 3, 6, 5]
  conv: conv(8, 3)  bn: bn  relu
  se: se(hidden=2, bias=true)
  gap  flatten
  fc: linear(4)
  output y
}
`;

/** Every joint that has a norm: convolution, grouped, depthwise, strided with a shortcut, linear; a flattened map. */
const MANY = `se 1
net many {
  input x: f32[N, 3, 9, 7]
  stem: { conv(8, 3, bias=true)  bn  relu }
  wide: { conv(8, 3, groups=4)  bn(eps=0.001, momentum=0.01)  relu6 }
  deep: { conv(16, 3, groups=8)  bn  hswish }
  residual {
    main { a: conv(12, 3, stride=2)  bn_a: bn  relu  b: conv(12, 1)  bn_b: bn  se: se(reduction=4, bias=true) }
    shortcut { down: { conv(12, 1, stride=2)  bn } }
  }
  dropout(0.3)  flatten
  hidden: linear(10)  bn_h: bn  relu
  fc: linear(3)
  output y
}
`;

const held = {} as { tf: typeof Tf };
beforeAll(async () => {
  // the cpu backend: its kernels have all gradients
  held.tf = await useTfjs("cpu");
});

const step = (): Graph => graphOf(STEP, "step");
const many = (): Graph => graphOf(MANY, "many");
const loaded = async (graph: Graph, options = {}): Promise<TfNet> => (await emitTf(graph, hashedReader(graph), options)).load(held.tf);
const BATCH = [4, 3, 6, 5] as const;
const batchOf = (shape: readonly [number, number, number, number]): Float32Array =>
  hashedValues(
    "input",
    shape.reduce((a, b) => a * b, 1),
    -2,
    2,
  );

/** Largest difference over the largest value. */
function apart(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let [most, largest] = [0, 1e-30];
  for (let i = 0; i < a.length; i++) {
    const d = Math.abs((a[i] as number) - (b[i] as number));
    most = d >= 0 ? Math.max(most, d) : Number.POSITIVE_INFINITY;
    largest = Math.max(largest, Math.abs(b[i] as number));
  }
  return most / largest;
}

describe("one step of SGD is PyTorch's", () => {
  const compare = async (theirs: TrainStep): Promise<void> => {
    const { tf } = held;
    const net = await loaded(step());
    const x = channelsLast(tf, batchOf(BATCH), BATCH);
    const optimizer = tf.train.sgd(0.1);
    const seen: { trained: ArrayLike<number> } = { trained: [] };
    const loss = optimizer.minimize(
      () => {
        const y = net.apply(x, { training: true });
        seen.trained = y.dataSync();
        return tf.mean(tf.square(y)) as Tf.Scalar;
      },
      true,
      net.trainableVariables,
    ) as Tf.Scalar;
    // f32 on both sides, sums of at most 480 terms
    const close = 2e-6;
    expect(apart(loss.dataSync(), [theirs.loss])).toBeLessThan(close);
    expect(apart(seen.trained, theirs.trained)).toBeLessThan(close);
    expect(Object.keys(net.variables).sort()).toEqual(Object.keys(theirs.state).sort());
    for (const [path, values] of Object.entries(theirs.state)) {
      expect(apart(stateOf(tf, net.variables[path] as Tf.Variable), values), path).toBeLessThan(close);
    }
    expect(apart(net.apply(x).dataSync(), theirs.evaluated)).toBeLessThan(close);
    const first = await net.run({ x: batchOf(BATCH).slice(0, 3 * 6 * 5) });
    expect(apart(first.y as Float32Array, theirs.evaluated.slice(0, 4))).toBeLessThan(close);
    net.dispose();
  };

  test("as recorded", () => compare(recordedStep()));

  test("as computed here", async (context) => {
    const python = findTorch();
    if (python) return compare(askTrainStep(python));
    if (process.env.CI) throw new Error("python3 with torch is not installed");
    return context.skip("python3 with torch is not installed");
  });
});

describe("a net with every kind of layer that has a norm", () => {
  const SHAPE = [5, 3, 9, 7] as const;

  test("a gradient reaches every trainable variable, and no other", async () => {
    const { tf } = held;
    const net = await loaded(many());
    const x = channelsLast(tf, batchOf(SHAPE), SHAPE);
    const weights = tf.tensor1d([1, -2, 0.5]);
    const { grads } = tf.variableGrads(() => tf.sum(tf.square(tf.mul(net.apply(x), weights))) as Tf.Scalar, net.trainableVariables);
    const trainable = Object.entries(net.variables).filter(([, v]) => v.trainable);
    expect(trainable.map(([, v]) => v)).toEqual(net.trainableVariables);
    expect(trainable.map(([path]) => path)).toEqual(Object.keys(net.variables).filter((p) => !/running_/.test(p)));
    for (const [path, v] of trainable) {
      const gradient = grads[v.name]?.dataSync() ?? [];
      expect(gradient.length, path).toBe(v.size);
      expect(gradient.some((g) => g !== 0) && gradient.every(Number.isFinite), path).toBe(true);
    }
    net.dispose();
  });

  test("a few steps of Adam reduce the loss; running statistics move; run follows and equals apply", async () => {
    const { tf } = held;
    const graph = many();
    const net = await loaded(graph);
    const values = batchOf(SHAPE);
    const x = channelsLast(tf, values, SHAPE);
    const labels = tf.oneHot(tf.tensor1d([0, 1, 2, 1, 0], "int32"), 3);
    const image = { x: values.slice(0, 3 * 9 * 7) };
    const before = (await net.run(image)).y as Float32Array;
    const moving = Object.entries(net.variables).filter(([path]) => /running_/.test(path));
    const started = moving.map(([, v]) => v.dataSync().slice());
    const loss = (): Tf.Scalar => tf.losses.softmaxCrossEntropy(labels, net.apply(x, { training: true })) as Tf.Scalar;
    const optimizer = tf.train.adam(0.01);
    const losses: number[] = [];
    for (let i = 0; i < 12; i++) losses.push((optimizer.minimize(loss, true, net.trainableVariables) as Tf.Scalar).dataSync()[0] as number);
    // dropout makes single losses noisy
    const mean = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0) / list.length;
    expect(mean(losses.slice(-3))).toBeLessThan(0.7 * mean(losses.slice(0, 3)));
    for (const [i, [path, v]] of moving.entries()) expect(apart(v.dataSync(), started[i] as Float32Array), path).toBeGreaterThan(1e-3);

    const after = (await net.run(image)).y as Float32Array;
    expect(apart(after, before)).toBeGreaterThan(1e-2);
    expect(apart(after, net.apply(x).dataSync().slice(0, 3))).toBeLessThan(1e-5);
    // one variable alone, by hand
    const gamma = net.variables["stem.1.weight"] as Tf.Variable;
    gamma.assign(tf.mul(gamma, 1.5));
    const changed = (await net.run(image)).y as Float32Array;
    expect(apart(changed, after)).toBeGreaterThan(1e-3);
    expect(apart(changed, net.apply(x).dataSync().slice(0, 3))).toBeLessThan(1e-5);
    net.dispose();
  });

  test.each([1, 2, 7])("apply takes a batch of %i, whatever the module was compiled for", async (n) => {
    const { tf } = held;
    const net = await loaded(many(), { batch: 2 });
    const shape = [n, 3, 9, 7] as const;
    const values = batchOf([7, 3, 9, 7]);
    const y = net.apply(channelsLast(tf, values.slice(0, n * 189), shape));
    expect(y.shape).toEqual([n, 3]);
    const two = (await net.run({ x: values.slice(0, 2 * 189) })).y as Float32Array;
    expect(apart(y.dataSync().slice(0, 3), two.slice(0, 3))).toBeLessThan(1e-5);
    net.dispose();
  });

  test("train=false folds when the module is made and gives the same numbers", async () => {
    const graph = many();
    const image = { x: batchOf([1, 3, 9, 7]) };
    const trained = await loaded(graph);
    const emitted = await emitTf(graph, hashedReader(graph), { train: false });
    expect(emitted.text).not.toMatch(/running_mean", \[/);
    const folded = await emitted.load(held.tf);
    expect(apart((await folded.run(image)).y as Float32Array, (await trained.run(image)).y as Float32Array)).toBeLessThan(1e-5);
    trained.dispose();
    folded.dispose();
  });

  test("memory: run leaves nothing behind, dispose leaves nothing at all", async () => {
    const { tf } = held;
    const empty = tf.memory().numTensors;
    const net = await loaded(many());
    const image = { x: batchOf([1, 3, 9, 7]) };
    await net.run(image);
    const settled = tf.memory();
    for (let i = 0; i < 3; i++) await net.run(image);
    expect(tf.memory().numTensors).toBe(settled.numTensors);
    expect(tf.memory().numBytes).toBe(settled.numBytes);
    // folding anew replaces the folded filters
    const gamma = net.variables["stem.1.weight"] as Tf.Variable;
    tf.tidy(() => gamma.assign(tf.mul(gamma, 2)));
    await net.run(image);
    expect(tf.memory().numTensors).toBe(settled.numTensors);
    const [y, x] = tf.tidy(() => {
      const given = channelsLast(tf, image.x, [1, 3, 9, 7]);
      return [net.apply(given, { training: true }), given];
    });
    expect(tf.memory().numTensors).toBe(settled.numTensors + 2);
    tf.dispose([y, x]);
    net.dispose();
    net.dispose();
    expect(tf.memory().numTensors).toBe(empty);
  });
});
