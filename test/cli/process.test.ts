/** `sec` as a process of its own: long outputs into pipes, interruption, watching. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { project, TINY } from "./project.ts";

const MAIN = path.resolve("cli/main.ts");
const TSX = path.resolve("node_modules/tsx/dist/esm/index.mjs");

function start(args: readonly string[], cwd: string): { child: ChildProcess; out: () => string; err: () => string } {
  const child = spawn(process.execPath, ["--import", TSX, MAIN, ...args], { cwd, stdio: ["ignore", "pipe", "pipe"] });
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
  const waiting = (): number => err().match(/watching for changes/g)?.length ?? 0;
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
