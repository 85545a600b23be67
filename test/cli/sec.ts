/** Runs one command line of `sec` in this process and gives what it printed; no network, no child process. */
import type { Io, Stream } from "../../cli/io.ts";
import { runCli } from "../../cli/program.ts";

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export async function sec(args: readonly string[], cwd: string = process.cwd(), stdin = ""): Promise<Ran> {
  const written = { out: "", err: "" };
  const stream = (name: "out" | "err"): Stream => ({
    write: (text) => {
      written[name] += text;
    },
    isTTY: false,
    columns: 80,
  });
  const io: Io = {
    cwd,
    env: {},
    stdout: stream("out"),
    stderr: stream("err"),
    stdin: () => new TextEncoder().encode(stdin),
    now: () => 0,
  };
  return { code: await runCli(args, io), ...written };
}
