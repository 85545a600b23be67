/**
 * Files of hundreds of megabytes, written through the system's page cache or past it, whichever is quicker here. Memory that a virtual machine
 * gets from its host when it is touched makes the cache slower than the disk: writing 330 MB took 0.6 to 1.8 s through it, 0.3 s past it.
 */
import { closeSync, constants, openSync, writeSync } from "node:fs";

/** Offsets, lengths and addresses of what goes past the cache are multiples of this: the largest block of usual disks. */
export const BLOCK_BYTES = 4096;

/** Pieces of less whole blocks go through the cache. */
const LARGE_BYTES = 2 ** 19;

/** So much goes either way before the two are compared. */
const SAMPLE_BYTES = 2 ** 24;

/** Bytes a millisecond. A cache that takes this is not worth a trial of the other way. */
const QUICK = 2 ** 20;

/** What was written one way so far, and how long that took. */
interface Pace {
  bytes: number;
  ms: number;
}

export interface LargeFile {
  /** Writes all of `bytes` at `at` of the file. Can go past the cache where their address in memory is a multiple of `BLOCK_BYTES` from `at`. */
  write(bytes: Uint8Array, at: number): void;
  close(): void;
}

function writeAll(descriptor: number, bytes: Uint8Array, at: number): void {
  for (let n = 0; n < bytes.length; ) n += writeSync(descriptor, bytes, n, bytes.length - n, at + n);
}

/** Undefined where the system or the file system knows no such thing. */
function openPastCache(file: string): number | undefined {
  if (constants.O_DIRECT === undefined) return undefined;
  try {
    return openSync(file, constants.O_WRONLY | constants.O_DIRECT);
  } catch {
    return undefined;
  }
}

/** Makes files (or empties those that are there) that go to one disk: what is known of its pace holds for all of them. `now`: milliseconds. */
export function largeFiles(now: () => number): (file: string) => LargeFile {
  const through: Pace = { bytes: 0, ms: 0 };
  const past: Pace = { bytes: 0, ms: 0 };

  const pastIsQuicker = (): boolean => {
    if (through.bytes < SAMPLE_BYTES || through.bytes > through.ms * QUICK) return false;
    return past.bytes < SAMPLE_BYTES || past.ms * through.bytes < through.ms * past.bytes;
  };

  const timed = (pace: Pace, descriptor: number, bytes: Uint8Array, at: number): void => {
    const start = now();
    writeAll(descriptor, bytes, at);
    pace.ms += now() - start;
    pace.bytes += bytes.length;
  };

  return (file) => {
    const cached = openSync(file, "w");
    let direct = openPastCache(file);

    const leaveDirect = (): void => {
      if (direct !== undefined) closeSync(direct);
      direct = undefined;
    };

    /** Whether it is done. */
    const wrotePast = (blocks: Uint8Array, at: number): boolean => {
      if (direct === undefined || blocks.length < LARGE_BYTES || !pastIsQuicker()) return false;
      try {
        timed(past, direct, blocks, at);
        return true;
      } catch {
        // blocks are larger there, or something is really wrong, which the other way will say
        leaveDirect();
        return false;
      }
    };

    return {
      write(bytes, at) {
        // no block goes both ways: what lies beside whole ones goes through the cache
        const first = Math.min(bytes.length, (BLOCK_BYTES - (at % BLOCK_BYTES)) % BLOCK_BYTES);
        const end = Math.max(first, bytes.length - ((at + bytes.length) % BLOCK_BYTES));
        if (wrotePast(bytes.subarray(first, end), at + first)) {
          writeAll(cached, bytes.subarray(0, first), at);
          writeAll(cached, bytes.subarray(end), at + end);
        } else timed(through, cached, bytes, at);
      },
      close() {
        leaveDirect();
        closeSync(cached);
      },
    };
  };
}
