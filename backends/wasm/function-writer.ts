/**
 * Writes one WebAssembly function: typed locals, stack instructions, structured control. The result is data: `encoder.ts` makes bytes of
 * it, `print-wat.ts` text.
 */
import { invariant } from "../../compiler/invariant.ts";
import type { LaneMemoryOp, LaneOp, MemoryOp, PlainOp, ValueType } from "./opcodes.ts";

export interface Local {
  readonly index: number;
  readonly type: ValueType;
}

/** Imported functions are named by their place in the module's list of imports. */
export type Callee = FunctionBody | { readonly imported: number };

export type Instruction =
  | { readonly kind: "plain"; readonly op: PlainOp }
  | { readonly kind: "memory"; readonly op: MemoryOp; readonly offset: number; readonly align?: number }
  | { readonly kind: "lane"; readonly op: LaneOp; readonly lane: number }
  | { readonly kind: "laneMemory"; readonly op: LaneMemoryOp; readonly offset: number; readonly lane: number }
  | { readonly kind: "local"; readonly op: "local.get" | "local.set" | "local.tee"; readonly local: number }
  | { readonly kind: "global"; readonly op: "global.get" | "global.set"; readonly global: number }
  | { readonly kind: "const"; readonly type: "i32" | "f32"; readonly value: number }
  | { readonly kind: "i64"; readonly value: bigint }
  /** Four f32, or four i32 given as numbers. */
  | { readonly kind: "v128"; readonly type: "f32" | "i32"; readonly lanes: readonly [number, number, number, number] }
  /** Bytes 0 to 31 of the two operands. */
  | { readonly kind: "shuffle"; readonly bytes: readonly number[] }
  | { readonly kind: "open"; readonly op: "block" | "loop" | "if"; readonly result?: ValueType }
  | { readonly kind: "else" }
  | { readonly kind: "end" }
  | { readonly kind: "branch"; readonly op: "br" | "br_if"; readonly depth: number }
  | { readonly kind: "table"; readonly depths: readonly number[]; readonly otherwise: number }
  | { readonly kind: "call"; readonly callee: Callee };

export interface FunctionBody {
  /** For the text form and profilers; no part of a function's identity. */
  readonly name: string;
  readonly params: readonly ValueType[];
  readonly results: readonly ValueType[];
  /** Without the parameters. */
  readonly locals: readonly ValueType[];
  readonly code: readonly Instruction[];
}

/** Where `br` goes: the number of open blocks at its start. */
export interface Label {
  readonly level: number;
}

/** Instructions that occur again and again are made once: functions have thousands. */
const PLAIN = new Map<PlainOp, Instruction>();

function plainInstruction(op: PlainOp): Instruction {
  let known = PLAIN.get(op);
  if (!known) {
    known = { kind: "plain", op };
    PLAIN.set(op, known);
  }
  return known;
}

const LOCALS = { "local.get": [], "local.set": [], "local.tee": [] } as Record<"local.get" | "local.set" | "local.tee", Instruction[]>;

function localInstruction(op: keyof typeof LOCALS, local: number): Instruction {
  const known = LOCALS[op];
  for (let i = known.length; i <= local; i++) known.push({ kind: "local", op, local: i });
  return known[local] as Instruction;
}

export class FunctionWriter {
  readonly #params: readonly ValueType[];
  readonly #locals: ValueType[] = [];
  readonly #code: Instruction[] = [];
  readonly #free: Local[] = [];
  readonly #pool = new Map<string, { readonly local: Local; readonly type: "f32" | "i32"; readonly value: number }>();
  #level = 0;
  /** Whether relaxed SIMD may be used. */
  readonly relaxed: boolean;

  constructor(params: readonly ValueType[], relaxed = false) {
    this.#params = params;
    this.relaxed = relaxed;
  }

  param(index: number): Local {
    const type = this.#params[index];
    invariant(type !== undefined, `parameter ${index}`);
    return { index, type };
  }

  /** A local of its own, or one that was given back. Its value is undefined: 0 only at first use. */
  local(type: ValueType): Local {
    const at = this.#free.findIndex((l) => l.type === type);
    if (at >= 0) return this.#free.splice(at, 1)[0] as Local;
    this.#locals.push(type);
    return { index: this.#params.length + this.#locals.length - 1, type };
  }

  locals(type: ValueType, count: number): Local[] {
    return Array.from({ length: count }, () => this.local(type));
  }

  release(...locals: readonly Local[]): void {
    this.#free.push(...locals);
  }

  push(instruction: Instruction): this {
    this.#code.push(instruction);
    return this;
  }

  op(op: PlainOp): this {
    return this.push(plainInstruction(op));
  }

  get(local: Local): this {
    return this.push(localInstruction("local.get", local.index));
  }

  set(local: Local): this {
    return this.push(localInstruction("local.set", local.index));
  }

  tee(local: Local): this {
    return this.push(localInstruction("local.tee", local.index));
  }

  i32(value: number): this {
    return this.push({ kind: "const", type: "i32", value: value | 0 });
  }

  f32(value: number): this {
    return this.push({ kind: "const", type: "f32", value: Math.fround(value) });
  }

  f32x4(value: number): this {
    const v = Math.fround(value);
    return this.push({ kind: "v128", type: "f32", lanes: [v, v, v, v] });
  }

  /**
   * Four equal numbers that are put into a local at the function's start: V8 builds a vector constant from three instructions wherever it
   * stands, a loop included. Zeros cost nothing.
   */
  pooled(value: number, type: "f32" | "i32" = "f32"): this {
    const v = type === "f32" ? Math.fround(value) : value | 0;
    if (v === 0) return type === "f32" ? this.f32x4(v) : this.i32x4(v);
    const key = `${type} ${v}`;
    let known = this.#pool.get(key);
    if (!known) {
      this.#locals.push("v128");
      known = { local: { index: this.#params.length + this.#locals.length - 1, type: "v128" }, type, value: v };
      this.#pool.set(key, known);
    }
    return this.get(known.local);
  }

  i32x4(value: number): this {
    const v = value | 0;
    return this.push({ kind: "v128", type: "i32", lanes: [v, v, v, v] });
  }

  memory(op: MemoryOp, offset = 0): this {
    invariant(offset >= 0 && offset < 2 ** 32, `${op}: offset ${offset}`);
    return this.push({ kind: "memory", op, offset });
  }

  lane(op: LaneOp, lane: number): this {
    return this.push({ kind: "lane", op, lane });
  }

  laneMemory(op: LaneMemoryOp, offset: number, lane: number): this {
    return this.push({ kind: "laneMemory", op, offset, lane });
  }

  /** Words 0 to 3 of the first operand, 4 to 7 of the second. */
  shuffleWords(words: readonly [number, number, number, number]): this {
    return this.push({ kind: "shuffle", bytes: words.flatMap((word) => [0, 1, 2, 3].map((b) => word * 4 + b)) });
  }

  call(callee: Callee): this {
    return this.push({ kind: "call", callee });
  }

  /** The product of the two vectors on the stack plus what `addend` puts there. */
  timesPlus(addend: () => void): this {
    if (!this.relaxed) this.op("f32x4.mul");
    addend();
    return this.op(this.relaxed ? "f32x4.relaxed_madd" : "f32x4.add");
  }

  /** local = local + value */
  increase(local: Local, value: number | Local): this {
    this.get(local);
    if (typeof value === "number") this.i32(value);
    else this.get(value);
    return this.op("i32.add").set(local);
  }

  #open(op: "block" | "loop" | "if", body: (label: Label) => void, result?: ValueType): void {
    this.push({ kind: "open", op, ...(result ? { result } : {}) });
    this.#level++;
    body({ level: this.#level });
    this.#level--;
  }

  /** A branch to its label leaves it. */
  block(body: (label: Label) => void): this {
    this.#open("block", body);
    return this.push({ kind: "end" });
  }

  /** A branch to its label starts it again. */
  loop(body: (label: Label) => void): this {
    this.#open("loop", body);
    return this.push({ kind: "end" });
  }

  /** Takes the condition from the stack. */
  if(yes: (label: Label) => void, no?: (label: Label) => void, result?: ValueType): this {
    this.#open("if", yes, result);
    if (no) {
      this.push({ kind: "else" });
      this.#level++;
      no({ level: this.#level });
      this.#level--;
    }
    return this.push({ kind: "end" });
  }

  br(label: Label): this {
    return this.push({ kind: "branch", op: "br", depth: this.#level - label.level });
  }

  brIf(label: Label): this {
    return this.push({ kind: "branch", op: "br_if", depth: this.#level - label.level });
  }

  /** Runs `body` for `local` = its present value, + step, … while it is below `end` (unsigned); the test comes first. */
  while(local: Local, end: number | Local, step: number, body: () => void): this {
    return this.block((out) => {
      this.loop((again) => {
        this.get(local);
        if (typeof end === "number") this.i32(end);
        else this.get(end);
        this.op("i32.ge_u").brIf(out);
        body();
        this.increase(local, step).br(again);
      });
    });
  }

  /** Like `while`, but the test comes last: the body runs at least once and `end` must be met exactly. */
  until(local: Local, end: number | Local, step: number, body: () => void): this {
    return this.loop((again) => {
      body();
      this.get(local).i32(step).op("i32.add").tee(local);
      if (typeof end === "number") this.i32(end);
      else this.get(end);
      this.op("i32.ne").brIf(again);
    });
  }

  finish(name: string, results: readonly ValueType[] = []): FunctionBody {
    invariant(this.#level === 0, `${name}: open block`);
    const constants = [...this.#pool.values()].flatMap(({ local, type, value: v }): Instruction[] => [
      { kind: "v128", type, lanes: [v, v, v, v] },
      { kind: "local", op: "local.set", local: local.index },
    ]);
    return { name, params: this.#params, results, locals: this.#locals, code: [...constants, ...this.#code] };
  }
}
