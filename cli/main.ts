#!/usr/bin/env node
/** The `sec` command. The only place with process.exit. */
import { processIo } from "./io.ts";
import { runCli } from "./program.ts";
import { EXIT } from "./session.ts";

process.once("SIGINT", () => process.exit(EXIT.interrupted));
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  // `sec inspect ... | head` closes the pipe early; that is no failure
  if (error.code === "EPIPE") process.exit(EXIT.ok);
  throw error;
});

const code = await runCli(process.argv.slice(2), processIo());
// a software GPU's threads keep Node alive after everything is disposed
process.exitCode = code;
if (process.stdout.writableLength === 0 && process.stderr.writableLength === 0) process.exit(code);
process.stdout.once("drain", () => process.exit(code));
process.stderr.once("drain", () => process.exit(code));
