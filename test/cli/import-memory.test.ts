/** The peak of memory of `sec import`: at most four times the file, however its tensors are stored. Hostile files are refused within that, too. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import path from "node:path";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { AttributeProto_AttributeType, ModelProtoSchema } from "onnx-buf";
import { rolldown } from "rolldown";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { project } from "./project.ts";

/** In the package: the program looks for its specs in the folders above its own. */
const CACHE = path.resolve("node_modules/.cache");
const OPTIONAL = ["webgpu", "@tensorflow/tfjs", "@tensorflow/tfjs-node", "vitest"];
/** On Linux `maxRSS` of a new process begins with what its parent had when it forked; `VmHWM` is of its own memory alone. */
const REPORT = `data:text/javascript,${encodeURIComponent(`
  import { readFileSync } from "node:fs";
  const peak = () => (process.platform === "linux"
    ? /VmHWM:\\s*(\\d+)/.exec(readFileSync("/proc/self/status", "latin1"))[1]
    : process.resourceUsage().maxRSS);
  process.on("exit", () => console.error("peak " + peak()));
`)}`;

interface Outcome {
  readonly code: number | null;
  readonly err: string;
  /** Bytes. */
  readonly peak: number;
}

let bundle = "";

/** Translating sources while they are loaded takes 150 MB, more or less by the load of the machine: more than what is measured. */
beforeAll(async () => {
  mkdirSync(CACHE, { recursive: true });
  bundle = mkdtempSync(path.join(CACHE, "import-memory-"));
  const made = await rolldown({
    input: { main: "cli/main.ts" },
    platform: "node",
    external: OPTIONAL,
    resolve: { mainFields: ["module", "main"] },
  });
  await made.write({ dir: bundle, format: "esm", entryFileNames: "[name].mjs", chunkFileNames: "[name]-[hash].mjs" });
  await made.close();
});

afterAll(() => rmSync(bundle, { recursive: true }));

function imported(files: Readonly<Record<string, string | Uint8Array>>): Outcome {
  const p = project(files);
  const [file] = Object.keys(files) as [string];
  const { status, stderr } = spawnSync(process.execPath, ["--import", REPORT, path.join(bundle, "main.mjs"), "import", file, "-o", "out"], {
    cwd: p.folder,
    encoding: "utf8",
  });
  const kilobytes = Number(/peak (\d+)/.exec(stderr)?.[1]);
  return { code: status, err: stderr, peak: kilobytes * 1024 };
}

/** Bit patterns of every kind but infinities and NaN. */
function bytes(count: number): Uint8Array {
  const made = new Uint8Array(count);
  for (let i = 0; i < count; i++) made[i] = (i * 37 + (i >> 8)) & 0x7b;
  return made;
}

/** A convolution of `side` channels and a dense layer with most of the weights in one matrix. */
function tfjsModel(dtype: "uint8" | "float16" | "float32", side: number, units: number): Record<string, string | Uint8Array> {
  const width = { uint8: 1, float16: 2, float32: 4 }[dtype];
  const quantization = { uint8: { dtype, scale: 0.01, min: -0.5 }, float16: { dtype }, float32: undefined }[dtype];
  const weight = (name: string, shape: readonly number[]) => ({ name, shape, dtype: "float32", ...(quantization ? { quantization } : {}) });
  const weights = [
    weight("c/kernel", [1, 1, side, side]),
    weight("c/bias", [side]),
    weight("d/kernel", [side, units]),
    weight("d/bias", [units]),
  ];
  const layers = [
    { class_name: "Conv2D", config: { name: "c", filters: side, kernel_size: [1, 1], batch_input_shape: [null, 2, 2, side] } },
    { class_name: "GlobalAveragePooling2D", config: { name: "g" } },
    { class_name: "Dense", config: { name: "d", units } },
  ];
  const total = weights.reduce((n, w) => n + w.shape.reduce((a, b) => a * b, 1), 0) * width;
  const half = Math.floor(total / 2) | 1;
  return {
    "model.json": JSON.stringify({
      format: "layers-model",
      modelTopology: { class_name: "Sequential", config: { name: "net", layers } },
      weightsManifest: [{ paths: ["a.bin", "b.bin"], weights }],
    }),
    "a.bin": bytes(half),
    "b.bin": bytes(total - half),
  };
}

const FLOAT16 = 10;

interface Node {
  readonly opType: string;
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly stride?: number;
}

/** A model with one tensor `w`, in f16. */
function onnxModel(shape: readonly number[], input: readonly (number | string)[], nodes: readonly Node[]): Record<string, Uint8Array> {
  const count = shape.reduce((a, b) => a * b, 1);
  const proto = {
    irVersion: 8n,
    opsetImport: [{ domain: "", version: 17n }],
    graph: {
      name: "g",
      node: nodes.map(({ stride, ...n }) => ({
        ...n,
        name: n.output[0] as string,
        input: [...n.input],
        output: [...n.output],
        attribute: stride ? [{ name: "strides", type: AttributeProto_AttributeType.INTS, ints: [BigInt(stride), BigInt(stride)] }] : [],
      })),
      initializer: [{ name: "w", dims: shape.map(BigInt), dataType: FLOAT16, rawData: bytes(2 * count) }],
      input: [{ name: "x", type: { value: { case: "tensorType" as const, value: { elemType: 1, shape: { dim: input.map(dim) } } } } }],
      output: [{ name: nodes.at(-1)?.output[0] as string }],
    },
  };
  return { "m.onnx": toBinary(ModelProtoSchema, create(ModelProtoSchema, proto as MessageInitShape<typeof ModelProtoSchema>)) };
}

/** A matrix that is turned over. */
const matrix = (side: number, units: number): Record<string, Uint8Array> =>
  onnxModel([side, units], ["N", side], [{ opType: "MatMul", input: ["x", "w"], output: ["y"] }]);

const dim = (d: number | string) => ({
  value: typeof d === "number" ? { case: "dimValue" as const, value: BigInt(d) } : { case: "dimParam" as const, value: d },
});

const sizeOf = (files: Readonly<Record<string, string | Uint8Array>>): number => Object.values(files).reduce((n, f) => n + f.length, 0);

let base: number | undefined;
/** The peak over that of a model of no size, in sizes of the file. */
function peakOf(files: Readonly<Record<string, string | Uint8Array>>): Outcome {
  base ??= Math.max(...[tfjsModel("uint8", 8, 8), matrix(8, 8)].map((small) => imported(small).peak));
  const outcome = imported(files);
  return { ...outcome, peak: (outcome.peak - base) / sizeOf(files) };
}

describe("the peak is at most four times the file", () => {
  test.each([
    ["TensorFlow.js, bytes", tfjsModel("uint8", 1024, 20_000)],
    ["TensorFlow.js, f16", tfjsModel("float16", 1024, 10_000)],
    ["TensorFlow.js, f32", tfjsModel("float32", 1024, 4000)],
    ["ONNX, f16", matrix(1024, 10_000)],
  ])("%s", (_, files) => {
    const { code, err, peak } = peakOf(files);
    expect(err).not.toContain("error");
    expect(code).toBe(0);
    // 1.9 alone; the engine frees arrays in a thread of its own, which a busy machine lets wait: 2.5 was seen
    expect(peak).toBeLessThanOrEqual(4);
  });

  /** Far below what the graph asks for; a process does not repeat its own peak to the byte. */
  const LITTLE = 2 ** 25;

  test("a constant doubled two hundred times, which would take 800 MB, is refused", () => {
    const doubled = Array.from({ length: 200 }, (_, i): Node => {
      const from = i === 0 ? "w" : `${i}`;
      return { opType: "Add", input: [from, from], output: [`${i + 1}`] };
    });
    const files = onnxModel([1024, 1024], ["N", 1024], [...doubled, { opType: "Add", input: ["x", "200"], output: ["y"] }]);
    const { code, err, peak } = peakOf(files);
    expect(code).toBe(1);
    expect(err).toMatch(/^error SE602: \d+ of the nodes of `m.onnx` cannot be imported/);
    expect(peak * sizeOf(files)).toBeLessThan(LITTLE);
  });

  test("a tensor that a hundred layers read differently, which would be 400 MB of copies, is refused", () => {
    const layers = Array.from(
      { length: 100 },
      (_, i): Node => ({ opType: "Conv", input: [i === 0 ? "x" : `${i}`, "w"], output: [`${i + 1}`], stride: i + 1 }),
    );
    const files = onnxModel([1024, 1024, 1, 1], ["N", 1024, 8, 8], layers);
    const { code, err, peak } = peakOf(files);
    expect(code).toBe(1);
    expect(err).toMatch(/^error SE601: .* its tensors have 1048576 numbers, its layers 104857600 between them/);
    expect(peak * sizeOf(files)).toBeLessThan(LITTLE);
  });
});
