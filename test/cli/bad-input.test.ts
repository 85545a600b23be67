/**
 * One row for every kind of bad input: the code, the exit code, that the message says where and what to do, and that nothing was written.
 * Where a row says `note`, `help` or `place`, the message has one.
 */
import { chmodSync, closeSync, ftruncateSync, openSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { type Project, project, TINY, TWO } from "./project.ts";

interface Row {
  readonly name: string;
  /** Contents of net.se, unless `files` says otherwise. */
  readonly net?: string;
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  readonly prepare?: (p: Project) => void;
  /** Default: compile net.se for every target. */
  readonly args?: readonly string[];
  readonly stdin?: Uint8Array;
  readonly code: string;
  readonly exit: 1 | 2;
  /** Parts of the message. */
  readonly says: readonly string[];
  /** Files that may be there afterwards besides those that were there before. */
  readonly writes?: boolean;
}

const net = (body: string, more = ""): string => `se 1\n${more}net n {\n  input x: f32[N, 4, 8, 8]\n  ${body}\n  output y\n}\n`;

/** A safetensors file with a header as given and `bytes` of zeros. */
function tensors(header: unknown, bytes: number): Uint8Array {
  const text = typeof header === "string" ? header : JSON.stringify(header);
  const head = new TextEncoder().encode(text.padEnd(Math.ceil(text.length / 8) * 8));
  const out = new Uint8Array(8 + head.length + bytes);
  new DataView(out.buffer).setBigUint64(0, BigInt(head.length), true);
  out.set(head, 8);
  return out;
}

const ONE = net("c: conv(2, 1)");
const WEIGHT = { "c.weight": { dtype: "F32", shape: [2, 4, 1, 1], data_offsets: [0, 32] } };
const withWeights = ["compile", "net.se", "-t", "cpu", "--weights", "w.safetensors"];

const rows: readonly Row[] = [
  // ---- the text
  { name: "an unknown layer", net: net("c: convv(4, 3)"), code: "SE104", exit: 1, says: ["net.se:4:6", "convv", "did you mean `conv`"] },
  { name: "an unknown argument", net: net("c: conv(4, 3, strid=2)"), code: "SE111", exit: 1, says: ["net.se:4:17", "`stride`"] },
  { name: "a wrong type", net: net('c: conv("four", 3)'), code: "SE112", exit: 1, says: ["net.se:4:11", "four"] },
  { name: "an unterminated string", net: net('c: conv(4, 3, pad="half)'), code: "SE002", exit: 1, says: ["net.se:4:21"] },
  { name: "a surplus brace", net: `${ONE}}\n`, code: "SE003", exit: 1, says: ["net.se:7:1"] },
  { name: "a NUL byte", net: ONE.replace("conv", "co\0nv"), code: "SE002", exit: 1, says: ["net.se:4:8", "U+0000"] },
  {
    name: "invalid UTF-8",
    files: { "net.se": Uint8Array.of(0x73, 0x65, 0x20, 0x31, 0xff, 0xfe) },
    code: "SE009",
    exit: 2,
    says: ["net.se", "UTF-8"],
  },
  {
    name: "invalid UTF-8 on standard input",
    args: ["check", "-"],
    stdin: Uint8Array.of(0xc3, 0x28),
    code: "SE009",
    exit: 2,
    says: ["stdin.se"],
  },
  { name: "an empty file", net: "", code: "SE001", exit: 1, says: ["net.se:1:1", "se 1"] },
  { name: "recursion", net: net("b", "block b { b }\n"), code: "SE114", exit: 1, says: ["net.se:2:11", "`b`"] },
  { name: "mutual recursion", net: net("a", "block a { b }\nblock b { a }\n"), code: "SE114", exit: 1, says: ["net.se:"] },
  {
    name: "files that use each other",
    files: { "net.se": `use "b.se"\n`.replace(/^/, "se 1\n"), "b.se": 'se 1\nuse "net.se"\n' },
    code: "SE114",
    exit: 1,
    says: ["b.se"],
  },
  { name: "a used file that is not there", net: `se 1\nuse "none.se"\n`, code: "SE009", exit: 1, says: ["net.se:2:5", "none.se"] },
  { name: "a thousand million layers", net: net("{ { relu } * 10000 } * 100000"), code: "SE010", exit: 1, says: ["net.se:4"] },
  { name: "repeats that multiply", net: net("{ { relu } * 10000 } * 10000"), code: "SE010", exit: 1, says: ["net.se:4", "200000 layers"] },
  { name: "nesting without end", net: net(`${"{ ".repeat(5000)}relu${" }".repeat(5000)}`), code: "SE010", exit: 1, says: ["net.se:4"] },
  {
    name: "shapes that do not fit",
    net: net("add { a { conv(4, 1) } b { conv(8, 1) } }"),
    code: "SE201",
    exit: 1,
    says: ["net.se:4:", "8"],
  },
  { name: "a window larger than the map", net: net('c: conv(4, 11, pad="valid")'), code: "SE206", exit: 1, says: ["net.se:4"] },
  {
    name: "an open size that is no batch",
    net: ONE.replace("[N, 4, 8, 8]", "[N, 4, H, 8]"),
    code: "SE207",
    exit: 1,
    says: ["net.se:3", "H"],
  },
  {
    name: "a selector that matches nothing",
    net: `${ONE}net m from n { insert se as s after @dense }\n`,
    code: "SE301",
    exit: 1,
    says: ["net.se:7:"],
  },
  {
    name: "a selector of the command line that matches nothing",
    net: ONE,
    args: ["ls", "net.se", "@dense"],
    code: "SE301",
    exit: 1,
    says: ["@dense"],
  },
  { name: "a selector that does not parse", net: ONE, args: ["ls", "net.se", "a..b"], code: "SE003", exit: 1, says: ["selector:1:3"] },
  // ---- the JSON form
  {
    name: "JSON with an unknown key",
    files: { "net.json": '{"se": 1, "defs": [], "blokcs": []}' },
    args: ["check", "net.json"],
    code: "SE006",
    exit: 1,
    says: ["net.json:1", "blokcs", "se, use, defs"],
  },
  {
    name: "JSON with a key twice",
    files: { "net.json": '{"se": 1, "se": 1}' },
    args: ["check", "net.json"],
    code: "SE007",
    exit: 1,
    says: ["net.json:1"],
  },
  {
    name: "JSON that breaks off",
    files: { "net.json": '{"se": 1, "nets": [' },
    args: ["check", "net.json"],
    code: "SE008",
    exit: 1,
    says: ["net.json:1"],
  },
  // ---- files
  { name: "no such file", args: ["check", "none.se"], code: "SE009", exit: 2, says: ["none.se", "no such file"] },
  { name: "a folder", args: ["check", "."], code: "SE009", exit: 2, says: ["folder"] },
  { name: "a name that is neither file nor net", args: ["check", "resnet5O"], code: "SE521", exit: 2, says: ["resnet5O", "`resnet50`"] },
  {
    name: "a file of 1 GB",
    prepare: (p) => {
      const file = openSync(path.join(p.folder, "net.se"), "w");
      ftruncateSync(file, 1e9);
      closeSync(file);
    },
    args: ["check", "net.se"],
    code: "SE009",
    exit: 2,
    says: ["1,000,000,000", "4 MiB"],
  },
  // ---- weights
  { name: "weights: no file", net: ONE, args: withWeights, code: "SE009", exit: 2, says: ["w.safetensors"] },
  {
    name: "weights: three bytes",
    net: ONE,
    files: { "w.safetensors": Uint8Array.of(1, 2, 3) },
    args: withWeights,
    code: "SE405",
    exit: 1,
    says: ["w.safetensors"],
  },
  {
    name: "weights: cut off",
    net: ONE,
    files: { "w.safetensors": tensors(WEIGHT, 20) },
    args: withWeights,
    code: "SE405",
    exit: 1,
    says: ["w.safetensors"],
  },
  {
    name: "weights: ranges that overlap",
    net: ONE,
    files: { "w.safetensors": tensors({ ...WEIGHT, d: { dtype: "F32", shape: [8], data_offsets: [16, 48] } }, 48) },
    args: withWeights,
    code: "SE405",
    exit: 1,
    says: ["overlap"],
  },
  {
    name: "weights: a header longer than the file",
    net: ONE,
    files: { "w.safetensors": Uint8Array.of(255, 255, 255, 255, 255, 255, 255, 127, 0x7b) },
    args: withWeights,
    code: "SE405",
    exit: 1,
    says: ["w.safetensors"],
  },
  {
    name: "weights: not those of the net",
    net: ONE,
    files: { "w.safetensors": tensors({ z: { dtype: "F32", shape: [1], data_offsets: [0, 4] } }, 4) },
    args: withWeights,
    code: "SE401",
    exit: 1,
    says: ["c.weight"],
  },
  {
    name: "weights: a part that is missing",
    net: ONE,
    files: { "w.safetensors.index.json": '{"weight_map": {"c.weight": "part.safetensors"}}' },
    args: [...withWeights.slice(0, -1), "w.safetensors.index.json"],
    code: "SE405",
    exit: 1,
    says: ["part.safetensors is missing"],
  },
  {
    name: "weights: a part outside the folder",
    net: ONE,
    files: { "w.safetensors.index.json": '{"weight_map": {"c.weight": "../../etc/passwd"}}' },
    args: [...withWeights.slice(0, -1), "w.safetensors.index.json"],
    code: "SE405",
    exit: 1,
    says: ["beside it"],
  },
  {
    name: "--rename of an empty part",
    net: ONE,
    files: { "w.safetensors": tensors(WEIGHT, 32) },
    args: [...withWeights, "--rename", "c..weight=x"],
    code: "SE520",
    exit: 2,
    says: ["--rename"],
  },
  // ---- the command line
  { name: "an unknown command", args: ["complie", "net.se"], code: "SE520", exit: 2, says: ["`sec compile`"] },
  { name: "an unknown option", args: ["compile", "net.se", "--taget", "cpu"], code: "SE520", exit: 2, says: ["`--target`"] },
  { name: "a missing argument", args: ["compile"], code: "SE520", exit: 2, says: ["sec help compile"] },
  { name: "a surplus argument", net: ONE, args: ["inspect", "net.se", "more.se"], code: "SE520", exit: 2, says: ["sec help inspect"] },
  {
    name: "a value of the wrong kind",
    net: ONE,
    args: ["compile", "net.se", "--batch", "many"],
    code: "SE520",
    exit: 2,
    says: ["--batch", "whole number"],
  },
  {
    name: "an unknown target",
    net: ONE,
    args: ["compile", "net.se", "-t", "webgp"],
    code: "SE511",
    exit: 2,
    says: ["`webgpu`", "sec-backend-webgp"],
  },
  {
    name: "a target that is a path",
    net: ONE,
    args: ["compile", "net.se", "-t", "../../evil"],
    code: "SE511",
    exit: 2,
    says: ["../../evil"],
  },
  {
    name: "--set with an unknown key",
    net: ONE,
    args: ["compile", "net.se", "-t", "webgpu", "--set", "webgpu.varant=tiled"],
    code: "SE513",
    exit: 2,
    says: ["`variant`"],
  },
  {
    name: "--set with a wrong value",
    net: ONE,
    args: ["compile", "net.se", "-t", "webgpu", "--set", "webgpu.variant=quick"],
    code: "SE513",
    exit: 2,
    says: ["quick", "tiled"],
  },
  {
    name: "--set for a target that does not exist",
    net: ONE,
    args: ["compile", "net.se", "-t", "cpu", "--set", "gpu.f16=true"],
    code: "SE511",
    exit: 2,
    says: ["`gpu`"],
  },
  {
    name: "--set for a target that is not compiled",
    net: ONE,
    args: ["compile", "net.se", "-t", "cpu", "--set", "webgpu.f16=true"],
    code: "SE520",
    exit: 2,
    says: ["webgpu.f16"],
  },
  { name: "an unknown net", net: TWO, args: ["compile", "net.se#frist"], code: "SE521", exit: 2, says: ["frist", "`first`"] },
  {
    name: "several nets where one is wanted",
    net: TWO,
    args: ["inspect", "net.se"],
    code: "SE521",
    exit: 2,
    says: ["sec inspect net.se#first"],
  },
  { name: "an unknown code", args: ["explain", "SE2O2"], code: "SE520", exit: 2, says: ["SE2O2"] },
  { name: "an unknown layer name", args: ["ops", "cnv"], code: "SE520", exit: 2, says: ["`conv`"] },
  { name: "--shape of no input", net: ONE, args: ["compile", "net.se", "--shape", "z=1x4x8x8"], code: "SE524", exit: 2, says: ["z", "x"] },
  { name: "--shape of another rank", net: ONE, args: ["compile", "net.se", "--shape", "x=4x8x8"], code: "SE524", exit: 2, says: ["x"] },
  {
    name: "--print-after of no pass",
    net: ONE,
    args: ["compile", "net.se", "-t", "cpu", "--print-after", "fuse-everything"],
    code: "SE520",
    exit: 2,
    says: ["--print-after", "fuse-everything"],
  },
  {
    name: "--fresh of no layer",
    net: ONE,
    files: { "w.safetensors": tensors(WEIGHT, 32) },
    args: [...withWeights, "--fresh", "nowhere"],
    code: "SE4",
    exit: 1,
    says: ["nowhere"],
  },
  // ---- configuration
  {
    name: "a setting that does not exist",
    net: ONE,
    files: { "sec.config.json": '{"tagets": ["cpu"]}' },
    code: "SE523",
    exit: 2,
    says: ["sec.config.json", "tagets"],
  },
  {
    name: "a setting of the wrong kind",
    net: ONE,
    files: { "sec.config.json": '{"optimize": 3}' },
    code: "SE523",
    exit: 2,
    says: ["optimize"],
  },
  { name: "a configuration that is not JSON", net: ONE, files: { "sec.config.json": "{" }, code: "SE523", exit: 2, says: ["not JSON"] },
  {
    name: "a configuration that is not there",
    net: ONE,
    args: ["compile", "net.se", "--config", "none.json"],
    code: "SE009",
    exit: 2,
    says: ["none.json"],
  },
  {
    name: "a configuration that throws",
    net: ONE,
    files: { "sec.config.mjs": "throw new Error('no luck')" },
    args: ["compile", "net.se", "--config", "sec.config.mjs"],
    code: "SE523",
    exit: 2,
    says: ["no luck"],
  },
  // ---- output
  {
    name: "the output folder is a file",
    net: ONE,
    files: { dist: "mine" },
    args: ["compile", "net.se", "-t", "cpu"],
    code: "SE522",
    exit: 2,
    says: ["`dist` is a file, not a folder"],
  },
  {
    name: "a file that sec did not write",
    net: ONE,
    files: { "dist/n/cpu/n.js": "mine" },
    args: ["compile", "net.se", "-t", "cpu"],
    code: "SE522",
    exit: 2,
    says: ["dist/n/cpu/n.js", "--force"],
  },
  {
    name: "a folder where a file should be",
    net: ONE,
    files: { "dist/n/cpu/n.js/x": "mine" },
    args: ["compile", "net.se", "-t", "cpu", "--force"],
    code: "SE522",
    exit: 2,
    says: ["dist/n/cpu/n.js"],
  },
  {
    name: "a metafile below a file",
    net: ONE,
    files: { file: "mine" },
    args: ["compile", "net.se", "-t", "cpu", "--metafile", "file/meta.json"],
    code: "SE522",
    exit: 2,
    says: ["meta.json"],
    writes: true,
  },
  {
    name: "a dump folder that is a file",
    net: ONE,
    files: { dump: "mine" },
    args: ["compile", "net.se", "-t", "cpu", "--dump-dir", "dump"],
    code: "SE522",
    exit: 2,
    says: ["dump"],
  },
  // ---- inputs
  {
    name: "an input that the net does not have",
    net: TINY,
    args: ["run", "net.se", "--input", "imgae=random"],
    code: "SE524",
    exit: 2,
    says: ["`image`"],
  },
  {
    name: "an input of another length",
    net: TINY,
    files: { "x.json": "[[1, 2, 3]]" },
    args: ["run", "net.se", "--input", "image=x.json"],
    code: "SE524",
    exit: 2,
    says: ["1×3", "1×3×6×6"],
  },
  {
    name: "a ragged input",
    net: TINY,
    files: { "x.json": "[[1, 2], [3]]" },
    args: ["run", "net.se", "--input", "image=x.json"],
    code: "SE524",
    exit: 2,
    says: ["x.json"],
  },
  {
    name: "a damaged picture",
    net: TINY,
    files: { "x.png": "PNG" },
    args: ["run", "net.se", "--input", "image=x.png"],
    code: "SE524",
    exit: 2,
    says: ["x.png"],
  },
  {
    name: "a damaged photo",
    net: TINY,
    files: { "x.jpg": "JPG" },
    args: ["run", "net.se", "--input", "image=x.jpg"],
    code: "SE524",
    exit: 2,
    says: ["x.jpg"],
  },
  {
    name: "a damaged array",
    net: TINY,
    files: { "x.npy": "NPY" },
    args: ["run", "net.se", "--input", "image=x.npy"],
    code: "SE524",
    exit: 2,
    says: ["x.npy"],
  },
  {
    name: "a damaged archive",
    net: TINY,
    files: { "x.npz": "NPZ" },
    args: ["run", "net.se", "--input", "image=x.npz"],
    code: "SE524",
    exit: 2,
    says: ["x.npz"],
  },
  {
    name: "an input of an unknown kind",
    net: TINY,
    files: { "x.bin": "x" },
    args: ["run", "net.se", "--input", "image=x.bin"],
    code: "SE524",
    exit: 2,
    says: [".npy"],
  },
  {
    name: "a picture for a net of four channels",
    net: ONE,
    files: { "x.png": "PNG" },
    args: ["run", "net.se", "--input", "x=x.png"],
    code: "SE524",
    exit: 2,
    says: ["1 or 3"],
  },
  {
    name: "an input file that is not there",
    net: TINY,
    args: ["run", "net.se", "--input", "image=x.npy"],
    code: "SE009",
    exit: 2,
    says: ["x.npy"],
  },
  {
    name: "an output that the net does not have",
    net: TINY,
    args: ["run", "net.se", "--output", "logit=x.npy"],
    code: "SE520",
    exit: 2,
    says: ["logits"],
  },
];

describe("bad input", () => {
  test.each(rows)(
    "$name",
    async ({ net: text, files = {}, prepare, args = ["compile", "net.se", "-t", "cpu,webgpu,tfjs"], stdin, code, exit, says, writes }) => {
      const p = project({ ...(text === undefined ? {} : { "net.se": text }), ...files });
      prepare?.(p);
      const before = p.files();
      const ran = await p.sec(args, stdin ? { stdin } : {});
      expect({ exit: ran.code, out: ran.out }, ran.err).toEqual({ exit, out: writes ? ran.out : "" });
      expect(ran.err).toMatch(new RegExp(`error ${code}`));
      for (const part of says) expect(ran.err).toContain(part);
      expect(ran.err).not.toMatch(/\n\s+at /);
      if (!writes) expect(p.files()).toEqual(before);

      // the same as JSON: on standard output alone, with the same exit code
      const json = await p.sec([...args, "--json"], stdin ? { stdin } : {});
      expect(json.code).toBe(exit);
      const [result] = json.json() as { diagnostics: { code: string }[] }[];
      expect(result?.diagnostics.map((d) => d.code).filter((c) => c.startsWith(code))).not.toEqual([]);
    },
  );

  test("a folder that cannot be written to", async (context) => {
    // root may write anywhere
    if (process.getuid?.() === 0) return context.skip("running as root, who may write anywhere");
    const p = project({ "net.se": ONE, "dist/n/keep": "" });
    chmodSync(path.join(p.folder, "dist/n"), 0o500);
    const ran = await p.sec(["compile", "net.se", "-t", "cpu"]);
    chmodSync(path.join(p.folder, "dist/n"), 0o700);
    expect(ran.code).toBe(2);
    expect(ran.err).toContain("SE522");
    expect(ran.err).toContain("permission denied");
  });
});

test("`* 0` is a warning: the net compiles without the layer", async () => {
  const p = project({ "net.se": net("relu * 0  c: conv(2, 1)") });
  const ran = await p.sec(["compile", "net.se", "-t", "cpu"]);
  expect(ran.code).toBe(0);
  expect(ran.err).toMatch(/net\.se:4:\d+: warning SE\d{3}/);
  expect(p.has("dist/n/cpu/n.js")).toBe(true);
});
