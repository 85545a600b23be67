/** The engine's start under the Node that runs this: `npm run matrix` asks every version that is supported. */
import { spawnSync } from "node:child_process";
import path from "node:path";
import { expect, test } from "vitest";

const TSX = path.resolve("node_modules/tsx/dist/esm/index.mjs");

test("no engine complains about how it is started", () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--import", TSX, path.resolve("cli/main.ts"), "--version"], {
    encoding: "utf8",
  });
  expect(stderr).toBe("");
  expect(stdout).toMatch(/^\d+\.\d+\.\d+/);
  expect(status).toBe(0);
});
