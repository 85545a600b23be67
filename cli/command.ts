/** What every command file exports, and how its action gets a session and gives an exit code. */
import { existsSync, statSync } from "node:fs";
import type { Command } from "commander";
import { messages } from "../compiler/diagnostics/messages.gen.ts";
import type { Session } from "./session.ts";

export interface CommandHost {
  /** Opens the session from the global options of the command that runs. */
  session(command: Command): Session;
  /** Remembers the exit code of the action. */
  exit(code: number): void;
}

/** Adds arguments, options and the action to `command`, which has its name and its description. */
export type Register = (command: Command, host: CommandHost) => void;

/** Wraps an action: opens the session, awaits the work, prints what was reported. `work` gives the exit code when nothing is wrong. */
export function action<A extends readonly unknown[], O>(
  host: CommandHost,
  work: (session: Session, options: O, ...args: A) => Promise<number | undefined> | number | undefined,
): (...all: unknown[]) => Promise<void> {
  return async (...all) => {
    const command = all.at(-1) as Command;
    const options = all.at(-2) as O;
    const session = host.session(command);
    const { directory } = session.options;
    if (directory !== session.io.cwd && !(existsSync(directory) && statSync(directory).isDirectory()))
      session.usage(messages.SE520.value({ option: "-C", want: "a folder that exists", given: directory }));
    const code = session.failed ? undefined : await work(session, options, ...(all.slice(0, -2) as unknown as A));
    host.exit(session.finish(code));
  };
}
