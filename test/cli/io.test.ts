/** Reading what does not come at once. */
import { execFileSync, spawn } from "node:child_process";
import { closeSync, constants, openSync } from "node:fs";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { readUpTo } from "../../cli/io.ts";
import { project } from "./project.ts";

test.skipIf(process.platform === "win32")("a pipe that does not wait, and fills late, is read whole", () => {
  const { folder } = project();
  const pipe = path.join(folder, "pipe");
  execFileSync("mkfifo", [pipe]);
  const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
  // as long as somebody may write, an empty pipe is not at its end
  const writer = openSync(pipe, constants.O_WRONLY);
  onTestFinished(() => [reader, writer].forEach(closeSync));
  spawn("sh", ["-c", "sleep 0.3; printf one > pipe; sleep 0.3; printf two > pipe"], { cwd: folder, stdio: "ignore" });
  expect(new TextDecoder().decode(readUpTo(reader, 6))).toBe("onetwo");
});
