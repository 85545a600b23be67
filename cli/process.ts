/** The command line as a process: signals, pipes, exit code. The only place with process.exit. */
import type { Message } from "../compiler/diagnostics/diagnostic.ts";
import { messages } from "../compiler/diagnostics/messages.gen.ts";
import { type Io, processIo } from "./io.ts";
import { runCli } from "./program.ts";
import { EXIT } from "./session.ts";

/** For scripts/keep-compiled.ts, which runs commands without leaving. */
export { runCli };

/** Where there is no session to report to. */
function giveUp({ code, title }: Message): never {
  process.stderr.write(`error ${code}: ${title}\n`);
  process.exit(EXIT.usage);
}

function surroundings(): Io {
  try {
    return processIo();
  } catch {
    return giveUp(messages.SE520.nowhere());
  }
}

/** A pipe takes what was written bit by bit; leaving earlier would cut it off. */
const flushed = (stream: NodeJS.WriteStream): Promise<void> => new Promise((resolve) => stream.write("", () => resolve()));

/** Runs the command of process.argv and ends the process. */
export async function runProcess(): Promise<never> {
  process.once("SIGINT", () => process.exit(EXIT.interrupted));
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    // `sec inspect ... | head` closes the pipe early; that is no failure
    if (error.code === "EPIPE") process.exit(EXIT.ok);
    giveUp(messages.SE522.stdout({ reason: error.message }));
  });
  // nobody reads the messages: that changes neither the work nor its exit code
  process.stderr.on("error", () => undefined);
  const code = await runCli(process.argv.slice(2), surroundings());
  process.exitCode = code;
  await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
  // a Ctrl-C during the last work is heard in the next turn
  await new Promise((resolve) => setImmediate(resolve));
  // a software GPU's threads keep Node alive after everything is disposed
  process.exit(code);
}
