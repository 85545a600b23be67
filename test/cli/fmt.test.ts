/** What `sec fmt` prints and what it writes. */
import { chmodSync, lstatSync, statSync, symlinkSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { outputSchemas } from "../../cli/output-schemas.ts";
import { type Project, project, TINY } from "./project.ts";

const LOOSE = "se 1\nnet a(){ input x:f32[N,4,8,8];c:conv(2,1)\n output y }\n";
const NEAT = "se 1\n\nnet a {\n  input x: f32[N, 4, 8, 8]\n  c: conv(2, 1)\n  output y\n}\n";

const changed = async (p: Project, args: readonly string[], stdin?: string): Promise<{ code: number; changed: string[] }> => {
  const ran = await p.sec(["fmt", ...args, "--json"], stdin === undefined ? {} : { stdin });
  expect(ran.json()).toHaveLength(1);
  return { code: ran.code, changed: outputSchemas.fmt.parse(ran.json()[0]).changed };
};

describe("--check", () => {
  test("of files and of standard input: exit 1 when one would change, and nothing is printed or written", async () => {
    const p = project({ "net.se": LOOSE });
    for (const [file, stdin] of [
      ["net.se", ""],
      ["-", LOOSE],
    ] as const) {
      const ran = await p.sec(["fmt", file, "--check"], { stdin });
      expect([ran.code, ran.out]).toEqual([1, ""]);
      expect(ran.err).toContain(`${file} is not in canonical form`);
    }
    expect((await p.sec(["fmt", "-", "--check"], { stdin: NEAT })).code).toBe(0);
    expect(p.read("net.se")).toBe(LOOSE);
  });
});

describe("--json", () => {
  test("standard output has the names and nothing else, whatever is printed without it", async () => {
    const p = project({ "net.se": LOOSE });
    expect(await changed(p, ["-"], LOOSE)).toEqual({ code: 0, changed: ["-"] });
    expect(await changed(p, ["-"], NEAT)).toEqual({ code: 0, changed: [] });
    expect(await changed(p, ["net.se", "--dry-run"])).toEqual({ code: 0, changed: ["net.se"] });
    expect(await changed(p, ["net.se", "--check"])).toEqual({ code: 1, changed: ["net.se"] });
    expect(p.read("net.se")).toBe(LOOSE);
    expect(await changed(p, ["net.se"])).toEqual({ code: 0, changed: ["net.se"] });
    expect(p.read("net.se")).toBe(NEAT);
    expect((await p.sec(["fmt", "net.se", "--to", "se", "--json"])).code).toBe(2);
  });
});

describe("what is written", () => {
  test("a net that ships is printed, never written", async () => {
    const p = project();
    const file = path.resolve("specs/nets/resnet.se");
    const before = statSync(file).mtimeMs;
    for (const flags of [[], ["--pin"]]) {
      const ran = await p.sec(["fmt", "resnet50", ...flags]);
      expect(ran.code, ran.err).toBe(0);
      expect(ran.out).toMatch(/^se 1\n/);
    }
    expect(statSync(file).mtimeMs).toBe(before);
  });

  test("behind a link the file changes, not the link; who may read it stays as it was", async () => {
    const p = project({ "deep/net.se": LOOSE });
    const file = path.join(p.folder, "deep/net.se");
    chmodSync(file, 0o640);
    symlinkSync("deep/net.se", path.join(p.folder, "link.se"));
    expect((await p.sec(["fmt", "link.se"])).code).toBe(0);
    expect(lstatSync(path.join(p.folder, "link.se")).isSymbolicLink()).toBe(true);
    expect(p.read("deep/net.se")).toBe(NEAT);
    expect(statSync(file).mode & 0o777).toBe(0o640);
  });

  test("a spec with errors stays as it is", async () => {
    const bad = TINY.replace("output", "ouput(");
    const p = project({ "net.se": bad });
    expect((await p.sec(["fmt", "net.se"])).code).toBe(1);
    expect(p.read("net.se")).toBe(bad);
  });
});
