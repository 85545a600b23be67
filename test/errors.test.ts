/**
 * Every message as the user sees it. A folder of test/errors is one case: `net.se` or `net.json` is checked, every other file in it can be
 * used from there, and `expected.txt` is what `sec check` prints. The folder's name begins with the code that must be among the messages.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { explanations } from "../compiler/diagnostics/messages.gen.ts";
import { renderText } from "../compiler/diagnostics/render.ts";
import type { Host } from "../compiler/host.ts";
import { check } from "../compiler/index.ts";
import { sourceFile } from "../compiler/source.ts";

const ROOT = "test/errors";

function hostOf(folder: string): Host {
  return {
    readBytes(path) {
      const place = `${folder}/${path}`;
      return existsSync(place) ? { ok: true, bytes: readFileSync(place) } : { ok: false, reason: "there is no such file" };
    },
    readText(path) {
      const place = path.startsWith("sec/") ? `specs/nets/${path.slice(4)}` : `${folder}/${path}`;
      return existsSync(place) ? { ok: true, text: readFileSync(place, "utf8") } : { ok: false, reason: "there is no such file" };
    },
  };
}

const cases = readdirSync(ROOT, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name)
  .sort();

describe("messages as the user sees them", () => {
  test.each(cases)("%s", async (name) => {
    const folder = `${ROOT}/${name}`;
    const entry = existsSync(`${folder}/net.json`) ? "net.json" : "net.se";
    const { diagnostics } = check(sourceFile(entry, readFileSync(`${folder}/${entry}`, "utf8")), hostOf(folder));
    expect(diagnostics.map((d) => d.code)).toContain(name.split("-")[0]);
    await expect(`${diagnostics.map((d) => renderText(d)).join("\n\n")}\n`).toMatchFileSnapshot(`../${folder}/expected.txt`);
  });
});

/** Tests and their tables, for codes that only other tools than `sec check` report: weights, options, targets, imports. */
const tests = readdirSync("test", { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts"))
  .map((path) => readFileSync(`test/${path}`, "utf8"));

test("every code has a case here, or a test that names it when weights, options, targets or imports report it", () => {
  const isHere = (code: string) => cases.some((name) => name.split("-")[0] === code);
  const isElsewhere = (code: string) => /^SE[4-9]/.test(code) && tests.some((text) => text.includes(code));
  expect(Object.keys(explanations).filter((code) => !isHere(code) && !isElsewhere(code))).toEqual([]);
});
