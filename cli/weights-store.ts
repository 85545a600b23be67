/**
 * Writes a weights file while it is packed, into a temporary file of the folder it will be in; `writeArtifacts` renames it. So memory holds
 * one piece, not the file. A failure is kept until the file is asked for: whether and how to report it is the writer's part.
 */
import { existsSync, rmdirSync, rmSync } from "node:fs";
import path from "node:path";
import type { WeightsStore } from "../backends/backend.ts";
import { largestPiece } from "../backends/module/weights-file.ts";
import { numel, type Region, TENSOR, type VectorMemory, type Weight } from "../compiler/index.ts";
import { BLOCK_BYTES, type LargeFile, largeFiles } from "./large-file.ts";
import { makeFolder, type StoredFile } from "./write.ts";

export interface FileStore extends WeightsStore {
  /** What was written, after `close`. */
  readonly stored: StoredFile | undefined;
  /** Removes what was written and not renamed since. */
  discard(): void;
}

let untouched = new SharedArrayBuffer(0);

/**
 * Zeros in place of contents that are elsewhere or nowhere, whose length is all that anybody asks for: the same memory for all files, never
 * touched. The engine counts shared memory as nobody's; any other of this size would start the collector.
 */
function placeholder(length: number): Uint8Array {
  if (untouched.byteLength < length) untouched = new SharedArrayBuffer(Math.max(length, 2 * untouched.byteLength));
  return new Uint8Array(untouched, 0, length);
}

/** Nothing is made: for stages that only want sizes. */
export function sizesStore(): WeightsStore {
  let length = 0;
  return {
    open: (bytes) => {
      length = bytes;
    },
    piece: (_at, bytes) => new Uint8Array(bytes),
    done: () => undefined,
    close: () => placeholder(length),
    sizesOnly: true,
  };
}

/** The highest folder on the way to `folder` that does not exist. */
function firstMissing(folder: string): string | undefined {
  if (existsSync(folder)) return undefined;
  const parent = path.dirname(folder);
  return parent === folder ? folder : (firstMissing(parent) ?? folder);
}

/** What stores call the memory of one piece. */
const PIECE = "piece";

function fileStore(folder: string, piece: Region, openLarge: (file: string) => LargeFile): FileStore {
  const part = path.join(folder, `weights.${process.pid}.part`);
  let length = 0;
  let file: LargeFile | undefined;
  let made: string | undefined;
  let error: unknown;
  let stored: StoredFile | undefined;
  /** Once something failed there is nothing more to do. */
  const attempt = (work: () => void): void => {
    if (error !== undefined) return;
    try {
      work();
    } catch (problem) {
      error = problem;
    }
  };
  const end = (): void => {
    file?.close();
    file = undefined;
  };
  return {
    open(bytes) {
      length = bytes;
      attempt(() => {
        made = firstMissing(folder);
        makeFolder(folder);
        file = openLarge(part);
      });
    },
    // as far from a block in memory as in the file
    piece: (at, bytes) => piece((at % BLOCK_BYTES) + bytes).subarray(at % BLOCK_BYTES),
    done(at, bytes) {
      attempt(() => file?.write(bytes, at));
    },
    close() {
      attempt(end);
      stored = { contents: placeholder(length), part, ...(error === undefined ? {} : { error }) };
      return stored.contents;
    },
    get stored() {
      return stored;
    },
    discard() {
      end();
      // where its folder is a file there is nothing to remove
      if (existsSync(part)) rmSync(part);
      // folders made for it, as far as they are empty
      for (let at = folder; made !== undefined && at.startsWith(made); at = path.dirname(at)) {
        try {
          rmdirSync(at);
        } catch {
          return;
        }
      }
    },
  };
}

/** Stores for the weights of one command, each in the folder of its target. Pieces of all files lie in one region of `memory`, one after another. */
export function fileStores(memory: VectorMemory, now: () => number): (folder: string) => FileStore {
  const piece = memory.region(PIECE);
  const openLarge = largeFiles(now);
  return (folder) => fileStore(folder, piece, openLarge);
}

/** Tells `memory` how large what readers and stores ask for will be. */
export function expectTensors(memory: VectorMemory, weights: readonly Weight[]): void {
  const largest = weights.reduce((bytes, w) => Math.max(bytes, 4 * numel(w.value.type.shape)), 0);
  memory.expect(PIECE, BLOCK_BYTES + largestPiece(largest));
  memory.expect(TENSOR, largest);
}
