/** Runs emitted `model.py` files: one Python process for all nets of this process, started when the first is loaded. */
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { must } from "../../compiler/invariant.ts";
import type { Artifact, Runner, Tensors, Unavailable } from "../backend.ts";
import { serve } from "./host.gen.ts";

const candidates = (): string[] => [...(process.env.PYTHON ? [process.env.PYTHON] : []), "python3", "/usr/bin/python3", "python"];
const runs = (command: string, code: string): boolean => spawnSync(command, ["-c", code], { stdio: "ignore" }).status === 0;

interface Reply {
  readonly message: Readonly<Record<string, unknown>>;
  readonly body: Buffer;
}

interface Server {
  readonly runtime: string;
  ask(request: Readonly<Record<string, unknown>>, body?: Uint8Array): Promise<Reply>;
}

const held = globalThis as { secPytorch?: Promise<Server | Unavailable>; secPytorchNets?: number };

/** Splits the answers of serve.py: a line of JSON, then as many bytes as it says. */
function receiver(child: ChildProcessWithoutNullStreams): () => Promise<Reply> {
  const waiting: { resolve: (reply: Reply) => void; reject: (error: Error) => void }[] = [];
  const ready: Reply[] = [];
  const chunks: Buffer[] = [];
  let size = 0;
  let failed: Error | undefined;
  let complaints = "";
  const take = (): void => {
    for (;;) {
      // joined only when a whole answer may be there: bodies come in many pieces
      const all = Buffer.concat(chunks.splice(0));
      const newline = all.indexOf(10);
      const message = newline < 0 ? undefined : (JSON.parse(all.toString("utf8", 0, newline)) as Record<string, unknown>);
      const end = message ? newline + 1 + (message.bytes as number) : Number.POSITIVE_INFINITY;
      size = message ? end : size;
      if (all.length < end) {
        chunks.push(all);
        return;
      }
      if (all.length > end) chunks.push(all.subarray(end));
      const reply = { message: must(message, "message"), body: all.subarray(newline + 1, end) };
      const next = waiting.shift();
      if (next) next.resolve(reply);
      else ready.push(reply);
      if (chunks.length === 0) return;
    }
  };
  child.stdout.on("data", (chunk: Buffer) => {
    chunks.push(chunk);
    const length = chunks.reduce((n, c) => n + c.length, 0);
    if (length >= size || chunks.length === 1) take();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    complaints = `${complaints}${chunk.toString()}`.slice(-2000);
  });
  child.on("close", () => {
    failed = new Error(`Python ended: ${complaints.trim().split("\n").at(-1) ?? ""}`);
    for (const w of waiting.splice(0)) w.reject(failed);
  });
  return () =>
    new Promise((resolve, reject) => {
      const reply = ready.shift();
      if (reply) resolve(reply);
      else if (failed) reject(failed);
      else waiting.push({ resolve, reject });
    });
}

async function startServer(): Promise<Server | Unavailable> {
  const python = candidates().find((p) => runs(p, "import torch, numpy"));
  if (python === undefined)
    return { unavailable: candidates().some((p) => runs(p, "")) ? "python module torch is not installed" : "python3 is not installed" };
  const child = spawn(python, ["-c", serve]);
  // the process may end while Python still waits for a request; Python ends with its standard input
  child.unref();
  const streams = [child.stdin, child.stdout, child.stderr] as unknown as { ref(): void; unref(): void }[];
  for (const s of streams) s.unref();
  const receive = receiver(child);
  let queue: Promise<unknown> = Promise.resolve();
  const one = async (request: Readonly<Record<string, unknown>>, body?: Uint8Array): Promise<Reply> => {
    for (const s of streams) s.ref();
    try {
      const reply = receive();
      child.stdin.write(`${JSON.stringify({ ...request, bytes: body?.length ?? 0 })}\n`);
      if (body) child.stdin.write(body);
      const answer = await reply;
      if (typeof answer.message.error === "string") throw new Error(answer.message.error);
      return answer;
    } finally {
      for (const s of streams) s.unref();
    }
  };
  for (const s of streams) s.ref();
  const { message } = await receive();
  for (const s of streams) s.unref();
  return {
    runtime: `torch ${message.torch as string}, cpu`,
    ask(request, body) {
      const answer = queue.then(() => one(request, body));
      queue = answer.catch(() => undefined);
      return answer;
    },
  };
}

/** Name and shape of every input, from the emitted text: what `run` is given is checked against it. */
function inputsOf(text: string): { readonly name: string; readonly shape: readonly number[] }[] {
  const table = /^INPUTS: .*? = \{(.*)\}$/m.exec(text)?.[1] ?? "";
  return [...table.matchAll(/("(?:[^"\\]|\\.)*"): \(([\d, ]*)\)/g)].map((m) => ({
    name: JSON.parse(m[1] as string) as string,
    shape: (m[2] as string)
      .split(",")
      .filter((s) => s.trim() !== "")
      .map(Number),
  }));
}

export async function pytorchRunner(files: readonly Artifact[], net: string): Promise<Runner | Unavailable> {
  held.secPytorch ??= startServer();
  const server = await held.secPytorch;
  if ("unavailable" in server) return server;
  const folder = mkdtempSync(path.join(tmpdir(), "sec-pytorch-"));
  held.secPytorchNets = (held.secPytorchNets ?? 0) + 1;
  const id = String(held.secPytorchNets);
  const file = (suffix: string): Artifact =>
    must(
      files.find((f) => f.path.endsWith(suffix)),
      suffix,
    );
  try {
    for (const f of files) {
      mkdirSync(path.dirname(path.join(folder, f.path)), { recursive: true });
      writeFileSync(path.join(folder, f.path), f.contents);
    }
    await server.ask({ do: "load", id, folder, weights: file(".safetensors").path });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const inputs = inputsOf(file("model.py").contents as string);
  const output = outputName(file("model.py").contents as string);
  let closed = false;
  return {
    runtime: server.runtime,
    async run(given: Tensors) {
      if (closed) throw new Error(`${net}: run after dispose`);
      const shapes = inputs.map(({ name, shape }) => [must(given[name], name).length / shape.reduce((a, b) => a * b, 1), ...shape]);
      const bytes = Buffer.concat(
        inputs.map(({ name }) => {
          const values = must(given[name], name);
          return Buffer.from(values.buffer, values.byteOffset, values.byteLength);
        }),
      );
      const { message, body } = await server.ask({ do: "run", id, shapes, output }, bytes);
      let at = 0;
      return Object.fromEntries(
        (message.tensors as { name: string; count: number }[]).map(({ name, count }) => {
          const values = new Float32Array(body.buffer.slice(body.byteOffset + at, body.byteOffset + at + 4 * count));
          at += 4 * count;
          return [name, values];
        }),
      );
    },
    async close() {
      if (closed) return;
      closed = true;
      await server.ask({ do: "close", id });
    },
  };
}

/** The name of a net's only output, from the emitted text. */
const outputName = (text: string): string => JSON.parse(/^OUTPUTS: .*? = \(("(?:[^"\\]|\\.)*")/m.exec(text)?.[1] ?? '""') as string;

/** What Python's own compiler refuses. */
export async function judgePython(files: readonly Artifact[]): Promise<readonly string[] | Unavailable> {
  const python = candidates().find((p) => runs(p, ""));
  if (python === undefined) return { unavailable: "python3 is not installed" };
  return files
    .filter((f) => f.path.endsWith(".py"))
    .flatMap((f) => {
      const code = "import sys; compile(sys.stdin.read(), sys.argv[1], 'exec')";
      const result = spawnSync(python, ["-c", code, f.path], { input: f.contents as string, encoding: "utf8" });
      return result.status === 0 ? [] : [result.stderr.trim().split("\n").at(-1) ?? f.path];
    });
}
