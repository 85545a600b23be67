/** Runs one command line of `sec` in this process and gives what it printed; no network, no child process. */
import { runCli } from "../../cli/program.ts";

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface Surroundings {
  readonly stdin?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
  /** Both streams are terminals. */
  readonly terminal?: boolean;
  /** Default: a clock that stands still. */
  readonly now?: () => number;
}

export async function sec(args: readonly string[], cwd: string = process.cwd(), around: Surroundings = {}): Promise<Ran> {
  const written = { out: "", err: "" };
  const stream = (name: "out" | "err") => ({
    write: (text: string) => {
      written[name] += text;
    },
    isTTY: around.terminal === true,
    columns: 80,
  });
  const stdin = around.stdin ?? "";
  const code = await runCli(args, {
    cwd,
    env: around.env ?? {},
    stdout: stream("out"),
    stderr: stream("err"),
    stdin: () => (typeof stdin === "string" ? new TextEncoder().encode(stdin) : stdin),
    now: around.now ?? (() => 0),
  });
  return { code, ...written };
}
