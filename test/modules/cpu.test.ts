/** Emitted cpu modules as their users meet them: files in a folder, imported by Node; and what is in their text. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import type { Backend, Tensors } from "../../backends/backend.ts";
import { cpu } from "../../backends/cpu/index.ts";
import { emitTarget } from "../../backends/emit.ts";
import { referenceNets, type TestNet } from "../../backends/testing-nets.ts";
import { graphInputs, sampleWeights } from "../../backends/testing-samples.ts";
import { Diagnostics } from "../../compiler/diagnostics/diagnostic.ts";
import { graphBuilder } from "../../compiler/ir/build.ts";
import type { Value } from "../../compiler/ir/graph.ts";
import { f32 } from "../../compiler/ir/type.ts";
import { applyOp } from "../../compiler/ops/apply.ts";
import type { OptimizeLevel } from "../../compiler/passes/pass.ts";
import { sourceFile, span } from "../../compiler/source.ts";
import { recipeOf } from "../../compiler/weights/recipes.ts";
import type { WeightReader } from "../../compiler/weights/source.ts";

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

const netNamed = (name: string): TestNet => {
  const net = referenceNets().find((n) => n.graph.name === name);
  if (!net) throw new Error(name);
  return net;
};

const files = (net: TestNet, level: OptimizeLevel = 2, weights: WeightReader = sampleWeights) =>
  emitTarget({
    backend: cpu as unknown as Backend,
    graph: net.graph,
    options: {},
    weights,
    batch: net.batch,
    level,
    diagnostics: new Diagnostics(),
    source: "some/where/nets.se",
  }).artifacts;

const textOf = (net: TestNet): string => files(net).find((f) => f.path.endsWith(".js"))?.contents as string;

function written(net: TestNet): string {
  const folder = mkdtempSync(path.join(tmpdir(), "sec-cpu-"));
  folders.push(folder);
  for (const file of files(net)) writeFileSync(path.join(folder, file.path), file.contents);
  return folder;
}

const node = (script: string, cwd: string): string =>
  execFileSync(process.execPath, ["--input-type=module", "-e", script], { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

describe("in Node, from a folder", () => {
  test("load() finds the weights beside the module", () => {
    const folder = written(netNamed("plain"));
    const out = node(
      `const { load, signature } = await import(${JSON.stringify(pathToFileURL(path.join(folder, "plain.js")).href)});
       const net = await load();
       const { logits } = await net.run({ image: new Float32Array(585).fill(0.5) });
       console.log(JSON.stringify([signature.outputs, logits.length, logits.every(Number.isFinite)]));`,
      tmpdir(),
    );
    expect(JSON.parse(out)).toEqual([[{ name: "logits", dtype: "f32", shape: [1, 5] }], 5, true]);
  });

  test("weights may be given as bytes, as a buffer, as a URL, as a string beside the module", () => {
    const folder = written(netNamed("plain"));
    const out = node(
      `import { readFileSync } from "node:fs";
       const { load } = await import("./plain.js");
       const bytes = readFileSync("plain.weights");
       const odd = new Uint8Array(bytes.length + 1).subarray(1);
       odd.set(bytes);
       const copy = new Uint8Array(bytes).buffer;
       const results = [];
       for (const weights of [bytes, odd, copy, new URL("plain.weights", ${JSON.stringify(`${pathToFileURL(folder).href}/`)}), "plain.weights"]) {
         const net = await load({ weights });
         results.push(Array.from((await net.run({ image: new Float32Array(585).fill(0.5) })).logits).join());
       }
       const errors = [];
       for (const weights of ["missing.weights", 7, new URL("http://127.0.0.1:9/a.weights")]) await load({ weights }).catch((e) => errors.push(e.name + ": " + e.message.replace(/file:.*\\//, "")));
       console.log(JSON.stringify([new Set(results).size, errors]));`,
      folder,
    );
    expect(JSON.parse(out)).toEqual([
      1,
      [
        "Error: plain: cannot read the weights missing.weights",
        "TypeError: plain: weights must be an ArrayBuffer, a Uint8Array, a URL or a string, got number",
        "Error: plain: cannot fetch the weights http://127.0.0.1:9/a.weights: fetch failed",
      ],
    ]);
  });
});

describe("text", () => {
  test("nothing is imported or evaluated, nothing of this machine is in it", () => {
    for (const net of referenceNets()) {
      const text = textOf(net);
      // `import.meta` is the one use of the word
      expect(text.replaceAll("import.meta.url", "")).not.toMatch(/\bimport\b|\brequire\b/);
      expect(text).not.toMatch(/\beval\b|\bFunction\s*\(|setTimeout|Date|random|some\/where/);
      expect(text.slice(0, 512)).toContain("Written by sec");
      expect(text).toContain("nets.se for cpu");
    }
  });

  test("types check strictly, and the declarations describe the module", () => {
    const folder = written(netNamed("two_inputs"));
    const checked = path.join(written(netNamed("se_bottleneck")), "se_bottleneck.js");
    writeFileSync(
      path.join(folder, "use.ts"),
      `import { load, signature } from "./two_inputs.js";
       const net = await load();
       const out = await net.run({ "left image": new Float32Array(50), constructor: new Float32Array(75) });
       const a: Float32Array = out["__proto__"];
       const b: Float32Array = out["a */ b"];
       const rank: 4 = signature.inputs[0].shape.length;
       // @ts-expect-error there is no such input
       await net.run({ left: a, constructor: b });
       net.dispose();
       export { rank };\n`,
    );
    const tsc = path.resolve("node_modules/typescript/bin/tsc");
    const base = [
      "--noEmit",
      "--strict",
      "--ignoreConfig",
      "--target",
      "es2023",
      "--lib",
      "es2023,dom",
      "--module",
      "nodenext",
      "--types",
      "",
    ];
    writeFileSync(path.join(folder, "package.json"), '{ "type": "module" }');
    const run = (...args: string[]): string => {
      try {
        return execFileSync(process.execPath, [tsc, ...base, ...args], {
          cwd: folder,
          encoding: "utf8",
          stdio: ["ignore", "pipe", "ignore"],
        });
      } catch (error) {
        return String((error as { stdout?: unknown }).stdout);
      }
    };
    expect(run("use.ts")).toBe("");
    rmSync(checked.replace(".js", ".d.ts"));
    writeFileSync(path.join(path.dirname(checked), "package.json"), '{ "type": "module" }');
    expect(run("--allowJs", "--checkJs", checked, path.resolve("backends/module/layout.js"))).toBe("");
  });

  test("it is the one that was reviewed", async () => {
    const two = [netNamed("se_bottleneck"), netNamed("se_mobile")];
    for (const net of two) {
      const text = textOf(net);
      // up to the part that all modules have
      await expect(text.slice(0, text.indexOf("// What every compiled net does"))).toMatchFileSnapshot(
        `../golden/cpu/expected/${net.graph.name}.js`,
      );
      const types = files(net).find((f) => f.path.endsWith(".d.ts"))?.contents as string;
      await expect(types).toMatchFileSnapshot(`../golden/cpu/expected/${net.graph.name}.d.ts`);
    }
  });
});

test("hostile names stay names", async () => {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it must not be run as one
  const evil = ["*/ throw 1 /*", "`${process.exit(1)}`", "a\nb\u2028c", '"; throw 2; //', "__proto__", "</script>", "rows", "f32"];
  const origin = { span: span(sourceFile("/etc/evil\n*/`.se", "se 1\n"), 0, 4), via: [] };
  const builder = graphBuilder("class");
  const [first, ...others] = evil.map((name) => builder.input(name, f32(1, 4)));
  let value = first as Value;
  for (const [i, other] of others.entries()) {
    value = applyOp(builder, "add", [value, other], {}, { path: evil[i] as string, origin }) as Value;
    value = applyOp(builder, "linear", [value], { out: 4 }, { path: `${evil[i]}.fc`, origin }) as Value;
    builder.output(evil[i] as string, value);
  }
  const net: TestNet = { graph: builder.finish(), batch: 1 };
  const artifacts = files(net);
  expect(artifacts.map((f) => f.path)).toEqual(["class.js", "class.d.ts", "class.weights"]);
  expect(artifacts[0]?.contents).not.toMatch(/<\/script|\/etc\//);
  const runner = await cpu.runner?.(artifacts, "class");
  if (!runner || "unavailable" in runner) throw new Error("no runner");
  const outputs = await runner.run(graphInputs(net.graph, 1, "evil"));
  expect(Object.keys(outputs)).toEqual(evil.slice(0, -1));
  for (const values of Object.values(outputs)) expect([...values].every(Number.isFinite)).toBe(true);
});

describe("bits", () => {
  const run = async (net: TestNet, level: OptimizeLevel, weights?: WeightReader): Promise<Tensors> => {
    const runner = await cpu.runner?.(files(net, level, weights), net.graph.name);
    if (!runner || "unavailable" in runner) throw new Error("no runner");
    return runner.run(graphInputs(net.graph, net.batch, "bits"));
  };

  /** The weights of the net as `init preserve` leaves them: gates of exactly 1/2, the layer before them doubled. */
  const preserving = (before: string): WeightReader => {
    const change = (path: string, values: Float64Array): Float64Array => {
      if (path.startsWith("se.fc2.")) return values.fill(0);
      if (path === `${before}.weight` || path === `${before}.bias`) return values.map((v) => v * 2);
      return values;
    };
    const { readExact } = derivedReader((w) => change(w.path, sampleWeights.readExact(w)));
    return { readExact, read: (w) => Float32Array.from(readExact(w)) };
  };

  test.each([
    ["se_bottleneck", "c.bn"],
    ["se_basic", "b.bn"],
  ])("%s with preserved gates computes what the net without them does, bit for bit", async (name, before) => {
    const net = netNamed(name);
    const plain = withoutGates(net);
    for (const level of [0, 2] as const) {
      const want = await run(plain, level);
      const got = await run(net, level, preserving(before));
      expect(got).toEqual(want);
    }
  });
});

/** Reads derived tensors from changed sources. */
function derivedReader(exact: (w: Parameters<WeightReader["read"]>[0]) => Float64Array): Pick<WeightReader, "readExact"> {
  const readExact: WeightReader["readExact"] = (weight) => {
    if (weight.init.kind !== "derived") return exact(weight);
    const { recipe, from, attrs } = weight.init;
    const sources = from.map((w) => ({ shape: w.value.type.shape as readonly number[], data: readExact(w) }));
    return recipeOf(recipe).run(sources, attrs, weight.value.type.shape as readonly number[]);
  };
  return { readExact };
}

/** The net with every gate taken out: readers of `se.scale` read what it scaled. */
function withoutGates({ graph, batch }: TestNet): TestNet {
  const scaled = new Map(graph.nodes.filter((n) => n.path === "se.scale").map((n) => [n.output, n.inputs[0]]));
  const nodes = graph.nodes
    .filter((n) => !n.path.startsWith("se."))
    .map((n) => ({ ...n, inputs: n.inputs.map((v) => scaled.get(v) ?? v) }));
  const used = new Set(nodes.flatMap((n) => Object.values(n.weights)));
  return { graph: { ...graph, nodes, weights: graph.weights.filter((w) => used.has(w.value)) }, batch };
}
