/** The rules that keep the structure (ARCHITECTURE.md, "Layers"): imports point one way, files stay small, every op and message is complete. */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { explanations } from "../compiler/diagnostics/messages.gen.ts";
import { allOps } from "../compiler/ops/index.ts";

const MAX_LINES = 400;

function files(folder: string, extension = ".ts"): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((f) => path.posix.join(folder, f.split(path.sep).join("/")))
    .filter((f) => f.endsWith(extension) && statSync(f).isFile());
}

const sources = ["compiler", "backends", "cli"].flatMap((f) => files(f));
const text = new Map(sources.map((f) => [f, readFileSync(f, "utf8")]));

/** Module specifiers of a file; relative ones resolved to repository paths. */
function importsOf(file: string): { name: string; typeOnly: boolean }[] {
  const found = [...(text.get(file) ?? "").matchAll(/^(?:import|export)\s+(type\s)?[^;]*?from\s+"([^"]+)";/gms)];
  const dynamic = [...(text.get(file) ?? "").matchAll(/\bimport\("([^"]+)"\)/g)].map((m) => ({ name: m[1] as string, typeOnly: false }));
  return [...found.map((m) => ({ name: m[2] as string, typeOnly: m[1] !== undefined })), ...dynamic].map(({ name, typeOnly }) => ({
    name: name.startsWith(".") ? path.posix.join(path.posix.dirname(file), name) : name,
    typeOnly,
  }));
}

const under = (file: string, folder: string): boolean => file.startsWith(`${folder}/`);
const CORE_PACKAGES = ["chevrotain", "zod", "jsonc-parser", "fflate", "@bufbuild/protobuf", "onnx-buf"];

describe("layers", () => {
  test("the core knows no backend, no command line, no file system, no console, no clock, no chance", () => {
    const wrong: string[] = [];
    for (const file of sources.filter((f) => under(f, "compiler"))) {
      for (const { name } of importsOf(file)) {
        if (!under(name, "compiler") && !CORE_PACKAGES.some((p) => name === p || under(name, p))) wrong.push(`${file} imports ${name}`);
      }
      const code = (text.get(file) ?? "").replace(/\/\*[\s\S]*?\*\/|\/\/.*$|"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`/gm, "");
      for (const word of ["process", "console", "fetch", "setTimeout", "setInterval"]) {
        if (new RegExp(`(?<![.\\w])${word}\\s*[.(]`).test(code)) wrong.push(`${file} uses ${word}`);
      }
      for (const word of ["Date", "Math.random", "performance"])
        if (new RegExp(`(?<![.\\w])${word.replace(".", "\\.")}\\b`).test(code)) wrong.push(`${file} uses ${word}`);
    }
    expect(wrong).toEqual([]);
  });

  test.each([
    ["compiler/ir", ["compiler/ir", "compiler/source.ts", "compiler/invariant.ts"]],
    [
      "compiler/ops",
      ["compiler/ops", "compiler/ir", "compiler/diagnostics", "compiler/source.ts", "compiler/invariant.ts", "compiler/once.ts"],
    ],
    [
      "compiler/passes",
      [
        "compiler/passes",
        "compiler/ops",
        "compiler/ir",
        "compiler/analysis",
        "compiler/weights",
        "compiler/diagnostics",
        "compiler/source.ts",
        "compiler/invariant.ts",
      ],
    ],
    [
      "compiler/syntax",
      [
        "compiler/syntax",
        "compiler/diagnostics",
        "compiler/ops",
        "compiler/source.ts",
        "compiler/invariant.ts",
        "compiler/limits.ts",
        "compiler/once.ts",
      ],
    ],
  ])("%s imports only what lies below it", (folder, allowed) => {
    const wrong = sources
      .filter((f) => under(f, folder))
      .flatMap((file) =>
        importsOf(file)
          .filter(({ name }) => name.startsWith("compiler/") && !allowed.some((a) => name === a || under(name, a)))
          .map(({ name }) => `${file} imports ${name}`),
      );
    expect(wrong).toEqual([]);
  });

  test("a backend imports no other backend, and node:* only in run.ts", () => {
    const own = readdirSync("backends").filter((f) => statSync(`backends/${f}`).isDirectory() && f !== "module");
    const wrong: string[] = [];
    for (const name of own) {
      for (const file of sources.filter((f) => under(f, `backends/${name}`))) {
        for (const { name: target } of importsOf(file)) {
          if (own.some((o) => o !== name && under(target, `backends/${o}`))) wrong.push(`${file} imports ${target}`);
          if (under(target, "cli")) wrong.push(`${file} imports ${target}`);
          if (target.startsWith("node:") && path.basename(file) !== "run.ts") wrong.push(`${file} imports ${target}`);
        }
      }
    }
    expect(wrong).toEqual([]);
  });

  test("the command line reaches the core through its public index", () => {
    // the vocabulary that every layer shares: small modules, so that a command that needs no more starts quickly
    const open = ["index", "frontend", "nets", "models", "source", "host", "limits", "invariant", "once"].map((f) => `compiler/${f}.ts`);
    const wrong = sources
      .filter((f) => under(f, "cli"))
      .flatMap((file) =>
        importsOf(file)
          .filter(({ name }) => under(name, "compiler") && !under(name, "compiler/diagnostics") && !open.includes(name))
          .map(({ name }) => `${file} imports ${name}`),
      );
    expect(wrong).toEqual([]);
  });

  test("there are no import cycles", () => {
    const state = new Map<string, "open" | "done">();
    const cycles: string[] = [];
    const visit = (file: string, trail: readonly string[]): void => {
      if (state.get(file) === "done") return;
      if (state.get(file) === "open") {
        cycles.push([...trail.slice(trail.indexOf(file)), file].join(" -> "));
        return;
      }
      state.set(file, "open");
      for (const { name, typeOnly } of importsOf(file)) if (!typeOnly && text.has(name)) visit(name, [...trail, file]);
      state.set(file, "done");
    };
    for (const file of sources) visit(file, []);
    expect(cycles).toEqual([]);
  });
});

describe("hygiene", () => {
  test(`no source file is longer than ${MAX_LINES} lines`, () => {
    const all = [...sources, ...files("test"), ...files("scripts"), ...files("backends", ".js")];
    const long = all.filter((f) => !f.endsWith(".gen.ts") && readFileSync(f, "utf8").split("\n").length > MAX_LINES);
    expect(long).toEqual([]);
  });

  test("zod is imported as a namespace: bundlers then leave out what nobody asks for, 140 kB of the start of every command", () => {
    const whole = sources.filter((f) => /import (?!(?:type )?\* as z )[^;]* from "zod";/.test(text.get(f) ?? ""));
    expect(whole).toEqual([]);
  });

  test("no module-level mutable state in compiler/ and backends/", () => {
    expect(sources.filter((f) => !under(f, "cli") && /^(?:export )?let /m.test(text.get(f) ?? ""))).toEqual([]);
  });

  test("every file opens with what it is for", () => {
    const bare = sources.filter((f) => !/^(?:#!.*\n)?(?:\/\*\*|\/\/)/.test(text.get(f) ?? "") && !under(f, "compiler/ops"));
    expect(bare).toEqual([]);
  });

  test("generated files are fresh", () => {
    execFileSync(process.execPath, ["--import", "tsx", "scripts/generate.ts", "--check"], { stdio: "pipe" });
  });
});

describe("completeness", () => {
  test("every op has a summary, documented attributes, a bound and samples", () => {
    const wrong: string[] = [];
    for (const [name, op] of allOps()) {
      if (op.summary === "" || op.samples.length === 0) wrong.push(name);
      for (const [key, schema] of Object.entries(op.attrs.shape)) {
        const described = (schema as { description?: string }).description;
        if (!described) wrong.push(`${name}.${key}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  test("every code has an explanation", () => {
    expect(
      Object.entries(explanations)
        .filter(([, e]) => e.text.trim() === "" || e.summary.trim() === "")
        .map(([code]) => code),
    ).toEqual([]);
  });

  test("the documents that the README names exist", () => {
    const readme = readFileSync("README.md", "utf8");
    const named = [...readme.matchAll(/\]\(([^)#]+)\)/g)].map((m) => m[1] as string).filter((f) => !f.startsWith("http"));
    expect(named.filter((f) => !existsSync(f))).toEqual([]);
  });
});
