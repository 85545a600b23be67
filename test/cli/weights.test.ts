/** `sec weights`: what fits, which renames are proposed, conversion; weights of a base net flow into its edit with `init preserve`. */
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { outputSchemas } from "../../cli/output-schemas.ts";
import { bytesSource } from "../../compiler/weights/safetensors.ts";
import { hashedWeights } from "../judges/hashed-values.ts";
import { shippedGraph } from "../judges/whole-nets.ts";
import { graphOf, opened } from "../weights/nets.ts";
import { sec } from "./sec.ts";

// two stages of resnet50's bottlenecks, at a size that costs little
const SPEC = `se 1
use "sec/resnet.se"
net base {
  input image: f32[N, 3, 16, 16]
  conv1:  conv(64, 7, stride=2)  bn1: bn  relu
  layer1: { bottleneck(64) * 2 }
  layer2: { bottleneck(128, stride=2) }
  gap  flatten
  fc:     linear(10)
  output logits
}
net gated from base { insert se(reduction=16, bias=true) as se after @residual.main expect 3 }
net tuned from base { insert se(reduction=16, bias=true) as se after @residual.main init preserve expect 3 }
`;
const MODULE = `se 1
net att {
  input x: f32[N, 64, 7, 7]
  att: se(reduction=8)
  output y
}
`;

let folder = "";
const at = (name: string): string => path.join(folder, name);
const write = (name: string, contents: string | Uint8Array): void => writeFileSync(at(name), contents);
const parsed = (out: string) => outputSchemas.weights.parse(JSON.parse(out));

/** As the first published checkpoints name them. */
const cadene = (path: string): string =>
  path
    .replace(".se.", ".se_module.")
    .replace(/^fc\./, "last_linear.")
    .replace(/^(conv1|bn1)\./, "layer0.$1.");

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "sec-weights-"));
  write("net.se", SPEC);
  write("att.se", MODULE);
  write("base.safetensors", hashedWeights(graphOf(SPEC, "base")));
  const gated = graphOf(SPEC, "gated");
  write(
    "cadene.safetensors",
    hashedWeights(gated, (p, shape) => ({ name: cadene(p), shape })),
  );
  write(
    "wrapped.safetensors",
    hashedWeights(gated, (p, shape) => ({ name: `module.${p}`, shape })),
  );
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("what fits", () => {
  test("a file of the net itself fits; counters of batches are not asked for", async () => {
    const { code, out } = await sec(["weights", "base.safetensors", "--net", "net.se#base", "--json"], folder);
    expect(code).toBe(0);
    const result = parsed(out);
    expect(result).toMatchObject({
      net: "base",
      file: "base.safetensors",
      missing: [],
      extra: [],
      misshapen: [],
      renames: [],
      problems: [],
    });
    expect(result.fits).toBe(result.total);
    expect(result.fits).toBeGreaterThan(60);
  });

  test("wrapper prefixes are dropped, and it is said", async () => {
    const { code, out, err } = await sec(["weights", "wrapped.safetensors", "--net", "net.se#gated"], folder);
    expect(code).toBe(0);
    expect(out).toMatch(/fits 74 +of 74 tensors/);
    expect(err).toMatch(/module\./);
  });

  test("other names: exit 1, and the proposed renames make it fit", async () => {
    const first = await sec(["weights", "cadene.safetensors", "--net", "net.se#gated", "--json"], folder);
    expect(first.code).toBe(1);
    const result = parsed(first.out);
    expect(result.problems.map((p) => p.code)).toEqual(["SE401"]);
    expect(result.missing).toHaveLength(19);
    expect(result.extra).toHaveLength(19);
    expect(result.missing[0]).toEqual({ name: "conv1.weight", dtype: "f32", shape: [64, 3, 7, 7] });
    expect(result.renames.reduce((n, r) => n + r.tensors, 0)).toBe(19);
    const flags = result.renames.flatMap((r) => ["--rename", `${r.from}=${r.to}`]);
    const second = await sec(["weights", "cadene.safetensors", "--net", "net.se#gated", ...flags, "--json"], folder);
    expect(second.code).toBe(0);
    expect(parsed(second.out)).toMatchObject({ fits: 74, missing: [], extra: [], renames: [] });
  });

  test("for people: the flags to paste are in the table, the problem on stderr", async () => {
    const { code, out, err } = await sec(["weights", "cadene.safetensors", "--net", "net.se#gated"], folder);
    expect(code).toBe(1);
    expect(out).toContain("--rename se_module=se");
    expect(out).toMatch(/missing 19 +conv1\.weight +\[64, 3, 7, 7\]/);
    expect(out).toContain("... and 9 more");
    expect(err).toContain("SE401");
  });

  test("matrices fit 1x1 convolutions and the other way round: [h, C] and [h, C, 1, 1]", async () => {
    write(
      "flat.safetensors",
      hashedWeights(graphOf(MODULE, "att"), (p, shape) => ({
        name: p.replace("att.fc1", "fc.0").replace("att.fc2", "fc.2"),
        shape: shape.slice(0, 2),
      })),
    );
    const args = ["weights", "flat.safetensors", "--net", "att.se", "--rename", "fc.0=att.fc1", "--rename", "fc.2=att.fc2"];
    const { code } = await sec([...args, "-o", "att.safetensors"], folder);
    expect(code).toBe(0);
    const shapes = [...opened(bytesSource(readFileSync(at("att.safetensors")))).tensors.values()].map((t) => [t.name, t.shape]);
    expect(shapes).toEqual([
      ["att.fc1.weight", [8, 64, 1, 1]],
      ["att.fc2.weight", [64, 8, 1, 1]],
    ]);
  });
});

/** A file with the tensors of a net that ships, all zero: a header, and a hole of the right size. */
function writeHollow(name: string, file: string, net: string, prefix = ""): void {
  let offset = 0;
  const header = shippedGraph(file, net).weights.map(({ path: p, value: { type } }) => {
    const [size, dtype] = type.dtype === "i64" ? [8, "I64"] : [4, "F32"];
    const end = offset + type.shape.reduce((n: number, d) => n * (d as number), size);
    const entry = [prefix + p, { dtype, shape: type.shape, data_offsets: [offset, end] }] as const;
    offset = end;
    return entry;
  });
  const text = Buffer.from(JSON.stringify(Object.fromEntries(header)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  write(name, Buffer.concat([length, text]));
  truncateSync(at(name), 8 + text.length + offset);
}

describe("a file of another net that ships: it is named", () => {
  test("other names: torchvision's EfficientNet for timm's", async () => {
    writeHollow("b0.safetensors", "efficientnet_torchvision.se", "torchvision_efficientnet_b0", "module.");
    const { code, out, err } = await sec(["weights", "b0.safetensors", "--net", "efficientnet_b0"], folder);
    expect(code).toBe(1);
    expect(out).toMatch(/other nets 1 +torchvision_efficientnet_b0 +all fit/);
    expect(err).toContain("note: all 311 tensors of b0.safetensors fit `torchvision_efficientnet_b0`");
    expect(err).toContain("help: use `torchvision_efficientnet_b0` in place of `efficientnet_b0`");
    expect(err.match(/error SE/g)).toHaveLength(1);
  });

  test("the same names, other shapes: SE402 says so; only what fits is named", async () => {
    writeHollow("small.safetensors", "shufflenet_v2.se", "shufflenet_v2_x0_5");
    const args = ["--weights", "small.safetensors", "--target", "cpu", "--dry-run"];
    const { code, err } = await sec(["compile", "shufflenet_v2_x1_0", ...args], folder);
    expect(code).toBe(1);
    expect(err).toContain("SE402");
    expect(err).toContain("help: use `shufflenet_v2_x0_5` in place of `shufflenet_v2_x1_0`");
  });

  test("only surplus; several nets have these tensors", async () => {
    writeHollow("gated.safetensors", "ablations.se", "se_max");
    const { code, out } = await sec(["weights", "gated.safetensors", "--net", "resnet50", "--json"], folder);
    expect(code).toBe(1);
    const { fitsOther, problems } = parsed(out);
    // places and gates differ; tensors do not
    const gated = ["se_max", "se_r16", "se_post", "se_identity", "se_gate_relu", "se_gate_tanh", "se_gate_sigmoid", "no_squeeze_resnet50"];
    expect(fitsOther).toEqual(gated);
    expect(problems.map((p) => [p.code, p.help])).toEqual([["SE401", "use one of these, such as `se_max`, in place of `resnet50`"]]);
  });

  test("a file of no net that ships: nothing is said", async () => {
    const { out } = await sec(["weights", "cadene.safetensors", "--net", "net.se#gated", "--json"], folder);
    expect(parsed(out).fitsOther).toEqual([]);
  });
});

describe("conversion", () => {
  test("the whole state dict in the net's order, counters included; the file loads without any flag", async () => {
    const args = ["weights", "cadene.safetensors", "--net", "net.se#gated", "-o", "converted.safetensors"];
    const renames = ["se_module=se", "last_linear=fc", "layer0.conv1=conv1", "layer0.bn1=bn1"].flatMap((r) => ["--rename", r]);
    const { code, err } = await sec([...args, ...renames], folder);
    expect(err).toContain("wrote converted.safetensors");
    expect(code).toBe(0);
    const graph = graphOf(SPEC, "gated");
    const file = opened(bytesSource(readFileSync(at("converted.safetensors"))));
    expect([...file.tensors.keys()]).toEqual(graph.weights.map((w) => w.path));
    expect([...file.tensors.keys()].filter((n) => n.endsWith("num_batches_tracked"))).toHaveLength(12);
    const again = await sec(["weights", "converted.safetensors", "--net", "net.se#gated", "--json"], folder);
    expect(parsed(again.out)).toMatchObject({ fits: 74, problems: [] });
    expect((await sec([...args, ...renames], folder)).code).toBe(0); // a file of ours may be written again
  });

  test("a file that sec did not write is left alone; --force overwrites it", async () => {
    write("notes.safetensors", "mine");
    const args = ["weights", "base.safetensors", "--net", "net.se#base", "-o", "notes.safetensors"];
    const refused = await sec(args, folder);
    expect(refused.code).toBe(2);
    expect(refused.err).toContain("SE522");
    expect(readFileSync(at("notes.safetensors"), "utf8")).toBe("mine");
    expect((await sec([...args, "--force"], folder)).code).toBe(0);
  });

  test("nothing is written when it does not fit", async () => {
    const { code } = await sec(["weights", "cadene.safetensors", "--net", "net.se#base", "-o", "never.safetensors"], folder);
    expect(code).toBe(1);
    expect(() => readFileSync(at("never.safetensors"))).toThrow();
  });
});

async function logits(net: string, weights: string): Promise<string> {
  const { code, out, err } = await sec(["run", `net.se#${net}`, "--weights", weights, "--input", "image=random", "--json"], folder);
  expect(code, err).toBe(0);
  const { outputs } = JSON.parse(out) as { outputs: { data: number[] }[] };
  expect(outputs[0]?.data.some((v) => v !== 0)).toBe(true);
  return JSON.stringify(outputs);
}

describe("weights of the base net in its edit", () => {
  test("init preserve: only the gates are new, the function stays, bit for bit, also after writing and loading", async () => {
    const before = await logits("base", "base.safetensors");
    const { code, out, err } = await sec(["weights", "base.safetensors", "--net", "net.se#tuned", "-o", "tuned.safetensors"], folder);
    expect(code, err).toBe(0);
    expect(out).toMatch(/fits 62 +of 74 tensors/);
    expect(err).toContain("3 inserted blocks are not in base.safetensors");
    expect(await logits("tuned", "base.safetensors")).toBe(before);
    expect(await logits("tuned", "tuned.safetensors")).toBe(before);
    // the written file is an ordinary one: it means the same in the net without `preserve`
    expect(await logits("gated", "tuned.safetensors")).toBe(before);
  }, 60_000);

  test("any other init changes the function, and that is said", async () => {
    const { code, out } = await sec(["weights", "base.safetensors", "--net", "net.se#gated", "--json"], folder);
    expect(code).toBe(0);
    expect(parsed(out).problems.map((p) => p.code)).toEqual(["SE403"]);
  });
});

test("wrong use: no --net, no such file, a pickle, an output of another kind", async () => {
  const without = await sec(["weights", "base.safetensors"], folder);
  expect([without.code, without.err.includes("--net NET")]).toEqual([2, true]);
  const absent = await sec(["weights", "none.safetensors", "--net", "net.se#base"], folder);
  expect([absent.code, absent.err.includes("SE009")]).toEqual([2, true]);
  write("model.pth", new Uint8Array([0x80, 0x02, 0x7d, 0x71, 0, 0x2e, 0, 0, 0, 0]));
  const pickle = await sec(["weights", "model.pth", "--net", "net.se#base"], folder);
  expect([pickle.code, pickle.err.includes("SE405")]).toEqual([1, true]);
  const kind = await sec(["weights", "base.safetensors", "--net", "net.se#base", "-o", "out.npz"], folder);
  expect([kind.code, kind.err.includes(".safetensors")]).toEqual([2, true]);
});
