/** `sec` as a process of its own: long outputs into pipes, interruption, watching. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync } from "node:fs";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { project, TINY } from "./project.ts";

const MAIN = path.resolve("cli/main.ts");
const TSX = path.resolve("node_modules/tsx/dist/esm/index.mjs");

function start(
  args: readonly string[],
  cwd: string,
  { stdin = "ignore", stdout = "pipe" }: { readonly stdin?: "ignore" | number; readonly stdout?: "pipe" | number } = {},
): { child: ChildProcess; out: () => string; err: () => string } {
  const child = spawn(process.execPath, ["--import", TSX, MAIN, ...args], { cwd, stdio: [stdin, stdout, "pipe"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const text = { out: "", err: "" };
  child.stdout?.setEncoding("utf8").on("data", (part: string) => {
    text.out += part;
  });
  child.stderr?.setEncoding("utf8").on("data", (part: string) => {
    text.err += part;
  });
  return { child, out: () => text.out, err: () => text.err };
}

const waits = (err: string): number => err.match(/watching for changes/g)?.length ?? 0;

/** Waits for `seen`; the time limit of the test ends the waiting. */
async function until(seen: () => boolean): Promise<void> {
  while (!seen()) await new Promise((resolve) => setTimeout(resolve, 50));
}

test("a long output goes into a pipe whole, though the reader is slow", async () => {
  const p = project();
  const { child, out } = start(["expand", "resnet152"], p.folder);
  child.stdout?.pause();
  setTimeout(() => child.stdout?.resume(), 1500);
  const [code] = (await once(child, "close")) as [number];
  expect(code).toBe(0);
  expect(out().length).toBeGreaterThan(100_000);
  expect((JSON.parse(out()) as { net: string }).net).toBe("resnet152");
});

test("TensorFlow.js: it ends by itself, and only sec's own lines are on standard error", async () => {
  const p = project({ "net.se": TINY });
  const { child, out, err } = start(["verify", "net.se", "-t", "tfjs", "--samples", "1"], p.folder);
  const [code] = (await once(child, "close")) as [number];
  expect(code).toBe(0);
  expect(out()).toContain("all targets that ran agree");
  expect(err()).toBe("weights: none given, initialised with seed 0\n");
});

test("--watch: compiles again when a file that was read changes; Ctrl-C ends it with 130 and leaves no half file", async () => {
  const p = project({ "net.se": TINY });
  const { child, out, err } = start(["compile", "net.se", "-t", "cpu", "--watch"], p.folder);
  const rounds = (): number => out().match(/^tiny /gm)?.length ?? 0;
  const waiting = (): number => waits(err());
  await until(() => waiting() === 1);
  expect(rounds()).toBe(1);
  p.write("other.se", TINY);
  p.write("net.se", TINY.replace("linear(5)", "linear(5"));
  await until(() => waiting() === 2);
  expect(err()).toContain("error SE");
  p.write("net.se", TINY.replace("linear(5)", "linear(7)"));
  await until(() => waiting() === 3);
  expect(rounds()).toBe(2);
  expect(out()).toContain("logits 1×7");
  child.kill("SIGINT");
  const [code] = (await once(child, "close")) as [number];
  expect(code).toBe(130);
  expect(p.files().filter((f) => f.includes(".part"))).toEqual([]);
});

test("--watch waits for a file that is not there yet, and for one that cannot be parsed, and lets nets that ship alone", async () => {
  const p = project({ "bad.se": "se 1\nnet n {\n" });
  const { child, err } = start(["check", "none.se", "bad.se#n", "resnet50", "--watch"], p.folder);
  await until(() => waits(err()) === 1);
  expect(err()).toContain("resnet50: `resnet50` is fine");
  p.write("none.se", TINY);
  await until(() => err().includes("none.se: `tiny` is fine"));
  p.write("bad.se", TINY.replace("net tiny", "net n"));
  await until(() => err().includes("bad.se: `n` is fine"));
  child.kill("SIGINT");
  expect(((await once(child, "close")) as [number])[0]).toBe(130);
});

test("Ctrl-C in the middle of packing weights: 130 at once, and nothing is left", async () => {
  const p = project();
  const { child, err } = start(["compile", "vgg16", "-t", "cpu"], p.folder);
  const parts = (): string[] => p.files().filter((f) => f.endsWith(".part"));
  await until(() => parts().length === 1);
  child.kill("SIGINT");
  const [code] = (await once(child, "close")) as [number];
  expect({ code, left: p.files(), err: err() }).toEqual({ code: 130, left: [], err: "weights: none given, initialised with seed 0\n" });
});

test.skipIf(!existsSync("/dev/full"))("standard output that cannot be written: exit 2 and one line, no stack", async () => {
  const full = openSync("/dev/full", "w");
  onTestFinished(() => closeSync(full));
  const { child, err } = start(["inspect", "resnet50"], project().folder, { stdout: full });
  const [code] = (await once(child, "close")) as [number];
  expect(code).toBe(2);
  expect(err()).toMatch(/^error SE522: cannot write standard output: .*no space.*$/m);
  expect(err()).not.toMatch(/\n\s+at /);
});

test("nobody reads the messages: the work and its exit code stay the same", async () => {
  const p = project({ "net.se": TINY });
  const { child, out } = start(["compile", "net.se", "-t", "cpu"], p.folder);
  child.stderr?.destroy();
  const [code] = (await once(child, "exit")) as [number];
  expect(code).toBe(0);
  expect(out()).toContain("tiny");
  expect(p.has("dist/tiny/cpu/tiny.js")).toBe(true);
});

test("standard input that cannot be read: exit 2 and the reason", async () => {
  const folder = project().folder;
  const descriptor = openSync(folder, "r");
  onTestFinished(() => closeSync(descriptor));
  const { child, err } = start(["check", "-"], folder, { stdin: descriptor });
  const [code] = (await once(child, "close")) as [number];
  expect({ code, err: err() }).toEqual({ code: 2, err: "error SE009: cannot read `stdin.se`: it is a folder\n" });
});
