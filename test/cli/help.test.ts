/** Help of every command at width 80, as goldens; the version; the exit codes. */
import { expect, test } from "vitest";
import { packageVersion } from "../../cli/package-root.ts";
import { project } from "./project.ts";
import { sec } from "./sec.ts";

const WIDTH = 80;
const tooWide = (text: string): string[] => text.split("\n").filter((line) => line.length > WIDTH);

/** Help is asked for here before any test runs, so without the folder of a test. */
async function commands(): Promise<string[]> {
  const { out } = await sec([]);
  const list = out.slice(out.indexOf("Commands:"), out.indexOf("help [command]"));
  return [...list.matchAll(/^ {2}([a-z]+) /gm)].map((m) => m[1] as string);
}

test("sec alone prints the help, sec --help and sec help the same", async () => {
  const p = project();
  const alone = await p.sec([]);
  expect(alone).toMatchObject({ code: 0, err: "" });
  for (const args of [["--help"], ["-h"], ["help"]]) expect((await p.sec(args)).out.trim()).toBe(alone.out.trim());
  expect(tooWide(alone.out)).toEqual([]);
  await expect(alone.out).toMatchFileSnapshot("expected/help.txt");
});

test.each(await commands())("sec help %s", async (command) => {
  const p = project();
  const { code, out, err } = await p.sec(["help", command]);
  expect({ code, err }).toEqual({ code: 0, err: "" });
  expect((await p.sec([command, "--help"])).out).toBe(out);
  expect(out).toContain("Examples:");
  expect(tooWide(out)).toEqual([]);
  await expect(out).toMatchFileSnapshot(`expected/help-${command}.txt`);
});

test("exit codes and version", async () => {
  const p = project();
  await expect((await p.sec(["help", "exit-codes"])).out).toMatchFileSnapshot("expected/help-exit-codes.txt");
  for (const flag of ["-V", "--version"]) expect((await p.sec([flag])).out.trim()).toBe(packageVersion());
});
