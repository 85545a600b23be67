/** `sec run`: inputs of every kind, pictures and their preprocessing, outputs, taps. The net gives its input back, so numbers show. */
import { encode as encodePng } from "fast-png";
import { zipSync } from "fflate";
import jpeg from "jpeg-js";
import { describe, expect, test } from "vitest";
import { outputSchemas } from "../../cli/output-schemas.ts";
import { readNpy, writeNpy } from "../../compiler/index.ts";
import { type Project, project, TINY } from "./project.ts";

const ECHO = "se 1\nnet echo { input image: f32[N, 3, 2, 2]  identity  output y }\n";
const GREY = "se 1\nnet grey { input image: f32[N, 1, 2, 2]  identity  output y }\n";
const VALUES = Array.from({ length: 12 }, (_, i) => i - 4);
const NPY = writeNpy({ shape: [1, 3, 2, 2], data: Float32Array.from(VALUES) });

async function output(p: Project, ...flags: string[]): Promise<number[]> {
  const ran = await p.sec(["run", "net.se", "--json", ...flags]);
  expect(ran.code, ran.out + ran.err).toBe(0);
  const [result] = ran.json().map((v) => outputSchemas.run.parse(v));
  return numbers(result?.outputs[0]?.data);
}

/** Values of an output, none of which is NaN or infinity. */
function numbers(data: readonly (number | null)[] = []): number[] {
  expect(data).not.toContain(null);
  return data as number[];
}

const furthest = (a: readonly number[], b: readonly number[]): number =>
  a.length === b.length ? a.reduce((most, v, i) => Math.max(most, Math.abs(v - (b[i] as number))), 0) : Number.POSITIVE_INFINITY;

describe("arrays", () => {
  test.each([
    ["x.npy", NPY],
    ["x.npz", zipSync({ "image.npy": NPY, "other.npy": writeNpy({ shape: [1], data: Float32Array.of(9) }) })],
    ["x.json", JSON.stringify([[0, 1, 2].map((c) => [0, 2].map((y) => [0, 1].map((x) => VALUES[c * 4 + y + x])))])],
  ])("%s", async (name, contents) => {
    const p = project({ "net.se": ECHO, [name]: contents });
    expect(await output(p, "--input", `image=${name}`)).toEqual(VALUES);
  });

  test("random: by seed, the same every time; the default", async () => {
    const p = project({ "net.se": ECHO });
    const values = await output(p, "--input", "image=random");
    expect(await output(p)).toEqual(values);
    expect(await output(p, "--seed", "1")).not.toEqual(values);
    expect(new Set(values).size).toBe(12);
  });

  test("--batch: as many images as it says", async () => {
    const p = project({ "net.se": ECHO, "x.npy": writeNpy({ shape: [2, 3, 2, 2], data: Float32Array.from([...VALUES, ...VALUES]) }) });
    expect(await output(p, "--batch", "2", "--input", "image=x.npy")).toEqual([...VALUES, ...VALUES]);
    expect((await p.sec(["run", "net.se", "--input", "image=x.npy"])).code).toBe(2);
  });

  test("--shape: another size", async () => {
    const p = project({ "net.se": ECHO });
    expect(await output(p, "--shape", "image=1x3x4x5")).toHaveLength(60);
  });
});

describe("pictures", () => {
  // red, green / blue, white
  const pixels = Uint8Array.of(255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255);
  const planes = [1, 0, 0, 1, 0, 1, 0, 1, 0, 0, 1, 1];
  const png = encodePng({ width: 2, height: 2, data: pixels, channels: 3, depth: 8 });
  const files = { "net.se": ECHO, "x.png": png };

  test("png: planes of 0 to 1", async () => {
    expect(await output(project(files), "--input", "image=x.png")).toEqual(planes);
  });

  test("jpg: the same colour everywhere survives", async () => {
    const data = Buffer.alloc(16 * 16 * 4, 255);
    for (let i = 0; i < 256; i++) data.set([200, 100, 50], i * 4);
    const p = project({ ...files, "x.jpg": jpeg.encode({ width: 16, height: 16, data }, 100).data });
    const want = [200, 100, 50].flatMap((v) => Array.from({ length: 4 }, () => v / 255));
    expect(furthest(await output(p, "--input", "image=x.jpg"), want)).toBeLessThan(0.02);
  });

  test("--scale, --mean, --std, --bgr: (pixel / scale - mean) / std, blue first", async () => {
    const p = project(files);
    expect(await output(p, "--input", "image=x.png", "--scale", "1")).toEqual(planes.map((v) => v * 255));
    expect(await output(p, "--input", "image=x.png", "--mean", "0.5", "--std", "0.25")).toEqual(planes.map((v) => (v - 0.5) / 0.25));
    const means = [0.5, 0.25, 0];
    const stds = [1, 2, 4];
    const per = planes.map((v, i) => (v - (means[Math.floor(i / 4)] as number)) / (stds[Math.floor(i / 4)] as number));
    expect(await output(p, "--input", "image=x.png", "--mean", "0.5,0.25,0", "--std", "1,2,4")).toEqual(per);
    expect(await output(p, "--input", "image=x.png", "--bgr")).toEqual([...planes.slice(8), ...planes.slice(4, 8), ...planes.slice(0, 4)]);
  });

  test("resized to the input: half-pixel centres", async () => {
    const wide = encodePng({ width: 4, height: 2, data: Uint8Array.of(0, 100, 200, 50, 0, 100, 200, 50), channels: 1, depth: 8 });
    const p = project({ "net.se": GREY, "x.png": wide });
    expect(await output(p, "--input", "image=x.png", "--scale", "1")).toEqual([50, 125, 50, 125]);
  });

  test("the same picture for every image of a batch", async () => {
    expect(await output(project(files), "--input", "image=x.png", "--batch", "2")).toEqual([...planes, ...planes]);
  });
});

describe("outputs", () => {
  test("--output writes .npy, and says so; - puts the values into the JSON", async () => {
    const p = project({ "net.se": ECHO, "x.npy": NPY });
    const ran = await p.sec(["run", "net.se", "--input", "image=x.npy", "--output", "y=out.npy"]);
    expect(ran.out).toContain("out.npy");
    expect(readNpy(p.bytes("out.npy"))).toMatchObject({ shape: [1, 3, 2, 2], data: Float32Array.from(VALUES) });
    const [result] = (await p.sec(["run", "net.se", "--output", "y=out.npy", "--json"])).json().map((v) => outputSchemas.run.parse(v));
    expect(result?.outputs).toEqual([{ name: "y", dtype: "f32", shape: [1, 3, 2, 2], file: "out.npy" }]);
    expect(await output(p, "--input", "image=x.npy", "--output", "y=-")).toEqual(VALUES);
  });

  test("--output: an array of sec's own is replaced, another's only with --force", async () => {
    const p = project({ "net.se": ECHO });
    const numpys = `{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3, 2, 2), }`;
    p.write("own.npy", Buffer.concat([NPY.subarray(0, 10), Buffer.from(`${numpys.padEnd(117)}\n`, "latin1"), NPY.subarray(128)]));
    expect(readNpy(p.bytes("own.npy"))).toMatchObject({ shape: [1, 3, 2, 2] });
    const refused = await p.sec(["run", "net.se", "--output", "y=own.npy"]);
    expect([refused.code, refused.err]).toEqual([2, expect.stringContaining("`own.npy` was not written by sec")]);
    for (const flags of [["--force"], []]) expect((await p.sec(["run", "net.se", "--output", "y=own.npy", ...flags])).code).toBe(0);
    expect(p.files()).toEqual(["net.se", "own.npy"]);
  });

  test("NaN is null in the JSON, as its schema says", async () => {
    const p = project({ "net.se": ECHO, "x.npy": writeNpy({ shape: [1, 3, 2, 2], data: new Float32Array(12).fill(Number.NaN) }) });
    const ran = await p.sec(["run", "net.se", "-t", "cpu", "--input", "image=x.npy", "--json"]);
    expect(outputSchemas.run.parse(ran.json()[0]).outputs[0]?.data).toEqual(Array.from({ length: 12 }, () => null));
  });

  test("--taps: what a selector matches, under its path, without changing the output", async () => {
    const p = project({ "net.se": TINY });
    const ran = await p.sec(["run", "net.se", "--taps", "@se.scale", "--taps", "conv1", "--json"]);
    const [result] = ran.json().map((v) => outputSchemas.run.parse(v));
    expect(result?.outputs.map((o) => [o.name, o.shape])).toEqual([
      ["logits", [1, 5]],
      ["att.@mul.scale", [1, 8, 1, 1]],
      ["conv1", [1, 8, 6, 6]],
    ]);
    for (const gate of numbers(result?.outputs[1]?.data)) expect(gate > 0 && gate < 1).toBe(true);
    const plain = await output(p);
    expect(furthest(numbers(result?.outputs[0]?.data), plain)).toBeLessThan(1e-5);
    const none = await p.sec(["run", "net.se", "--taps", "@dense"]);
    expect(none.code).toBe(1);
    expect(none.err).toContain("SE301");
  });

  test("every optimisation level and target gives the same numbers", async () => {
    const p = project({ "net.se": TINY });
    const plain = await output(p);
    for (const level of ["0", "1"]) expect(furthest(await output(p, "-O", level), plain)).toBeLessThan(1e-5);
    expect(furthest(await output(p, "-t", "tfjs"), plain)).toBeLessThan(1e-5);
  });
});
