/** Scripts of one folder, and their compiled forms. */
import { mkdtempSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { compiledName, openScripts, WRAPPER } from "../../cli/script.ts";

const folder = (): string => {
  const made = mkdtempSync(path.join(os.tmpdir(), "sec-script-"));
  const write = (name: string, text: string): void => writeFileSync(path.join(made, name), `${WRAPPER.before}${text}${WRAPPER.after}`);
  write("main.cjs", 'exports.twice = (x) => require("./part.cjs").add(x, x); exports.sep = require("node:path").sep;');
  write("part.cjs", "exports.main = require('./main.cjs'); exports.add = (a, b) => a + b; exports.where = __filename;");
  return made;
};

interface Main {
  readonly twice: (x: number) => number;
  readonly sep: string;
}

/** Compiled forms from another folder: in one process V8 knows a script by its name, and does not look at what was kept of it. */
function folderWithKept(change: (kept: Buffer) => void = () => undefined): string {
  const [from, to] = [folder(), folder()];
  const scripts = openScripts();
  (scripts.load(path.join(from, "main.cjs")) as Main).twice(1);
  for (const [file, compiled] of scripts.compiled()) {
    const kept = Buffer.from(compiled);
    change(kept);
    writeFileSync(compiledName(path.join(to, path.basename(file))), kept);
  }
  return to;
}

test("scripts require each other, in a circle too, and Node's modules; each is evaluated once", () => {
  const at = folder();
  const scripts = openScripts();
  const main = scripts.load(path.join(at, "main.cjs")) as Main;
  expect(main.twice(21)).toBe(42);
  expect(main.sep).toBe(path.sep);
  expect(scripts.load(path.join(at, "part.cjs"))).toMatchObject({ main, where: path.join(at, "part.cjs") });
  expect(scripts.anew()).toEqual([path.join(at, "main.cjs"), path.join(at, "part.cjs")]);
});

test("Node loads the same scripts", () => {
  const scripts = openScripts(true);
  const main = scripts.load(path.join(folder(), "main.cjs")) as Main;
  expect([main.twice(3), main.sep]).toEqual([6, path.sep]);
  expect([...scripts.compiled()]).toEqual([]);
});

test("the grammar is loaded when it is used", () => {
  const at = folder();
  const write = (name: string, text: string): void => writeFileSync(path.join(at, name), `${WRAPPER.before}${text}${WRAPPER.after}`);
  write("parse-0a1b.cjs", "let count = 0; exports.parse = (text) => text.length + count++;");
  write("user.cjs", 'const grammar = require("./parse-0a1b.cjs"); exports.parsed = (text) => grammar.parse(text);');
  const scripts = openScripts();
  const user = scripts.load(path.join(at, "user.cjs")) as { readonly parsed: (text: string) => number };
  expect(scripts.loaded().map((file) => path.basename(file))).toEqual(["user.cjs"]);
  expect([user.parsed("abc"), user.parsed("abc")]).toEqual([3, 4]);
  expect(scripts.loaded().map((file) => path.basename(file))).toEqual(["user.cjs", "parse-0a1b.cjs"]);
});

test("what was kept is used", () => {
  const scripts = openScripts();
  expect((scripts.load(path.join(folderWithKept(), "main.cjs")) as Main).twice(4)).toBe(8);
  expect(scripts.anew()).toEqual([]);
});

test("what another V8 kept is compiled anew", () => {
  // the second word is the version of the engine
  const at = folderWithKept((kept) => kept.writeUInt32LE(kept.readUInt32LE(4) ^ 1, 4));
  const scripts = openScripts();
  expect((scripts.load(path.join(at, "main.cjs")) as Main).twice(5)).toBe(10);
  expect(scripts.anew()).toEqual([path.join(at, "main.cjs"), path.join(at, "part.cjs")]);
});
