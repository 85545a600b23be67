/** What the command line touches of the outside world. Injected, so that tests pass streams and look at what was written. */
import { readSync } from "node:fs";

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
  /** Standard input, at most that many bytes of it. */
  stdin(most: number): Uint8Array;
  /** Milliseconds from any fixed point. */
  now(): number;
}

const DEFAULT_WIDTH = 80;

function stream(target: NodeJS.WriteStream): Stream {
  return {
    write: (text) => void target.write(text),
    isTTY: target.isTTY === true,
    // a terminal that does not know its size says 0
    columns: target.columns || DEFAULT_WIDTH,
  };
}

const PAUSE_MS = 10;

/** The next bytes; waits where a pipe that must not block has none yet. */
function readSome(descriptor: number, piece: Uint8Array): number {
  for (;;) {
    try {
      return readSync(descriptor, piece, 0, piece.length, null);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
    }
  }
}

/** At most `most` bytes of an open file. */
export function readUpTo(descriptor: number, most: number): Uint8Array {
  const pieces: Uint8Array[] = [];
  for (let total = 0; total < most; ) {
    const piece = Buffer.alloc(Math.min(1 << 16, most - total));
    const n = readSome(descriptor, piece);
    if (n === 0) break;
    pieces.push(piece.subarray(0, n));
    total += n;
  }
  return Buffer.concat(pieces);
}

export function processIo(): Io {
  return {
    cwd: process.cwd(),
    env: process.env,
    stdout: stream(process.stdout),
    stderr: stream(process.stderr),
    stdin: (most) => readUpTo(0, most),
    // performance.now would load a dozen of Node's modules
    now: () => process.uptime() * 1000,
  };
}
