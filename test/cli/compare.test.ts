/** `sec compare`: the sample of cli.md, the JSON against its schema, wrong use. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { outputSchemas } from "../../cli/output-schemas.ts";
import { sec } from "./sec.ts";

describe("resnet50 and se_resnet50", () => {
  test("parameters, MACs and dispatches are those the documents state", async () => {
    const { code, out } = await sec(["compare", "resnet50", "se_resnet50", "--json", "--shape", "image=1x3x224x224"]);
    const result = outputSchemas.compare.parse(JSON.parse(out));
    expect(code).toBe(0);
    expect(result.params).toEqual([25_557_032, 28_088_024]);
    expect(result.macs).toEqual([4_089_184_256, 4_091_699_200]);
    expect(result.targets).toHaveLength(1);
    expect(result.targets[0]).toMatchObject({ target: "webgpu", dispatches: [56, 72] });
  });
});

const NETS = `se 1
net plain {
  input image: f32[N, 3, 8, 8]
  conv1: conv(16, 3)  bn1: bn  relu
  gap  flatten
  fc: linear(10)
  output logits
}
net edited from plain { insert se(reduction=4) as se after bn1 }
`;

test("the table: exact counts, differences and shares; dispatches where a target has them", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "sec-compare-"));
  try {
    writeFileSync(path.join(folder, "net.se"), NETS);
    const { code, out } = await sec(["compare", "net.se#plain", "net.se#edited", "-t", "webgpu,tfjs"], folder);
    expect(code).toBe(0);
    const rows = new Map(out.split("\n").map((line) => [line.slice(2, 22).trim(), line.slice(22).trim().split(/ {2,}/)]));
    expect(rows.get("parameters")).toEqual(["634", "762", "+128", "+20.2 %"]);
    expect(rows.get("layers")).toEqual(["6", "12", "+6", "+100.0 %"]);
    expect([...rows.keys()].filter((k) => k.startsWith("dispatches"))).toEqual(["dispatches webgpu"]);
    expect([...rows.keys()].filter((k) => k.startsWith("bytes"))).toEqual(["bytes webgpu", "bytes tfjs"]);

    // the bytes are those of the files that compile writes
    const compared = await sec(["compare", "net.se#plain", "net.se#edited", "-t", "webgpu,tfjs", "--json"], folder);
    const written = await sec(["compile", "net.se", "-t", "webgpu,tfjs", "--dry-run", "--json"], folder);
    const bytes: Record<string, number[]> = {};
    for (const line of written.out.trim().split("\n")) {
      const { target, files } = outputSchemas.compile.parse(JSON.parse(line));
      bytes[target] = [...(bytes[target] ?? []), files.reduce((n, f) => n + f.bytes, 0)];
    }
    expect(Object.fromEntries(outputSchemas.compare.parse(JSON.parse(compared.out)).targets.map((t) => [t.target, t.bytes]))).toEqual(
      bytes,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a net with itself: nothing differs", async () => {
  const { code, out } = await sec(["compare", "plain", "plain", "-t", "cpu"]);
  expect(code).toBe(0);
  const differing = out.split("\n").filter((line) => / [+-]\d/.test(line));
  expect(differing).toEqual([]);
  expect(out.match(/\bsame\b/g)).toHaveLength(6);
});

test("an unknown net is wrong usage, with the near miss", async () => {
  const { code, err } = await sec(["compare", "resnet50", "se_resnet5O"]);
  expect(code).toBe(2);
  expect(err).toContain("SE521");
  expect(err).toContain("did you mean `se_resnet50`?");
});

test("a file with several nets asks which", async () => {
  const { code, err } = await sec(["compare", "specs/nets/se_resnet50.se", "resnet50"]);
  expect(code).toBe(2);
  expect(err).toContain("sec compare specs/nets/se_resnet50.se#se_resnet50");
});
