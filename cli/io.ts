/** What the command line touches of the outside world. Injected, so that tests pass streams and look at what was written. */
import { readFileSync } from "node:fs";

export interface Stream {
  write(text: string): void;
  readonly isTTY: boolean;
  readonly columns: number;
}

export interface Io {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: Stream;
  readonly stderr: Stream;
  /** The whole of standard input. */
  stdin(): Uint8Array;
  /** Milliseconds from any fixed point. */
  now(): number;
}

const DEFAULT_WIDTH = 80;

function stream(target: NodeJS.WriteStream): Stream {
  return {
    write: (text) => void target.write(text),
    isTTY: target.isTTY === true,
    columns: target.columns ?? DEFAULT_WIDTH,
  };
}

export function processIo(): Io {
  return {
    cwd: process.cwd(),
    env: process.env,
    stdout: stream(process.stdout),
    stderr: stream(process.stderr),
    stdin: () => readFileSync(0),
    now: () => performance.now(),
  };
}
