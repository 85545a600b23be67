/** `sec import`: what it prints, what it writes, and tensors that lie in a file beside the model. */
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import path from "node:path";
import { toBinary } from "@bufbuild/protobuf";
import { ModelProtoSchema } from "onnx-buf";
import { expect, test } from "vitest";
import { decodeModel } from "../judges/onnx-text.ts";
import { project } from "./project.ts";

const NET =
  "se 1\nnet small { input image: f32[N, 3, 8, 8]  c: conv(64, 3)  b: bn  relu  att: se(reduction=4)  gap  flatten  fc: linear(4)  output y }\n";

test("a model and what it was compiled from are the same net, and what comes next is said", async () => {
  const p = project({ "net.se": NET });
  expect((await p.sec(["compile", "net.se", "-t", "onnx", "-o", "out", "--seed", "1"])).code).toBe(0);
  const { code, out, err } = await p.sec(["import", "out/small/onnx/small.onnx", "-o", "back"]);
  expect(code).toBe(0);
  expect(out).toContain("small    ");
  expect(err).toContain("next: sec compile back/small.se --weights back/small.safetensors");
  const next = await p.sec(["compile", "back/small.se", "--weights", "back/small.safetensors", "-t", "cpu", "--dry-run"]);
  expect(next.code).toBe(0);
});

test("--name: any name that a net may have; -n writes nothing", async () => {
  const p = project({ "net.se": NET });
  expect((await p.sec(["compile", "net.se", "-t", "onnx", "-o", "out"])).code).toBe(0);
  const before = p.files();
  const ran = await p.sec(["import", "out/small/onnx/small.onnx", "--name", "My__Net2", "-n"]);
  expect([ran.code, p.files()]).toEqual([0, before]);
  expect(ran.out).toMatch(/^ {2}My__Net2\.se .*\(not written\)$/m);
});

test("numbers behind the first 2 GB of a file beside the model", async () => {
  const p = project({ "net.se": NET });
  const compile = ["compile", "net.se", "-t", "onnx", "--seed", "1", "--set", "onnx.external=0", "-o", "out"];
  expect((await p.sec(compile)).code).toBe(0);
  const folder = "out/small/onnx";
  expect((await p.sec(["import", `${folder}/small.onnx`, "-o", "near"])).code).toBe(0);

  const model = decodeModel(p.bytes(`${folder}/small.onnx`));
  const far = 2 ** 31 + 4096;
  const offsets = model.graph?.initializer.flatMap((t) => t.externalData.filter((e) => e.key === "offset")) ?? [];
  expect(offsets.length).toBeGreaterThan(2);
  for (const e of offsets) e.value = String(Number(e.value) + far);
  const data = p.bytes(`${folder}/small.onnx.data`);
  p.write(`${folder}/small.onnx`, toBinary(ModelProtoSchema, model));
  // a hole of 2 GB costs no space
  const file = openSync(path.join(p.folder, folder, "small.onnx.data"), "w");
  ftruncateSync(file, far + data.length);
  writeSync(file, data, 0, data.length, far);
  closeSync(file);
  expect((await p.sec(["import", `${folder}/small.onnx`, "-o", "far"])).code).toBe(0);
  expect(readFileSync(path.join(p.folder, "far/small.safetensors")).equals(p.bytes("near/small.safetensors"))).toBe(true);

  p.write(`${folder}/small.onnx.data`, new Uint8Array(10));
  const short = await p.sec(["import", `${folder}/small.onnx`, "-o", "short"]);
  expect([short.code, short.err]).toEqual([1, expect.stringContaining("error SE601")]);
});

test("what is no model, and sizes that do not belong to one, are said with what helps", async () => {
  const p = project({
    "net.se": NET,
    "a.pth": "PK",
    "a.h5": "",
    "a.tflite": "",
    "a.pb": "",
    "a.safetensors": "",
    zipped: "PK\u0003\u0004",
  });
  expect((await p.sec(["compile", "net.se", "-t", "onnx", "-o", "out", "--seed", "1"])).code).toBe(0);
  const said = async (...args: string[]): Promise<string> => {
    const { code, err } = await p.sec(["import", ...args]);
    expect(code).not.toBe(0);
    return err.trim();
  };
  expect(await said("a.pth")).toContain("`a.pth` is no model that can be imported: it is a file of PyTorch");
  expect(await said("zipped")).toContain("torch.onnx.export");
  expect(await said("a.h5")).toContain("from_keras");
  expect(await said("a.tflite")).toContain("--tflite a.tflite");
  expect(await said("a.pb")).toContain("--saved-model");
  expect(await said("a.safetensors")).toContain("sec compile net.se --weights a.safetensors");
  const model = "out/small/onnx/small.onnx";
  expect(await said(model, "--shape", "picture=1x3x8x8")).toContain("error SE524: the net `small` has no input called `picture`");
  expect(await said(model, "--shape", "image=3x8x8")).toContain("`--shape` gives the input `image` 3 sizes; in `small.onnx` it has 4");
  expect(p.files().filter((f) => f.endsWith("small.safetensors"))).toEqual([]);
});
