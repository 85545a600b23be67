/** What people see: every command on small nets, standard output and standard error apart. */
import { describe, expect, test } from "vitest";
import { PLAIN, type Project, project, TWO } from "./project.ts";

const files = { "net.se": PLAIN, "two.se": TWO, "bad.se": PLAIN.replace("se(reduction=8)", "CBAM(reduction=8)") };

/** Times and machine names differ from run to run; everything else is golden. */
const steady = (text: string): string => text.replace(/node v[\d.]+/g, "node VERSION");

async function golden(p: Project, name: string, args: readonly string[], code = 0): Promise<void> {
  const ran = await p.sec(args);
  const text = `$ sec ${args.join(" ")}\n${ran.out}--- standard error\n${ran.err}--- exit ${ran.code}\n`;
  expect(ran.code, text).toBe(code);
  await expect(steady(text)).toMatchFileSnapshot(`expected/${name}.txt`);
}

describe("outputs for people", () => {
  test.each([
    ["compile", ["compile", "net.se", "-t", "cpu,webgpu,tfjs"]],
    ["compile-several", ["compile", "two.se", "-t", "cpu"]],
    ["compile-dry-run", ["compile", "net.se", "-t", "cpu", "--dry-run"]],
    ["compile-remarks", ["compile", "two.se#second", "-t", "webgpu", "--remarks"]],
    ["check", ["check", "net.se"]],
    ["check-several", ["check", "net.se", "two.se"]],
    ["run", ["run", "net.se", "--top", "3"]],
    ["run-all", ["run", "two.se#first"]],
    ["verify", ["verify", "net.se", "-t", "cpu"]],
    ["verify-layers", ["verify", "two.se#second", "-t", "cpu", "--layers", "--samples", "1"]],
    ["inspect", ["inspect", "net.se"]],
    ["inspect-target", ["inspect", "net.se", "-t", "webgpu"]],
    ["ls", ["ls", "net.se"]],
    ["ls-selector", ["ls", "net.se", "@conv"]],
    ["ls-residuals", ["ls", "resnet50", "@residual.main"]],
    ["expand", ["expand", "two.se#second"]],
    ["fmt-json", ["fmt", "two.se", "--to", "json"]],
    ["explain", ["explain", "se202"]],
    ["targets", ["targets"]],
    ["targets-webgpu", ["targets", "webgpu"]],
    ["ops", ["ops"]],
    ["ops-conv", ["ops", "conv"]],
    ["init", ["init", "fresh"]],
  ] as const)("%s", async (name, args) => {
    await golden(project(files), name, args);
  });

  test.each([
    ["check-error", ["check", "bad.se"], 1],
    ["target-unknown", ["compile", "net.se", "--target", "webgp"], 2],
    ["command-unknown", ["complie", "net.se"], 2],
    ["option-unknown", ["compile", "net.se", "--taget", "cpu"], 2],
    ["net-choose", ["run", "two.se"], 2],
    ["file-missing", ["check", "none.se"], 2],
  ] as const)("%s", async (name, args, code) => {
    await golden(project(files), name, args, code);
  });
});

test("compile's last line can be pasted: it verifies what was compiled", async () => {
  const p = project({ "my net.se": TWO });
  const { err } = await p.sec(["compile", "my net.se#second", "-t", "cpu"]);
  const next = /next: sec (.*)\n$/.exec(err)?.[1] ?? "";
  expect(next).toBe('verify "my net.se#second" --target cpu');
  expect((await p.sec(["verify", "my net.se#second", "--target", "cpu"])).code).toBe(0);
});

test("check says `fine` on standard error only, and nothing with -q", async () => {
  const p = project(files);
  expect(await p.sec(["check", "net.se"])).toMatchObject({ out: "", err: "net.se: `plain` is fine\n" });
  expect(await p.sec(["check", "net.se", "-q"])).toMatchObject({ code: 0, out: "", err: "" });
  expect((await p.sec(["check", "bad.se", "-q"])).err).toContain("SE104");
});
