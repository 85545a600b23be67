/** The pytorch target on whole nets, with modules from their blocks: numbers of the cpu target, names of the spec, weights there and back. */
import { readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { Backend } from "../backends/backend.ts";
import { cpu } from "../backends/cpu/index.ts";
import { emitTarget } from "../backends/emit.ts";
import { pytorch } from "../backends/pytorch/index.ts";
import { Diagnostics } from "../compiler/diagnostics/diagnostic.ts";
import type { CheckedNet } from "../compiler/frontend.ts";
import { bytesSource, openSafetensors } from "../compiler/weights/safetensors.ts";
import type { WeightReader } from "../compiler/weights/source.ts";
import { filesOf, pythonFor, runScript, temporary, writeFiles } from "./judges/python.ts";
import { checkedNet, smallNet } from "./judges/pytorch-nets.ts";
import { settledReader } from "./judges/settled-weights.ts";
import { everyNet, hashedReader, inputsOf } from "./judges/whole-nets.ts";

/**
 * One net of every way modules can be built, through the target's own files and runner; all of them so by `npm run test:zoo`. The names and
 * numbers of all nets: pytorch-numbers-*.test.ts.
 */
const CHOSEN =
  "plain se_attention se_resnet18 cbam_resnet50 sk_resnet50 mobilenet_v3_small efficientnet_b0 densenet121 googlenet scse_unet " +
  "shufflenet_v2_x0_5 se_shufflenet_v1 cifar_se_resnet20 cifar_se_wrn16_8 regnet_y_400mf ghostnet squeezenet1_1 mnasnet1_0 se_mobilenet_v1";
const missing = CHOSEN.split(" ").filter((name) => !everyNet().some(({ net }) => net === name));
if (missing.length > 0) throw new Error(`no such nets: ${missing.join(", ")}`);
const chosen = everyNet().filter(({ net }) => process.env.SEC_ALL_NETS || CHOSEN.split(" ").includes(net));

/** The two targets of one net, each within its own limit of the reference: so within the sum of each other. */
const LIMIT = (cpu.wholeNetLimit ?? 0) + (pytorch.wholeNetLimit ?? 0);

async function outputs(backend: Backend, net: CheckedNet, weights: WeightReader, inputs: Readonly<Record<string, Float32Array>>) {
  const diagnostics = new Diagnostics();
  const { graph, tree } = net;
  const options = backend.name === "pytorch" ? { train: false } : {};
  const emitted = emitTarget({ backend, graph, tree, options, weights, batch: 2, level: 2, diagnostics, source: "net.se" });
  expect(diagnostics.all).toEqual([]);
  const runner = await backend.runner?.(emitted.artifacts, graph.name);
  if (!runner || "unavailable" in runner) throw new Error(runner?.unavailable ?? "no runner");
  try {
    return await runner.run(inputs);
  } finally {
    await runner.close();
  }
}

async function compare(net: CheckedNet, weights: WeightReader): Promise<number> {
  const inputs = inputsOf(net.graph, 2);
  const ours = await outputs(cpu as unknown as Backend, net, weights, inputs);
  const theirs = await outputs(pytorch as unknown as Backend, net, weights, inputs);
  expect(Object.keys(theirs)).toEqual(Object.keys(ours));
  let worst = 0;
  for (const [name, values] of Object.entries(ours)) {
    const other = theirs[name] as Float32Array;
    expect(other.length).toBe(values.length);
    const largest = values.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
    for (const [i, v] of values.entries()) {
      const error = Math.abs(v - (other[i] as number)) / largest;
      // written so that NaN counts as wrong
      if (!(error <= worst)) worst = Number.isNaN(error) ? Number.POSITIVE_INFINITY : error;
    }
  }
  return worst;
}

const folders: string[] = [];
afterAll(() => {
  for (const f of folders) rmSync(f, { recursive: true, force: true });
});

describe("whole nets give the numbers of the cpu target", () => {
  test.each(chosen.map((n) => [n.net, n] as const))(
    "%s",
    async (name, which) => {
      const net = smallNet(which);
      const weights = settledReader(net.graph, inputsOf(net.graph, 2), 2);
      const worst = await compare(net, weights);
      console.log(`${name} on pytorch: ${worst.toExponential(1)} of the largest value from cpu`);
      expect(worst).toBeLessThanOrEqual(LIMIT);
    },
    600_000,
  );
});

test("state dicts have the names, shapes and order of the spec, and weights that torch writes are the same bits", (context) => {
  const python = pythonFor(context);
  const root = temporary();
  folders.push(root);
  // in parts: all nets at once are a few gigabytes
  for (let i = 0; i < chosen.length; i += 16) {
    const nets = chosen.slice(i, i + 16).map((which) => ({ net: smallNet(which), folder: path.join(root, which.net) }));
    for (const { net, folder } of nets) writeFiles(folder, filesOf(net, hashedReader(net.graph)));
    const states = JSON.parse(
      runScript(
        python,
        "pytorch_state.py",
        nets.map((n) => n.folder),
      ),
    ) as { name: string; shape: number[]; dtype: string }[][];
    for (const [k, { net, folder }] of nets.entries()) {
      const { graph } = net;
      const want = graph.weights.map((w) => ({
        name: w.path,
        shape: w.value.type.shape,
        dtype: w.value.type.dtype === "i64" ? "torch.int64" : "torch.float32",
      }));
      expect(states[k], graph.name).toEqual(want);
      const [given, saved] = [`${graph.name}.safetensors`, "saved.safetensors"].map((f) => readFileSync(path.join(folder, f)));
      expect(Buffer.compare(tensorBytes(given as Buffer), tensorBytes(saved as Buffer)), graph.name).toBe(0);
      const opened = openSafetensors("saved.safetensors", bytesSource(saved as Uint8Array));
      expect(opened.ok).toBe(true);
      rmSync(folder, { recursive: true });
    }
  }
}, 600_000);

/** What follows the header. */
const tensorBytes = (file: Buffer): Buffer => file.subarray(8 + Number(file.readBigUInt64LE(0)));

const HOSTILE = `se 1
block b(out) { type: conv(out, 1)  "lambda": bn  "1x1": conv(out, 3)  forward: relu  _modules: conv(out, 1)  __x: conv(out, 1)  "a'\\"b": conv(out, 1) }
net class_(classes = 3) {
  input self: f32[N, 3, 6, 5]
  "block-0": { keys: conv(4, 3)  "3": bn  relu }
  train: b(4)
  output "self"
  gap  flatten
  print: linear(classes)
  output return_
}
`;

const FLOWS: readonly (readonly [string, string])[] = [
  [
    "a group that is shared, with two outputs",
    `se 1
net twins {
  input left: f32[N, 3, 8, 8]
  input right: f32[N, 3, 8, 8]
  from left
  tower: { conv1: conv(4, 3)  bn1: bn  relu  att: se(reduction=2)  gap  flatten }
  output a
  from right
  shared("tower")
  output b
}`,
  ],
  [
    "a layer of an enclosing level that is shared from a group, and a value read from inside of a group",
    `se 1
net crossed {
  input image: f32[N, 3, 8, 8]
  point: conv(3, 1, bias=true)
  body: { c1: conv(3, 3)  relu  shared("point")  c2: conv(5, 3)  residual { main { c3: conv(5, 3) } } }
  output deep
  from body.c1
  last: conv(2, 1)
  output shallow
}`,
  ],
  [
    "every layer that nn.Sequential can hold",
    `se 1
net sequence {
  input image: f32[N, 6, 8, 10]
  a: { conv(4, [3, 5], pad=[0, 3, 2, 1], stride=[2, 1], bias=true)  leaky_relu  elu  silu  mish  softplus  gelu  gelu(approx="tanh")  prelu  hsigmoid6  hswish }
  b: { deconv(4, 3, stride=2, pad=[1, 0, 0, 2], bias=true)  gn(2)  ln  instnorm(affine=true)  lrn  affine(start=0.5)  tanh  relu6 }
  c: { maxpool(3, stride=2, pad=1)  avgpool(2, stride=1, pad=1, count_pad=false)  upsample(2)  upsample(size=[6, 9], mode="bilinear")  pixelshuffle(2)  pixelunshuffle(2)  softmax }
  d: { dropout(0.5)  droppath(0.5)  identity  sigmoid  maxpool_to([2, 3])  avgpool_to(1)  chanconv(3)  flatten  bn  ln  linear(3) }
  output y
}`,
  ],
];

describe("modules", () => {
  test("labels that mean something to Python or nn.Module are names of tensors all the same", async (context) => {
    const python = pythonFor(context);
    const net = checkedNet(HOSTILE.replace('output "self"', "output self_"), "hostile.se", "class_");
    const root = temporary();
    folders.push(root);
    writeFiles(path.join(root, "net"), filesOf(net));
    const [state] = JSON.parse(runScript(python, "pytorch_state.py", [path.join(root, "net")])) as { name: string }[][];
    expect(state?.map((t) => t.name)).toEqual(net.graph.weights.map((w) => w.path));
    expect(await compare(net, hashedReader(net.graph))).toBeLessThanOrEqual(LIMIT);
  });

  test.each(FLOWS)(
    "%s",
    async (_, text) => {
      const name = /net (\w+)/.exec(text)?.[1] ?? "";
      const net = checkedNet(text, "net.se", name);
      expect(await compare(net, settledReader(net.graph, inputsOf(net.graph, 2), 2))).toBeLessThanOrEqual(LIMIT);
    },
    300_000,
  );
});

describe("model.py as a person reads it", () => {
  test.each([
    ["resnet", "small_se_resnet"],
    ["mobile", "small_mobile"],
    ["flows", "two_heads"],
  ])("%s", async (file, name) => {
    const text = readFileSync(new URL(`golden/pytorch/${file}.se`, import.meta.url), "utf8");
    const [model] = filesOf(checkedNet(text, `${file}.se`, name));
    await expect(model?.contents as string).toMatchFileSnapshot(`golden/pytorch/${name}.py`);
  });
});

test("init_weights follows the three policies", (context) => {
  const python = pythonFor(context);
  const root = temporary();
  folders.push(root);
  const text = `se 1
use "sec/resnet.se"
net base from resnet18(classes=7, size=32)
net changed from base { insert se(reduction=16, bias=true) as se after @residual.main init preserve }
`;
  const [changed, base] = ["changed", "base"].map((n) => writeFiles(path.join(root, n, "pytorch"), filesOf(checkedNet(text, "net.se", n))));
  const answer = JSON.parse(runScript(python, "pytorch_init.py", [changed as string, base as string])) as {
    default: Record<string, [number, number, number]>;
    paper: Record<string, [number, number, number]>;
    same: boolean;
    errors: string[];
  };
  // 64 channels of 3x3: uniform(-1/24, 1/24), whose deviation is the bound over sqrt 3
  const [largest, deviation] = answer.default["layer1.0.conv1.weight"] as [number, number, number];
  expect(largest).toBeLessThanOrEqual(1 / 24);
  expect(deviation * 24 * Math.sqrt(3)).toBeCloseTo(1, 1);
  expect(answer.default["layer1.0.bn1.weight"]).toEqual([1, 0, 1]);
  expect((answer.paper["layer1.0.conv1.weight"]?.[1] ?? 0) / Math.sqrt(2 / (64 * 9))).toBeCloseTo(1, 1);
  expect((answer.paper["fc.weight"]?.[1] ?? 0) / 0.001).toBeCloseTo(1, 1);
  expect(answer.paper["fc.bias"]).toEqual([0, 0, 0]);
  expect(answer.same).toBe(true);
  expect(answer.errors).toEqual(["no edit of this net has `init preserve`", 'policy is "default", "paper" or "preserve", not \'best\'']);
});
