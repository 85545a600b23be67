/** Files that go through the system's cache, past it, or both by turns: their bytes are the same, and the quicker way is found. */
import { closeSync, constants, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { fileStores } from "../../cli/weights-store.ts";
import { vectorMemory } from "../../compiler/index.ts";
import { project, TINY } from "./project.ts";

/** The disk of these tests: what goes either way, at what pace by a clock of its own, and whether past the cache is possible. */
const disk = vi.hoisted(() => ({
  clock: 0,
  through: { bytes: 0, pace: 1 },
  past: { bytes: 0, pace: 1 },
  refuses: "" as "" | "open" | "write" | "space",
  direct: new Set<number>(),
}));

vi.mock("node:fs", async (original) => {
  const fs = await original<typeof import("node:fs")>();
  const refused = () => Object.assign(new Error("EINVAL"), { code: "EINVAL" });
  return {
    ...fs,
    openSync(file: string, flags: string | number) {
      const direct = typeof flags === "number" && (flags & fs.constants.O_DIRECT) !== 0;
      if (direct && disk.refuses === "open") throw refused();
      const descriptor = fs.openSync(file, flags);
      if (direct) disk.direct.add(descriptor);
      else disk.direct.delete(descriptor);
      return descriptor;
    },
    writeSync(descriptor: number, bytes: Uint8Array, from: number, length: number, at: number) {
      if (disk.refuses === "space") throw Object.assign(new Error("ENOSPC"), { code: "ENOSPC" });
      const direct = disk.direct.has(descriptor);
      if (direct && disk.refuses === "write") throw refused();
      const n = fs.writeSync(descriptor, bytes, from, length, at);
      const way = direct ? disk.past : disk.through;
      way.bytes += n;
      disk.clock += n / way.pace;
      return n;
    },
  };
});

const MB = 2 ** 20;
/** Bytes a millisecond. */
const SLOW = MB / 8;
const QUICK = MB * 8;

beforeEach(() => {
  Object.assign(disk, { clock: 0, refuses: "", through: { bytes: 0, pace: SLOW }, past: { bytes: 0, pace: SLOW } });
});

/** Sizes as weights have them: multiples of 4, most of them small, a few of megabytes. The same ones each time. */
function sizes(total: number): number[] {
  const list: number[] = [];
  for (let left = total, i = 1; left > 0; i++) {
    const size = Math.min(left, 4 * (1 + ((i * 2654435761) % (i % 3 === 0 ? 700_000 : 3000))));
    list.push(size);
    left -= size;
  }
  return list;
}

const HEAD = 64;

/** Writes a file as `packWeights` does, its head last; whether it came out as it should. */
function written(total: number): boolean {
  const folder = path.join(project().folder, "made");
  const store = fileStores(vectorMemory(), () => disk.clock)(folder);
  const expected = new Uint8Array(HEAD + total);
  store.open(expected.length);
  const put = (at: number, bytes: number): void => {
    const piece = store.piece(at, bytes);
    expect(piece.byteOffset % 4).toBe(at % 4);
    const words = new Uint32Array(piece.buffer, piece.byteOffset, bytes >> 2);
    for (let i = 0; i < words.length; i++) words[i] = (at + 4 * i) * 2654435761;
    expected.set(piece, at);
    store.done(at, piece);
  };
  let at = HEAD;
  for (const size of sizes(total)) {
    put(at, size);
    at += size;
  }
  put(0, HEAD);
  store.close();
  const { part, error } = store.stored as NonNullable<typeof store.stored>;
  expect(error).toBeUndefined();
  return Buffer.compare(readFileSync(part), expected) === 0;
}

/** Systems other than Linux, and some of its file systems, know no way past the cache. */
function knowsDirect(): boolean {
  const folder = mkdtempSync(path.join(tmpdir(), "sec-direct-"));
  try {
    closeSync(openSync(path.join(folder, "file"), constants.O_CREAT | constants.O_WRONLY | constants.O_DIRECT));
    return constants.O_DIRECT !== undefined;
  } catch {
    return false;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
const oneWay = !knowsDirect();

describe("a file of 60 MB", () => {
  test.skipIf(oneWay)("goes past a cache that is slower than the disk", () => {
    disk.past.pace = QUICK;
    expect(written(60 * MB)).toBe(true);
    expect(disk.past.bytes).toBeGreaterThan(30 * MB);
  });

  test("goes through a cache that is quick", () => {
    disk.through.pace = QUICK;
    expect(written(60 * MB)).toBe(true);
    expect(disk.past.bytes).toBe(0);
  });

  test.skipIf(oneWay)("comes back to a slow cache where the disk is slower", () => {
    disk.past.pace = SLOW / 2;
    expect(written(60 * MB)).toBe(true);
    expect(disk.past.bytes).toBeGreaterThan(0);
    expect(disk.past.bytes).toBeLessThan(20 * MB);
  });

  test.each(["open", "write"] as const)("goes through the cache where the other way is refused (%s)", (step) => {
    disk.refuses = step;
    expect(written(60 * MB)).toBe(true);
    expect(disk.past.bytes).toBe(0);
  });
});

test("a small file goes through the cache", () => {
  disk.past.pace = QUICK;
  expect(written(3 * MB)).toBe(true);
  expect(disk.past.bytes).toBe(0);
});

test("a full disk: the file that did not fit is named, and nothing is left", async () => {
  const p = project({ "tiny.se": TINY });
  disk.refuses = "space";
  const { code, err } = await p.sec(["compile", "tiny.se", "--target", "cpu"]);
  expect(code).toBe(2);
  expect(err).toContain("error SE522: cannot write `dist/tiny/cpu/tiny.weights`: no space is left on the device");
  expect(p.files()).toEqual(["tiny.se"]);
  expect(p.has("dist")).toBe(false);
});
