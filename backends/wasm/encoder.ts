/**
 * A WebAssembly module as bytes (WebAssembly 3.0 specification, "Binary format", 5.5). Functions are given as `FunctionBody`; equal ones
 * are kept once.
 */
import type { Callee, FunctionBody, Instruction } from "./function-writer.ts";

export type { FunctionBody } from "./function-writer.ts";

import { LANE, LANE_MEMORY, MEMORY, PLAIN, VALUE_TYPES, type ValueType } from "./opcodes.ts";

export interface FunctionType {
  readonly params: readonly ValueType[];
  readonly results: readonly ValueType[];
}

export interface ImportedFunction extends FunctionType {
  readonly module: string;
  readonly name: string;
}

/** Pages of 64 KiB. A shared memory is imported by every thread; it never grows, so its maximum is its size. */
export interface MemoryType {
  readonly pages: number;
  /** Most pages of an imported memory: threads bring scratch memory of their own. Default: `pages`. */
  readonly most?: number;
  readonly shared: boolean;
  /** Absent: the module's own. */
  readonly from?: { readonly module: string; readonly name: string };
}

export interface ModuleParts {
  readonly imports: readonly ImportedFunction[];
  readonly memory: MemoryType;
  /** Exported functions by name, in order; what they call comes along. */
  readonly exports: readonly { readonly name: string; readonly body: FunctionBody }[];
  /** Name under which the memory is exported. */
  readonly exportMemory?: string;
  /** Mutable i32. */
  readonly globals?: readonly number[];
  readonly data?: readonly { readonly offset: number; readonly bytes: Uint8Array }[];
  /** A custom section in front of all others: engines pass over it, people and tools see who wrote the file. */
  readonly mark?: string;
}

/** Bytes that grow. */
/** Where the bits of numbers are looked at: vectors of constants are many. */
const NUMBER = new DataView(new ArrayBuffer(4));

class Bytes {
  #bytes = new Uint8Array(1024);
  length = 0;

  #reserve(more: number): void {
    if (this.length + more <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.length + more));
    larger.set(this.#bytes);
    this.#bytes = larger;
  }

  byte(b: number): void {
    this.#reserve(1);
    this.#bytes[this.length++] = b;
  }

  all(bytes: ArrayLike<number>): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  unsigned(value: number): void {
    let v = value;
    while (v >= 128) {
      this.byte((v % 128) | 128);
      v = Math.floor(v / 128);
    }
    this.byte(v);
  }

  signed(value: number): void {
    let v = value;
    while (v < -64 || v > 63) {
      this.byte((v & 127) | 128);
      v >>= 7;
    }
    this.byte(v & 127);
  }

  signed64(value: bigint): void {
    let v = value;
    while (v < -64n || v > 63n) {
      this.byte(Number(v & 127n) | 128);
      v >>= 7n;
    }
    this.byte(Number(v & 127n));
  }

  f32(value: number): void {
    NUMBER.setFloat32(0, value, true);
    this.i32(NUMBER.getInt32(0, true));
  }

  i32(value: number): void {
    this.byte(value & 255);
    this.byte((value >> 8) & 255);
    this.byte((value >> 16) & 255);
    this.byte((value >> 24) & 255);
  }

  name(text: string): void {
    const bytes = new TextEncoder().encode(text);
    this.unsigned(bytes.length);
    this.all(bytes);
  }

  /** Length, then contents. */
  sized(write: (into: Bytes) => void): void {
    const inner = new Bytes();
    write(inner);
    this.unsigned(inner.length);
    this.all(inner.view());
  }

  view(): Uint8Array {
    return this.#bytes.subarray(0, this.length);
  }
}

const BLOCKS = { block: 0x02, loop: 0x03, if: 0x04 } as const;
const LOCALS = { "local.get": 0x20, "local.set": 0x21, "local.tee": 0x22 } as const;
const EMPTY = 0x40;

function writeInstruction(into: Bytes, i: Instruction, indexOf: (callee: Callee) => number): void {
  switch (i.kind) {
    case "plain":
      into.all(PLAIN[i.op]);
      return;
    case "memory": {
      const { code, align } = MEMORY[i.op];
      into.all(code);
      into.unsigned(i.align ?? align);
      into.unsigned(i.offset);
      return;
    }
    case "lane":
      into.all(LANE[i.op]);
      into.byte(i.lane);
      return;
    case "laneMemory": {
      const { code, align } = LANE_MEMORY[i.op];
      into.all(code);
      into.unsigned(align);
      into.unsigned(i.offset);
      into.byte(i.lane);
      return;
    }
    case "local":
      into.byte(LOCALS[i.op]);
      into.unsigned(i.local);
      return;
    case "global":
      into.byte(i.op === "global.get" ? 0x23 : 0x24);
      into.unsigned(i.global);
      return;
    case "const":
      into.byte(i.type === "i32" ? 0x41 : 0x43);
      if (i.type === "i32") into.signed(i.value);
      else into.f32(i.value);
      return;
    case "i64":
      into.byte(0x42);
      into.signed64(i.value);
      return;
    case "v128":
      into.all([0xfd, 0x0c]);
      for (const lane of i.lanes) {
        if (i.type === "f32") into.f32(lane);
        else into.i32(lane);
      }
      return;
    case "shuffle":
      into.all([0xfd, 0x0d]);
      into.all(i.bytes);
      return;
    case "open":
      into.byte(BLOCKS[i.op]);
      into.byte(i.result ? VALUE_TYPES[i.result] : EMPTY);
      return;
    case "else":
      into.byte(0x05);
      return;
    case "end":
      into.byte(0x0b);
      return;
    case "branch":
      into.byte(i.op === "br" ? 0x0c : 0x0d);
      into.unsigned(i.depth);
      return;
    case "table":
      into.byte(0x0e);
      into.unsigned(i.depths.length);
      for (const d of i.depths) into.unsigned(d);
      into.unsigned(i.otherwise);
      return;
    case "call":
      into.byte(0x10);
      into.unsigned(indexOf(i.callee));
      return;
  }
}

function writeBody(into: Bytes, body: FunctionBody, indexOf: (callee: Callee) => number): void {
  const runs: { type: ValueType; count: number }[] = [];
  for (const type of body.locals) {
    const last = runs[runs.length - 1];
    if (last?.type === type) last.count++;
    else runs.push({ type, count: 1 });
  }
  into.unsigned(runs.length);
  for (const { type, count } of runs) {
    into.unsigned(count);
    into.byte(VALUE_TYPES[type]);
  }
  for (const i of body.code) writeInstruction(into, i, indexOf);
  into.byte(0x0b);
}

const typeKey = ({ params, results }: FunctionType): string => `${params.join(" ")}->${results.join(" ")}`;

export interface LinkedFunction {
  readonly index: number;
  readonly body: FunctionBody;
  readonly bytes: Uint8Array;
}

/** Gives functions their indices, callees before callers; equal bytes and types share one. */
export class Linker {
  readonly functions: LinkedFunction[] = [];
  readonly #byBody = new Map<FunctionBody, number>();
  readonly #byBytes = new Map<string, number>();
  readonly #imports: number;

  constructor(imports: number) {
    this.#imports = imports;
  }

  /** Index in the module of a function, which is added when it is new. */
  indexOf(callee: Callee): number {
    if ("imported" in callee) return callee.imported;
    const known = this.#byBody.get(callee);
    if (known !== undefined) return known;
    const bytes = new Bytes();
    writeBody(bytes, callee, (c) => this.indexOf(c));
    const contents = bytes.view().slice();
    // a character a byte: as exact as the bytes themselves
    const key = `${typeKey(callee)} ${latin(contents)}`;
    let index = this.#byBytes.get(key);
    if (index === undefined) {
      index = this.#imports + this.functions.length;
      this.functions.push({ index, body: callee, bytes: contents });
      this.#byBytes.set(key, index);
    }
    this.#byBody.set(callee, index);
    return index;
  }
}

const decoder = new TextDecoder("latin1");

/** A string that is the same for the same bytes only: a key. */
export const latin = (bytes: Uint8Array): string => decoder.decode(bytes);

function memoryLimits(into: Bytes, { pages, most = pages, shared }: MemoryType): void {
  into.byte(shared ? 0x03 : 0x01);
  into.unsigned(pages);
  into.unsigned(most);
}

export function encodeModule(parts: ModuleParts, linker = new Linker(parts.imports.length)): Uint8Array<ArrayBuffer> {
  const exported = parts.exports.map(({ name, body }) => ({ name, index: linker.indexOf(body) }));
  const types: FunctionType[] = [];
  const typeIndex = new Map<string, number>();
  const typeOf = (type: FunctionType): number => {
    const key = typeKey(type);
    let at = typeIndex.get(key);
    if (at === undefined) {
      at = types.length;
      types.push(type);
      typeIndex.set(key, at);
    }
    return at;
  };
  const importTypes = parts.imports.map(typeOf);
  const functionTypes = linker.functions.map((f) => typeOf(f.body));
  const out = new Bytes();
  out.all([0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]);
  if (parts.mark !== undefined) {
    const { mark } = parts;
    out.byte(0);
    out.sized((into) => into.name(mark));
  }
  const section = <T>(id: number, items: readonly T[], write: (into: Bytes, item: T, at: number) => void): void => {
    if (items.length === 0) return;
    out.byte(id);
    out.sized((into) => {
      into.unsigned(items.length);
      items.forEach((item, at) => {
        write(into, item, at);
      });
    });
  };
  const { memory } = parts;
  section(1, types, (into, type) => {
    into.byte(0x60);
    for (const list of [type.params, type.results]) {
      into.unsigned(list.length);
      for (const t of list) into.byte(VALUE_TYPES[t]);
    }
  });
  const imports: ((into: Bytes) => void)[] = parts.imports.map((f, at) => (into: Bytes) => {
    into.name(f.module);
    into.name(f.name);
    into.byte(0x00);
    into.unsigned(importTypes[at] as number);
  });
  const from = memory.from;
  if (from) {
    imports.push((into) => {
      into.name(from.module);
      into.name(from.name);
      into.byte(0x02);
      memoryLimits(into, memory);
    });
  }
  section(2, imports, (into, write) => write(into));
  section(3, functionTypes, (into, type) => into.unsigned(type));
  section(5, from ? [] : [memory], memoryLimits);
  section(6, parts.globals ?? [], (into, value) => {
    into.all([VALUE_TYPES.i32, 0x01, 0x41]);
    into.signed(value);
    into.byte(0x0b);
  });
  const memories = parts.exportMemory === undefined ? [] : [{ name: parts.exportMemory, kind: 0x02, index: 0 }];
  section(7, [...exported.map((e) => ({ ...e, kind: 0x00 })), ...memories], (into, { name, kind, index }) => {
    into.name(name);
    into.byte(kind);
    into.unsigned(index);
  });
  section(10, linker.functions, (into, { bytes }) => {
    into.unsigned(bytes.length);
    into.all(bytes);
  });
  section(11, parts.data ?? [], (into, { offset, bytes }) => {
    into.all([0x00, 0x41]);
    into.signed(offset | 0);
    into.byte(0x0b);
    into.unsigned(bytes.length);
    into.all(bytes);
  });
  return out.view().slice();
}
