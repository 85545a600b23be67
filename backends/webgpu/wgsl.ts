/**
 * Expr -> WGSL, one printer for bodies and epilogues. In a wide scope one axis ("c") is walked four channels at a time and values are
 * vec4<f32>; otherwise everything is scalar. Sub-expressions that occur more than once become `let`s.
 */
import { invariant, must } from "../../compiler/invariant.ts";
import { typeOf as scalarType } from "../../compiler/ir/expr.ts";
import type { BinaryFn, Expr, UnaryFn } from "../../compiler/ir/kernel.ts";
import { f32Literal } from "../module/text.ts";
import { inQuads, type Layout } from "./layout.ts";

/** A buffer as a shader binds it: `array<f32>` or `array<vec4<f32>>`, f16 with `half`. */
export interface Operand {
  readonly name: string;
  readonly quads: boolean;
  readonly half: boolean;
  readonly sizes: readonly number[];
  readonly layout: Layout;
}

export interface Scope {
  /** By the kernel's buffer index. */
  readonly operands: ReadonlyMap<number, Operand>;
  /** Text of an axis, i32. The wide axis gives its first channel. */
  readonly axis: (name: string) => string;
  readonly wide?: {
    readonly axis: string;
    /** Text of axis / 4. */
    readonly quad: string;
    readonly size: number;
  };
  /** What `acc` prints as; as wide as the scope. */
  readonly acc?: string;
  /** Text of n * H * W + y * W + x and the [h, w] it holds for: addresses of whole maps of that size need no n, y, x. */
  readonly pixel?: { readonly text: string; readonly map: readonly [h: number, w: number] };
  /** Prefix of `let` names, so that two prints can share a block. */
  readonly prefix: string;
}

export interface Printed {
  /** Statements to stand before the first use of `text`. */
  readonly lets: readonly string[];
  readonly text: string;
  readonly wide: boolean;
}

const LARGEST = 3.4028234663852886e38;

export const floatText = (value: number): string => {
  // WGSL has no infinities; the largest finite number serves reductions by max. Its shortest decimal is above it, which Tint refuses
  if (Math.abs(Math.fround(value)) >= LARGEST) return `${value < 0 ? "-" : ""}${LARGEST}f`;
  return `${f32Literal(value)}f`;
};

const OPERATOR: Partial<Record<BinaryFn, string>> = {
  add: "+",
  sub: "-",
  mul: "*",
  div: "/",
  idiv: "/",
  imod: "%",
  lt: "<",
  le: "<=",
  eq: "==",
};
const UNARY: Record<Exclude<UnaryFn, "neg" | "not" | "float" | "int" | "tanh" | "exp">, string> = {
  abs: "abs",
  log: "log",
  sqrt: "sqrt",
  rsqrt: "inverseSqrt",
  floor: "floor",
};

const parenthesised = (text: string): string => (/^[\w.]+$/.test(text) || /^\w+\([^()]*\)$/.test(text) ? text : `(${text})`);

/** c, c + 4k, c - 4k as a number of quads off the wide axis; undefined for anything else. */
function quadOffset(e: Expr, axis: string): number | undefined {
  if (e.kind === "index") return e.name === axis ? 0 : undefined;
  if (e.kind !== "binary" || (e.fn !== "add" && e.fn !== "sub")) return undefined;
  const [base, by] = e.a.kind === "const" && e.fn === "add" ? [e.b, e.a] : [e.a, e.b];
  if (base.kind !== "index" || base.name !== axis || by.kind !== "const" || by.value % 4 !== 0) return undefined;
  return (e.fn === "add" ? by.value : -by.value) / 4;
}

export function dependsOn(e: Expr, axis: string): boolean {
  switch (e.kind) {
    case "const":
    case "acc":
      return false;
    case "index":
      return e.name === axis;
    case "load":
      return e.at.some((c) => dependsOn(c, axis));
    case "unary":
      return dependsOn(e.x, axis);
    case "binary":
      return dependsOn(e.a, axis) || dependsOn(e.b, axis);
    case "select":
      return dependsOn(e.cond, axis) || dependsOn(e.yes, axis) || dependsOn(e.no, axis);
  }
}

/** How a load looks from the wide axis: one scalar for all lanes, four consecutive elements, or neither. */
export function loadForm(e: Extract<Expr, { kind: "load" }>, layout: Layout, axis: string): "uniform" | "quad" | "gather" {
  const dependent = e.at.map((c) => dependsOn(c, axis));
  if (!dependent.includes(true)) return "uniform";
  const onlyUnit = dependent.every((d, i) => d === (i === layout.unit));
  if (onlyUnit && inQuads(layout) && layout.lanes % 4 === 0 && quadOffset(e.at[layout.unit] as Expr, axis) !== undefined) return "quad";
  return "gather";
}

/** Structural identity: equal expressions get one id, whoever built them. */
function interner(): (e: Expr) => number {
  const ids = new Map<string, number>();
  const known = new WeakMap<Expr, number>();
  const id = (e: Expr): number => {
    const before = known.get(e);
    if (before !== undefined) return before;
    const key = (() => {
      switch (e.kind) {
        case "const":
          return `${e.type} ${Object.is(e.value, -0) ? "-0" : e.value}`;
        case "index":
          return `index ${e.name}`;
        case "acc":
          return "acc";
        case "load":
          return `load ${e.buffer} ${e.at.map(id).join(" ")}`;
        case "unary":
          return `${e.fn} ${id(e.x)}`;
        case "binary":
          return `${e.fn} ${id(e.a)} ${id(e.b)}`;
        case "select":
          return `select ${id(e.cond)} ${id(e.yes)} ${id(e.no)}`;
      }
    })();
    let n = ids.get(key);
    if (n === undefined) {
      n = ids.size;
      ids.set(key, n);
    }
    known.set(e, n);
    return n;
  };
  return id;
}

interface Part {
  readonly text: string;
  readonly wide: boolean;
}

/** `a + b` of the address terms that are not 0. */
export function sum(terms: readonly (readonly [factor: number, text: string])[], base: number): string {
  const parts = terms.filter(([f, t]) => f !== 0 && t !== "0").map(([f, t]) => (f === 1 ? t : `${parenthesised(t)} * ${f}`));
  if (parts.length === 0) return String(base);
  if (base > 0) parts.push(String(base));
  return base < 0 ? `${parts.join(" + ")} - ${-base}` : parts.join(" + ");
}

/** Reads one element at a scalar address. A component of a vec4 array is read through its vector. */
export function readElement(o: Operand, address: string): string {
  const raw = o.quads ? `${o.name}[${parenthesised(address)} / 4][${parenthesised(address)} % 4]` : `${o.name}[${address}]`;
  return o.half ? `f32(${raw})` : raw;
}

/** Reads four elements; `address` counts quads. */
export function readQuad(o: Operand, address: string): string {
  const at = (k: number) => `${o.name}[${parenthesised(address)} * 4 + ${k}]`;
  if (!o.quads) return `vec4f(${[0, 1, 2, 3].map((k) => (o.half ? `f32(${at(k)})` : at(k))).join(", ")})`;
  return o.half ? `vec4f(${o.name}[${address}])` : `${o.name}[${address}]`;
}

/** Prints expressions of one block; they share `let`s. */
export function printExprs(exprs: readonly Expr[], scope: Scope): { readonly lets: readonly string[]; readonly parts: readonly Part[] } {
  const id = interner();
  const uses = new Map<number, number>();
  const guarded = new Set<number>();
  const count = (e: Expr, underSelect: boolean): void => {
    const n = id(e);
    const before = uses.get(n) ?? 0;
    uses.set(n, before + 1);
    const news = underSelect && !guarded.has(n);
    if (underSelect) guarded.add(n);
    if (before > 0 && !news) return;
    if (e.kind === "load") for (const c of e.at) count(c, underSelect);
    else if (e.kind === "unary") count(e.x, underSelect);
    else if (e.kind === "binary") {
      count(e.a, underSelect);
      count(e.b, underSelect);
    } else if (e.kind === "select") {
      count(e.cond, underSelect);
      count(e.yes, true);
      count(e.no, true);
    }
  };
  for (const e of exprs) count(e, false);

  const lets: string[] = [];
  const done = new Map<number, Part>();
  const wideAxis = scope.wide?.axis;

  const splat = (p: Part, vector = "vec4f"): string => (p.wide ? p.text : `${vector}(${p.text})`);

  const address = (e: Extract<Expr, { kind: "load" }>, o: Operand, lane: number | undefined): string => {
    const clamped = guarded.has(id(e));
    const { strides, base, unit } = o.layout;
    const pixel = scope.pixel;
    const quads = lane === undefined && wideAxis !== undefined && loadForm(e, o.layout, wideAxis) === "quad";
    const scale = quads ? 4 : 1;
    const terms: [number, string][] = [];
    const whole =
      pixel !== undefined &&
      unit === 1 &&
      e.at.length === 4 &&
      base === 0 &&
      o.sizes[2] === pixel.map[0] &&
      o.sizes[3] === pixel.map[1] &&
      ["n", "", "y", "x"].every((name, i) => i === 1 || (e.at[i]?.kind === "index" && (e.at[i] as { name: string }).name === name));
    e.at.forEach((c, i) => {
      if (whole && i !== 1) {
        if (i === 3) terms.push([(strides[3] as number) / scale, pixel.text]);
        return;
      }
      const limit = o.sizes[i] as number;
      if (quads && i === unit) {
        const offset = must(quadOffset(c, wideAxis as string), "quad offset");
        const quad = must(scope.wide, "wide axis").quad;
        const text = sum([[1, quad]], offset);
        terms.push([1, clamped && offset !== 0 ? `clamp(${text}, 0, ${Math.ceil(limit / 4) - 1})` : text]);
        return;
      }
      const text = lane === undefined ? emit(c).text : emitLane(c, lane);
      const safe = c.kind === "index" || c.kind === "const";
      terms.push([(strides[i] as number) / scale, clamped && !safe ? `clamp(${text}, 0, ${limit - 1})` : text]);
    });
    return sum(terms, base / scale);
  };

  const emitLane = (e: Expr, lane: number): string => {
    const wide = must(scope.wide, "wide axis");
    const { wide: _wide, ...narrow } = scope;
    const axis = (name: string): string =>
      name === wide.axis
        ? wide.size % 4 === 0
          ? `(${scope.axis(name)} + ${lane})`
          : `min(${scope.axis(name)} + ${lane}, ${wide.size - 1})`
        : scope.axis(name);
    const printed = printExprs([e], { ...narrow, axis, prefix: `${scope.prefix}${lets.length}l${lane}_` });
    lets.push(...printed.lets);
    return must(printed.parts[0], "lane").text;
  };

  const unary = (fn: UnaryFn, x: Part): string => {
    switch (fn) {
      case "neg":
        return `-${parenthesised(x.text)}`;
      case "not":
        return `!${parenthesised(x.text)}`;
      case "float":
        return x.wide ? `vec4f(${x.text})` : `f32(${x.text})`;
      case "int":
        return x.wide ? `vec4i(${x.text})` : `i32(${x.text})`;
      // e^88 is the last finite one; a sigmoid of it is 0 to 38 digits, and infinities are not portable
      case "exp":
        return x.wide ? `exp(min(${x.text}, vec4f(88.0f)))` : `exp(min(${x.text}, 88.0f))`;
      // the built-in gives NaN for large arguments on some devices; beyond 10 the result is 1 in f32
      case "tanh":
        return x.wide
          ? `(1.0f - 2.0f / (1.0f + exp(2.0f * clamp(${x.text}, vec4f(-10.0f), vec4f(10.0f)))))`
          : `(1.0f - 2.0f / (1.0f + exp(2.0f * clamp(${x.text}, -10.0f, 10.0f))))`;
      default:
        return `${UNARY[fn]}(${x.text})`;
    }
  };

  const make = (e: Expr): Part => {
    switch (e.kind) {
      case "const":
        return {
          text: e.type === "f32" ? floatText(e.value) : e.type === "i32" ? String(e.value) : e.value ? "true" : "false",
          wide: false,
        };
      case "index": {
        if (e.name !== wideAxis) return { text: scope.axis(e.name), wide: false };
        return { text: `(vec4i(${scope.axis(e.name)}) + vec4i(0, 1, 2, 3))`, wide: true };
      }
      case "acc":
        return { text: must(scope.acc, "acc outside of a reduction"), wide: scope.wide !== undefined };
      case "load": {
        const o = must(scope.operands.get(e.buffer), `operand ${e.buffer}`);
        const form = wideAxis === undefined ? "uniform" : loadForm(e, o.layout, wideAxis);
        if (form === "uniform") return { text: readElement(o, address(e, o, undefined)), wide: false };
        if (form === "quad") return { text: readQuad(o, address(e, o, undefined)), wide: true };
        return { text: `vec4f(${[0, 1, 2, 3].map((lane) => readElement(o, address(e, o, lane))).join(", ")})`, wide: true };
      }
      case "unary": {
        const x = emit(e.x);
        return { text: unary(e.fn, x), wide: x.wide };
      }
      case "binary": {
        const a = emit(e.a);
        const b = emit(e.b);
        const wide = a.wide || b.wide;
        if (e.fn === "and")
          return { text: wide ? `(${splat(a, "vec4<bool>")} & ${splat(b, "vec4<bool>")})` : `(${a.text} && ${b.text})`, wide };
        const floats = scalarType(e.a) === "f32";
        const vector = floats ? "vec4f" : "vec4i";
        const mixed = wide && a.wide !== b.wide;
        const compares = e.fn === "lt" || e.fn === "le" || e.fn === "eq";
        if (e.fn === "min" || e.fn === "max" || e.fn === "pow") {
          const [x, y] = wide ? [splat(a, vector), splat(b, vector)] : [a.text, b.text];
          return { text: `${e.fn}(${x}, ${y})`, wide };
        }
        const [x, y] = mixed && (compares || !floats) ? [splat(a, vector), splat(b, vector)] : [a.text, b.text];
        return { text: `(${x} ${must(OPERATOR[e.fn], e.fn)} ${y})`, wide };
      }
      case "select": {
        const cond = emit(e.cond);
        const yes = emit(e.yes);
        const no = emit(e.no);
        const wide = cond.wide || yes.wide || no.wide;
        const vector = scalarType(e.yes) === "f32" ? "vec4f" : "vec4i";
        const [y, n] = wide ? [splat(yes, vector), splat(no, vector)] : [yes.text, no.text];
        return { text: `select(${n}, ${y}, ${cond.text})`, wide };
      }
    }
  };

  const emit = (e: Expr): Part => {
    const n = id(e);
    const before = done.get(n);
    if (before) return before;
    let part = make(e);
    const leaf = e.kind === "const" || e.kind === "acc" || (e.kind === "index" && e.name !== wideAxis);
    if (!leaf && (uses.get(n) ?? 0) > 1) {
      const name = `${scope.prefix}${lets.length}`;
      lets.push(`let ${name} = ${part.text};`);
      part = { text: name, wide: part.wide };
    }
    done.set(n, part);
    return part;
  };

  const parts = exprs.map((e) => {
    const part = emit(e);
    return { text: stripped(part.text), wide: part.wide };
  });
  return { lets, parts };
}

/** Without the outermost parentheses when they enclose the whole. */
function stripped(text: string): string {
  if (!text.startsWith("(") || !text.endsWith(")")) return text;
  let depth = 0;
  for (let i = 0; i < text.length - 1; i++) {
    depth += text[i] === "(" ? 1 : text[i] === ")" ? -1 : 0;
    if (depth === 0) return text;
  }
  return text.slice(1, -1);
}

/** One expression as a value of the scope's width (vec4f in a wide scope). */
export function printExpr(e: Expr, scope: Scope): Printed {
  const { lets, parts } = printExprs([e], scope);
  const part = must(parts[0], "expression");
  invariant(scope.wide !== undefined || !part.wide, "wide value in a scalar scope");
  return { lets, text: scope.wide && !part.wide ? `vec4f(${part.text})` : part.text, wide: scope.wide !== undefined };
}
