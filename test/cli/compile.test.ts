/** `sec compile`: what it writes and what it leaves alone, weights, stages to look at. */
import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { cpu } from "../../backends/cpu/index.ts";
import { outputSchemas } from "../../cli/output-schemas.ts";
import { installBackend, PLAIN, type Project, project, TINY, TWO } from "./project.ts";

const OUT = "dist/tiny/cpu";
const compile = (p: Project, ...more: string[]) => p.sec(["compile", "net.se", "-t", "cpu", ...more]);
const tiny = (): Project => project({ "net.se": TINY });

/** A safetensors file of f32 tensors, all filled with one value each. */
function tensors(list: Readonly<Record<string, readonly [shape: readonly number[], value: number]>>): Uint8Array {
  const header: Record<string, unknown> = {};
  const values: number[] = [];
  for (const [name, [shape, value]] of Object.entries(list)) {
    const count = shape.reduce((a, b) => a * b, 1);
    header[name] = { dtype: "F32", shape, data_offsets: [values.length * 4, (values.length + count) * 4] };
    for (let i = 0; i < count; i++) values.push(value);
  }
  const text = JSON.stringify(header);
  const head = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(head.length));
  return Buffer.concat([size, head, Buffer.from(Float32Array.from(values).buffer)]);
}

describe("writing", () => {
  test("one folder per net and target; nothing else", async () => {
    const p = project({ "net.se": TWO });
    expect((await p.sec(["compile", "net.se", "-t", "cpu", "-t", "tfjs", "-o", "out"])).code).toBe(0);
    expect(p.files().map((f) => f.split("/").slice(0, 3).join("/"))).toEqual(
      expect.arrayContaining(["net.se", "out/first/cpu", "out/first/tfjs", "out/second/cpu", "out/second/tfjs"]),
    );
    expect(p.files().filter((f) => f.includes(".part"))).toEqual([]);
  });

  test("--check: fresh files pass, a changed and a missing one do not; nothing is written", async () => {
    const p = tiny();
    await compile(p);
    expect((await compile(p, "--check")).code).toBe(0);
    p.write(`${OUT}/tiny.js`, `${p.read(`${OUT}/tiny.js`)}\n`);
    const changed = p.read(`${OUT}/tiny.js`);
    const stale = await compile(p, "--check");
    expect(stale.code).toBe(1);
    expect(stale.err).toContain(`${OUT}/tiny.js differs`);
    expect(p.read(`${OUT}/tiny.js`)).toBe(changed);
    expect((await compile(p, "--check", "--json")).json()).toMatchObject([{ stale: [`${OUT}/tiny.js`] }]);
    const q = tiny();
    expect((await compile(q, "--check")).code).toBe(1);
    expect(q.files()).toEqual(["net.se"]);
  });

  test("a file that sec did not write stays; --force replaces it; sec's own are replaced without", async () => {
    const p = tiny();
    p.write(`${OUT}/tiny.js`, "// mine\n");
    expect((await compile(p)).code).toBe(2);
    expect(p.read(`${OUT}/tiny.js`)).toBe("// mine\n");
    expect(p.files()).toEqual([`${OUT}/tiny.js`, "net.se"]);
    expect((await compile(p, "--force")).code).toBe(0);
    expect(p.read(`${OUT}/tiny.js`)).toContain("Written by sec");
    expect((await compile(p, "--seed", "1")).code).toBe(0);
  });

  test("every target replaces what it wrote before", async () => {
    const p = tiny();
    const again = ["compile", "net.se", "-t", "all", "--set", "pytorch.train=true", "--set", "onnx.external=0", "--seed"];
    expect((await p.sec([...again, "0"])).code).toBe(0);
    const before = new Map(p.files().map((f) => [f, p.bytes(f)]));
    const second = await p.sec([...again, "1"]);
    expect(second.err).not.toContain("SE522");
    expect(second.code).toBe(0);
    expect(p.files()).toEqual([...before.keys()]);
    for (const target of ["cpu", "onnx", "pytorch", "tfjs", "wasm", "webgpu"]) {
      expect(
        [...before].some(([f, bytes]) => f.includes(`/${target}/`) && !p.bytes(f).equals(bytes)),
        target,
      ).toBe(true);
    }
  });

  test("kernels of an earlier output are removed; a file of the user's beside them is not", async () => {
    const p = project({ "net.se": PLAIN });
    const once = await p.sec(["compile", "net.se", "-t", "webgpu", "-O", "0"]);
    expect(once.code).toBe(0);
    const folder = "dist/plain/webgpu/kernels";
    p.write(`${folder}/notes.txt`, "mine");
    const before = p.files().filter((f) => f.startsWith(folder));
    expect((await p.sec(["compile", "net.se", "-t", "webgpu"])).code).toBe(0);
    const after = p.files().filter((f) => f.startsWith(folder));
    expect(after.length).toBeLessThan(before.length);
    expect(after).toContain(`${folder}/notes.txt`);
    const q = project({ "net.se": PLAIN });
    await q.sec(["compile", "net.se", "-t", "webgpu"]);
    expect(after.filter((f) => !f.endsWith("notes.txt"))).toEqual(q.files().filter((f) => f.startsWith(folder)));
  });

  test("one wrong net of a file: nothing of the file is written", async () => {
    const p = project({ "good.se": TINY, "bad.se": `${TWO}net third from first { insert se as s after nowhere }\n` });
    expect((await p.sec(["compile", "bad.se", "-t", "cpu"])).code).toBe(1);
    expect(p.files()).toEqual(["bad.se", "good.se"]);
  });

  test("the same bytes twice", async () => {
    const [p, q] = [tiny(), tiny()];
    for (const one of [p, q]) await one.sec(["compile", "net.se", "-t", "cpu,webgpu,tfjs"]);
    expect(p.files()).toEqual(q.files());
    for (const f of p.files()) expect(p.bytes(f).equals(q.bytes(f)), f).toBe(true);
  });

  test("-o -: the module's text on standard output alone", async () => {
    const p = tiny();
    const ran = await compile(p, "-o", "-");
    expect(p.files()).toEqual(["net.se"]);
    await compile(p);
    expect(ran.out).toBe(p.read(`${OUT}/tiny.js`));
  });

  test("--metafile: sizes and hashes of the files, kernels and what they came from", async () => {
    const p = tiny();
    await compile(p, "--metafile", "meta/all.json");
    const meta = JSON.parse(p.read("meta/all.json")) as {
      outputs: { net: string; files: { path: string; bytes: number; sha256: string }[]; kernels: { from: string[] }[] }[];
    };
    expect(meta.outputs).toHaveLength(1);
    for (const f of meta.outputs[0]?.files ?? []) {
      const bytes = p.bytes(`${OUT}/${f.path}`);
      expect(f).toEqual({ path: f.path, bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") });
    }
    expect(meta.outputs[0]?.kernels.flatMap((k) => k.from)).toContain("conv1");
  });
});

describe("what is written besides the targets", () => {
  test("a metafile and dumps of an earlier run are replaced; others only with --force", async () => {
    const p = tiny();
    for (let i = 0; i < 2; i++) expect((await compile(p, "--metafile", "meta.json", "--dump-dir", "dump")).code).toBe(0);
    const [dump] = p.files().filter((f) => f.startsWith("dump/"));
    p.write(dump as string, "mine");
    const refused = await p.sec(["compile", "net.se", "-t", "cpu", "--dump-dir", "dump"]);
    expect([refused.code, refused.err]).toEqual([2, expect.stringContaining(`\`${dump}\` was not written by sec`)]);
    expect(p.read(dump as string)).toBe("mine");
    expect((await compile(p, "--dump-dir", "dump", "--force")).code).toBe(0);
    expect(p.read(dump as string)).not.toBe("mine");
  });

  test("--dry-run and --check write neither, and say so", async () => {
    const p = tiny();
    for (const flag of ["--dry-run", "--check"]) {
      const ran = await p.sec(["compile", "net.se", "-t", "cpu", flag, "--metafile", "meta.json", "--dump-dir", "dump"]);
      expect(ran.code).toBe(flag === "--check" ? 1 : 0);
      for (const name of ["meta.json", "dump"]) expect(ran.err).toContain(`${name}  (not written)`);
    }
    expect(p.files()).toEqual(["net.se"]);
  });

  test("--check: a folder in place of a file is a difference", async () => {
    const p = tiny();
    p.write(`${OUT}/tiny.js/mine`, "");
    const ran = await p.sec(["compile", "net.se", "-t", "cpu", "--check"]);
    expect([ran.code, ran.err]).toEqual([1, expect.stringContaining("tiny.js differs")]);
    p.write("other", "");
    expect((await p.sec(["compile", "net.se", "-t", "cpu", "--check", "-o", "other"])).code).toBe(1);
  });

  test.each([
    ["--emit", "graph"],
    ["--emit", "kernels"],
    ["--print-after", "all"],
    ["-o", "-"],
  ])("%s %s prints text, for which --json has no room", async (...flags) => {
    const ran = await tiny().sec(["compile", "net.se", "-t", "cpu", ...flags, "--json"]);
    expect(ran.code).toBe(2);
    const [result] = ran.json().map((v) => outputSchemas.check.parse(v));
    expect(result?.diagnostics[0]?.title).toContain("prints text");
  });
});

describe("stages", () => {
  test("--emit ast, graph, kernels print and write nothing", async () => {
    const p = tiny();
    const ast = await compile(p, "--emit", "ast");
    expect((JSON.parse(ast.out) as { se: number }).se).toBe(1);
    const graph = await compile(p, "--emit", "graph", "-O", "0");
    expect(graph.out).toMatch(/conv1/);
    const kernels = await compile(p, "--emit", "kernels");
    expect(kernels.out).not.toBe(graph.out);
    expect(kernels.out).toMatch(/conv1/);
    expect(p.files()).toEqual(["net.se"]);
    expect((await compile(p, "--emit", "files")).code).toBe(0);
    expect(p.has(`${OUT}/tiny.js`)).toBe(true);
  });

  test("--print-after all prints every pass in order, a name only that one; --verify-ir changes nothing", async () => {
    const p = tiny();
    const all = await compile(p, "--print-after", "all", "--dry-run", "--verify-ir");
    const titles = [...all.out.matchAll(/^# tiny, cpu: after ([\w-]+)/gm)].map((m) => m[1] as string);
    expect(titles.length).toBeGreaterThan(5);
    const one = await compile(p, "--print-after", titles[0] as string, "--dry-run");
    expect([...one.out.matchAll(/^# /gm)]).toHaveLength(titles.filter((t) => t === titles[0]).length);
  });

  test("--dump-dir has a file for every pass that changed something", async () => {
    const p = tiny();
    const ran = await compile(p, "--dump-dir", "dump", "--print-after", "all");
    const changed = [...ran.out.matchAll(/^# tiny, cpu: after ([\w-]+)( \(unchanged\))?$/gm)]
      .filter((m) => m[2] === undefined)
      .map((m) => m[1]);
    expect(
      p
        .files()
        .filter((f) => f.startsWith("dump/"))
        .map((f) => f.replace(/^dump\/tiny\.cpu\.\d+-(.*)\.txt$/, "$1")),
    ).toEqual(changed);
    expect(changed.length).toBeGreaterThan(0);
  });

  test("--verify-ir finds nothing wrong and changes nothing", async () => {
    const p = tiny();
    const plain = await compile(p);
    expect((await compile(p, "--verify-ir")).out).toBe(plain.out);
  });
});

/** What the module got: weights as compile reads them, by a backend that writes them down. */
function recorder(p: Project): void {
  const emit = (
    graph: { weights: readonly { path: string; trainable: boolean; init: { kind: string } }[] },
    context: { weights: { read(w: unknown): Float32Array } },
  ) => ({
    artifacts: [
      {
        path: "w.json",
        mediaType: "application/json",
        contents: JSON.stringify({
          by: "Written by sec",
          ...Object.fromEntries(graph.weights.filter((w) => w.trainable).map((w) => [w.path, [...context.weights.read(w)]])),
        }),
      },
    ],
    metrics: {},
  });
  installBackend(p, "record", {
    name: "record",
    apiVersion: 1,
    summary: "",
    options: cpu.options,
    level: "graph",
    training: () => true,
    emit,
  });
}

describe("weights", () => {
  const SMALL = "se 1\nnet tiny {\n  input x: f32[N, 2, 4, 4]\n  a: conv(2, 1, bias=true)\n  b: conv(2, 1)\n  output y\n}\n";
  const whole = { "a.weight": [[2, 2, 1, 1], 1], "a.bias": [[2], 2], "b.weight": [[2, 2, 1, 1], 3] } as const;

  async function recorded(p: Project, ...flags: string[]): Promise<Record<string, number[]>> {
    const ran = await p.sec(["compile", "net.se", "-t", "record", ...flags]);
    expect(ran.code, ran.err).toBe(0);
    return JSON.parse(p.read("dist/tiny/record/w.json")) as Record<string, number[]>;
  }
  function prepared(net: string, files: Readonly<Record<string, Uint8Array | string>> = {}): Project {
    const p = project({ "net.se": net, ...files });
    recorder(p);
    return p;
  }
  const filled = (n: number, value: number): number[] => Array.from({ length: n }, () => value);

  test("from a file; said aloud", async () => {
    const p = prepared(SMALL, { "w.safetensors": tensors(whole) });
    expect(await recorded(p, "--weights", "w.safetensors")).toMatchObject({
      "a.weight": filled(4, 1),
      "a.bias": filled(2, 2),
      "b.weight": filled(4, 3),
    });
    const ran = await p.sec(["compile", "net.se", "-t", "record", "--weights", "w.safetensors"]);
    expect(ran.err).toContain("weights: 3 of 3 tensors come from w.safetensors");
    expect(ran.err).toMatch(/next: sec verify net\.se --target record --weights w\.safetensors\n$/);
  });

  test("--rename and --strip", async () => {
    const p = prepared(SMALL, {
      "w.safetensors": tensors({
        "module.first.weight": whole["a.weight"],
        "module.first.bias": whole["a.bias"],
        "module.b.weight": whole["b.weight"],
      }),
    });
    expect((await p.sec(["compile", "net.se", "-t", "record", "--weights", "w.safetensors"])).code).toBe(1);
    expect(await recorded(p, "--weights", "w.safetensors", "--strip", "module", "--rename", "first=a")).toMatchObject({
      "a.bias": filled(2, 2),
    });
  });

  test("--fresh, --zero-bias, --partial, --ignore-extra", async () => {
    const p = prepared(SMALL, {
      "w.safetensors": tensors(whole),
      "part.safetensors": tensors({ "a.weight": whole["a.weight"], "b.weight": whole["b.weight"] }),
      "extra.safetensors": tensors({ ...whole, "z.weight": [[1], 1] }),
    });
    const seeded = await recorded(p);
    expect(await recorded(p, "--weights", "w.safetensors", "--fresh", "a")).toMatchObject({
      "a.weight": seeded["a.weight"],
      "b.weight": filled(4, 3),
    });
    expect((await p.sec(["compile", "net.se", "-t", "record", "--weights", "part.safetensors"])).code).toBe(1);
    expect(await recorded(p, "--weights", "part.safetensors", "--zero-bias")).toMatchObject({ "a.bias": [0, 0], "a.weight": filled(4, 1) });
    expect(await recorded(p, "--weights", "part.safetensors", "--partial")).toMatchObject({
      "a.bias": seeded["a.bias"],
      "a.weight": filled(4, 1),
    });
    expect((await p.sec(["compile", "net.se", "-t", "record", "--weights", "extra.safetensors"])).code).toBe(1);
    expect(await recorded(p, "--weights", "extra.safetensors", "--ignore-extra")).toMatchObject({ "b.weight": filled(4, 3) });
  });

  test("a sharded set, by its index", async () => {
    const p = prepared(SMALL, {
      "w/one.safetensors": tensors({ "a.weight": whole["a.weight"] }),
      "w/two.safetensors": tensors({ "a.bias": whole["a.bias"], "b.weight": whole["b.weight"] }),
      "w/model.safetensors.index.json": JSON.stringify({
        weight_map: { "a.weight": "one.safetensors", "a.bias": "two.safetensors", "b.weight": "two.safetensors" },
      }),
    });
    expect(await recorded(p, "--weights", "w/model.safetensors.index.json")).toMatchObject({
      "a.weight": filled(4, 1),
      "a.bias": filled(2, 2),
      "b.weight": filled(4, 3),
    });
  });

  test("--seed and --init change the weights that are made; --init leaves an insert with its own clause alone", async () => {
    const edited = (clause: string): string =>
      `${SMALL.replace("net tiny", "net base")}net tiny from base { insert conv(2, 1, bias=true) as c after b ${clause} }\n`;
    const made = async (clause: string, ...flags: string[]): Promise<Record<string, number[]>> => {
      const p = prepared(edited(clause));
      const ran = await p.sec(["compile", "net.se#tiny", "-t", "record", ...flags]);
      expect(ran.code, ran.err).toBe(0);
      return JSON.parse(p.read("dist/tiny/record/w.json")) as Record<string, number[]>;
    };
    const plain = await made("");
    expect(await made("", "--init", "default")).toEqual(plain);
    expect((await made("", "--seed", "1"))["a.weight"]).not.toEqual(plain["a.weight"]);
    const paper = await made("", "--init", "paper");
    // biases start at zero by that policy, and everything else otherwise than by default
    expect([paper["a.bias"], paper["c.bias"]]).toEqual([
      [0, 0],
      [0, 0],
    ]);
    for (const name of ["a.weight", "b.weight", "c.weight"]) expect(paper[name], name).not.toEqual(plain[name]);
    const kept = await made("init default", "--init", "paper");
    expect(kept["c.weight"]).toEqual(plain["c.weight"]);
    expect(kept["c.bias"]).toEqual(plain["c.bias"]);
    expect(kept["a.weight"]).toEqual(paper["a.weight"]);
    expect((await made("init paper"))["c.weight"]).toEqual(paper["c.weight"]);
    expect((await made("init paper"))["a.weight"]).toEqual(plain["a.weight"]);
  });
});

describe("--validate", () => {
  test("the JavaScript engine and Tint accept what the built-in targets emit", async () => {
    const p = tiny();
    const ran = await p.sec(["compile", "net.se", "-t", "all", "--validate"]);
    expect({ code: ran.code, err: ran.err }).toEqual({ code: 0, err: expect.not.stringContaining("not validated") });
    expect(p.has(`${OUT}/tiny.js`)).toBe(true);
  });

  test("what a target's compiler refuses is SE526, and nothing is written", async () => {
    const p = tiny();
    installBackend(p, "strict", { ...cpu, name: "strict", judge: async () => ["tiny.js:3:1: a word it does not know"] });
    const ran = await p.sec(["compile", "net.se", "-t", "strict", "--validate"]);
    expect(ran.code).toBe(1);
    expect(ran.err).toContain("error SE526: the compiler of target strict refuses tiny.js:3:1: a word it does not know");
    expect(p.has("dist/tiny/strict/tiny.js")).toBe(false);
    expect((await p.sec(["compile", "net.se", "-t", "strict"])).code).toBe(0);
  });

  test("a target without a compiler of its own says so", async () => {
    const p = tiny();
    const { judge: _, ...plain } = cpu;
    installBackend(p, "plain", { ...plain, name: "plain" });
    expect((await p.sec(["compile", "net.se", "-t", "plain", "--validate"])).err).toContain(
      "not validated, plain: it has no compiler of its own",
    );
  });
});
