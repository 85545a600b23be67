/**
 * One row for every kind of bad input: the code, the exit code, that the message says where and what to do, and that nothing was written.
 * Where a row says `note`, `help` or `place`, the message has one.
 */
import { chmodSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { badFiles } from "./bad-files.ts";
import { net, ONE } from "./bad-input-row.ts";
import { badSpecs } from "./bad-specs.ts";
import { badUsage } from "./bad-usage.ts";
import { project } from "./project.ts";

describe("bad input", () => {
  test.each([...badSpecs, ...badUsage, ...badFiles])(
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
