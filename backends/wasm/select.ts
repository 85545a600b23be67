/**
 * Instruction selection: any kernel expression. f32 values are always four lanes (a scalar walk fills all with one number); integers and
 * conditions on them are plain i32, so that a `select` on them is a branch and the arm not taken loads nothing.
 */
import { invariant, must } from "../../compiler/invariant.ts";
import { int, rewrite, typeOf } from "../../compiler/ir/expr.ts";
import type { BinaryFn, Expr, UnaryFn } from "../../compiler/ir/kernel.ts";
import type { Layout } from "./addressing.ts";
import { dependsOn, isUniform, type Linear, type Load, linearise, loadForm } from "./expr-forms.ts";
import type { FunctionWriter, Local } from "./function-writer.ts";
import type { PlainOp } from "./opcodes.ts";
import { emitExp, emitLog, emitPow, emitTanh } from "./vector-math.ts";

export interface Operand {
  /** First byte. */
  readonly address: Local;
  readonly layout: Layout;
}

export interface Scope {
  /** By the kernel's buffer index. */
  readonly operands: ReadonlyMap<number, Operand>;
  readonly axes: ReadonlyMap<string, Local>;
  /** The axis walked four elements at a time. */
  readonly wide?: { readonly axis: string; readonly size: number };
  /** The element of that axis at which the vector starts, where it is known: gathered lanes then have constant distances. */
  readonly wideAt?: number;
  readonly acc?: Local;
}

const INTEGER: Readonly<Partial<Record<BinaryFn, PlainOp>>> = {
  add: "i32.add",
  sub: "i32.sub",
  mul: "i32.mul",
  idiv: "i32.div_s",
  imod: "i32.rem_s",
  lt: "i32.lt_s",
  le: "i32.le_s",
  eq: "i32.eq",
};
const FLOAT: Readonly<Partial<Record<BinaryFn, PlainOp>>> = {
  add: "f32x4.add",
  sub: "f32x4.sub",
  mul: "f32x4.mul",
  div: "f32x4.div",
  // these keep what is not a number, as Math.min and Math.max do
  min: "f32x4.min",
  max: "f32x4.max",
  lt: "f32x4.lt",
  le: "f32x4.le",
  eq: "f32x4.eq",
};
const FLOAT_UNARY: Readonly<Partial<Record<UnaryFn, PlainOp>>> = {
  neg: "f32x4.neg",
  abs: "f32x4.abs",
  sqrt: "f32x4.sqrt",
  floor: "f32x4.floor",
};

/** Writes expressions of one place of a function. Equal parts are computed once, as far as branches allow. */
export class Selector {
  readonly #f: FunctionWriter;
  readonly #scope: Scope;
  readonly #uses = new Map<string, number>();
  readonly #keys = new Map<Expr, string>();
  readonly #ids = new Map<string, string>();
  #kept = new Map<string, Local>();
  #lane: number | undefined;

  constructor(f: FunctionWriter, scope: Scope) {
    this.#f = f;
    this.#scope = scope;
  }

  /** Structural identity: equal expressions have equal keys, whose length does not grow with them. */
  #key(e: Expr): string {
    const known = this.#keys.get(e);
    if (known !== undefined) return known;
    const text = ((): string => {
      switch (e.kind) {
        case "const":
          return `${e.type} ${Object.is(e.value, -0) ? "-0" : e.value}`;
        case "index":
          return `index ${e.name}`;
        case "acc":
          return "acc";
        case "load":
          return `load ${e.buffer} ${e.at.map((c) => this.#key(c)).join(" ")}`;
        case "unary":
          return `${e.fn} ${this.#key(e.x)}`;
        case "binary":
          return `${e.fn} ${this.#key(e.a)} ${this.#key(e.b)}`;
        case "select":
          return `select ${this.#key(e.cond)} ${this.#key(e.yes)} ${this.#key(e.no)}`;
      }
    })();
    let id = this.#ids.get(text);
    if (id === undefined) {
      id = `#${this.#ids.size}`;
      this.#ids.set(text, id);
    }
    this.#keys.set(e, id);
    return id;
  }

  #count(e: Expr): void {
    const key = this.#key(e);
    const seen = this.#uses.get(key) ?? 0;
    this.#uses.set(key, seen + 1);
    if (seen > 0) return;
    if (e.kind === "unary") this.#count(e.x);
    else if (e.kind === "binary") {
      this.#count(e.a);
      this.#count(e.b);
    } else if (e.kind === "select") {
      this.#count(e.cond);
      this.#count(e.yes);
      this.#count(e.no);
    }
  }

  /** Puts four lanes on the stack. */
  value(e: Expr): void {
    this.#count(e);
    this.#value(e);
    this.#f.release(...this.#kept.values());
    this.#kept.clear();
  }

  #value(e: Expr): void {
    const leaf = e.kind === "const" || e.kind === "acc";
    const key = this.#key(e);
    const known = leaf ? undefined : this.#kept.get(key);
    if (known) {
      this.#f.get(known);
      return;
    }
    this.#make(e);
    if (leaf || (this.#uses.get(key) ?? 0) < 2) return;
    const local = this.#f.local("v128");
    this.#kept.set(key, local);
    this.#f.tee(local);
  }

  #make(e: Expr): void {
    const f = this.#f;
    switch (e.kind) {
      case "const":
        if (e.type === "bool") f.i32x4(e.value ? -1 : 0);
        else f.f32x4(e.value);
        return;
      case "acc":
        f.get(must(this.#scope.acc, "acc outside of a reduction"));
        return;
      case "load":
        this.#load(e);
        return;
      case "index":
        invariant(false, `axis ${e.name} as a value`);
        return;
      case "unary":
        this.#unary(e.fn, e.x);
        return;
      case "binary":
        if (isUniform(e) && typeOf(e) === "bool") {
          this.integer(e);
          f.i32(-1).op("i32.mul").op("i32x4.splat");
          return;
        }
        this.#value(e.a);
        this.#value(e.b);
        if (e.fn === "pow") emitPow(f);
        else f.op(e.fn === "and" ? "v128.and" : must(FLOAT[e.fn], e.fn));
        return;
      case "select":
        if (!isUniform(e.cond)) {
          this.#value(e.yes);
          this.#value(e.no);
          this.#value(e.cond);
          f.op("v128.bitselect");
          return;
        }
        this.integer(e.cond);
        f.if(
          () => this.#arm(e.yes),
          () => this.#arm(e.no),
          "v128",
        );
        return;
    }
  }

  /** What an arm computes is not there outside of it. */
  #arm(e: Expr): void {
    const before = new Map(this.#kept);
    this.#value(e);
    for (const [key, local] of this.#kept) if (!before.has(key)) this.#f.release(local);
    this.#kept = before;
  }

  #unary(fn: UnaryFn, x: Expr): void {
    const f = this.#f;
    if (fn === "float") {
      this.integer(x);
      f.op("f32.convert_i32_s").op("f32x4.splat");
      return;
    }
    if (fn === "rsqrt") {
      f.f32x4(1);
      this.#value(x);
      f.op("f32x4.sqrt").op("f32x4.div");
      return;
    }
    this.#value(x);
    if (fn === "exp") emitExp(f);
    else if (fn === "log") emitLog(f);
    else if (fn === "tanh") emitTanh(f);
    else f.op(fn === "not" ? "v128.not" : must(FLOAT_UNARY[fn], fn));
  }

  /** Puts an i32 on the stack: a number, or a condition as 0 or 1. */
  integer(e: Expr): void {
    const f = this.#f;
    switch (e.kind) {
      case "const":
        f.i32(e.value);
        return;
      case "index":
        this.#axis(e.name);
        return;
      case "unary":
        if (e.fn === "not") {
          this.integer(e.x);
          f.op("i32.eqz");
        } else if (e.fn === "neg") {
          f.i32(0);
          this.integer(e.x);
          f.op("i32.sub");
        } else {
          invariant(e.fn === "int", `${e.fn} of an integer`);
          this.#value(e.x);
          f.lane("f32x4.extract_lane", 0).op("i32.trunc_sat_f32_s");
        }
        return;
      case "binary": {
        if (e.fn === "min" || e.fn === "max") {
          // select(a, b, a < b)
          this.integer(e.a);
          this.integer(e.b);
          this.integer(e.a);
          this.integer(e.b);
          f.op(e.fn === "min" ? "i32.lt_s" : "i32.gt_s").op("select");
          return;
        }
        if (e.fn === "and") {
          this.integer(e.a);
          this.integer(e.b);
          f.op("i32.and");
          return;
        }
        this.integer(e.a);
        this.integer(e.b);
        f.op(must(INTEGER[e.fn], e.fn));
        return;
      }
      case "select":
        this.integer(e.yes);
        this.integer(e.no);
        this.integer(e.cond);
        f.op("select");
        return;
      default:
        invariant(false, `${e.kind} as an integer`);
    }
  }

  /** An axis; in one lane of a gather, the wide axis is that lane's. */
  #axis(name: string): void {
    const f = this.#f;
    f.get(must(this.#scope.axes.get(name), `axis ${name}`));
    const wide = this.#scope.wide;
    if (wide?.axis !== name || this.#lane === undefined) return;
    f.i32(this.#lane).op("i32.add");
    if (wide.size % 4 === 0) return;
    // beyond the last element: the last one, which is there
    const at = f.local("i32");
    f.tee(at)
      .i32(wide.size - 1)
      .get(at)
      .i32(wide.size)
      .op("i32.lt_s")
      .op("select");
    f.release(at);
  }

  /** Puts the byte address of an element on the stack and returns what to add to it. */
  address({ address, layout }: Operand, at: readonly Expr[]): number {
    const f = this.#f;
    const sum: Linear = { axes: new Map(), rest: [], constant: layout.base };
    at.forEach((c, i) => {
      if (layout.sizes[i] !== 1) linearise(c, must(layout.strides[i], "stride"), sum);
    });
    const wide = this.#scope.wide;
    const late = sum.constant >= 0 && [...sum.axes.values()].every((k) => k >= 0) && sum.rest.every((r) => r.factor >= 0);
    f.get(address);
    for (const [name, factor] of sum.axes) {
      if (factor === 0) continue;
      if (wide && name === wide.axis) this.#axis(name);
      else f.get(must(this.#scope.axes.get(name), `axis ${name}`));
      f.i32(factor * 4)
        .op("i32.mul")
        .op("i32.add");
    }
    for (const { factor, e } of sum.rest) {
      this.integer(e);
      f.i32(factor * 4)
        .op("i32.mul")
        .op("i32.add");
    }
    if (late) return sum.constant * 4;
    f.i32(sum.constant * 4).op("i32.add");
    return 0;
  }

  /** A gather whose elements are known: one load where they are neighbours, else a lane after the other. */
  #loadKnown(e: Load, operand: Operand, start: number): void {
    const f = this.#f;
    const { axis, size } = must(this.#scope.wide, "wide axis");
    const { layout } = operand;
    // beyond the last element: the last one, which is there
    const lanes = [0, 1, 2, 3].map((lane) => {
      const at = Math.min(start + lane, size - 1);
      return e.at.map((c) => rewrite(c, (part) => (part.kind === "index" && part.name === axis ? int(at) : undefined)));
    });
    const units = lanes.map((at) => at[layout.unit] as Expr);
    const [first] = units;
    const others = e.at.every((c, i) => i === layout.unit || layout.sizes[i] === 1 || !dependsOn(c, axis));
    const neighbours =
      others &&
      first?.kind === "const" &&
      first.value + 4 <= layout.lanes &&
      units.every((u, l) => u.kind === "const" && u.value === first.value + l);
    if (neighbours) {
      f.memory("v128.load", this.address(operand, lanes[0] as Expr[]));
      return;
    }
    const gathered = f.local("v128");
    lanes.forEach((at, lane) => {
      const offset = this.address(operand, at);
      if (lane === 0) f.memory("v128.load32_splat", offset).set(gathered);
      else f.get(gathered).laneMemory("v128.load32_lane", offset, lane).set(gathered);
    });
    f.get(gathered);
    f.release(gathered);
  }

  #load(e: Load): void {
    const f = this.#f;
    const operand = must(this.#scope.operands.get(e.buffer), `operand ${e.buffer}`);
    const { wide } = this.#scope;
    const form = wide ? loadForm(e, operand.layout, wide.axis) : "uniform";
    if (form !== "gather") {
      const offset = this.address(operand, e.at);
      f.memory(form === "quad" ? "v128.load" : "v128.load32_splat", offset);
      return;
    }
    if (this.#scope.wideAt !== undefined) {
      this.#loadKnown(e, operand, this.#scope.wideAt);
      return;
    }
    const gathered = f.local("v128");
    for (let lane = 0; lane < 4; lane++) {
      this.#lane = lane;
      const offset = this.address(operand, e.at);
      if (lane === 0) f.memory("v128.load32_splat", offset).set(gathered);
      else f.get(gathered).laneMemory("v128.load32_lane", offset, lane).set(gathered);
    }
    this.#lane = undefined;
    f.get(gathered);
    f.release(gathered);
  }
}
