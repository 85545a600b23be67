/** Kernel expressions as infix text and back. f32 constants always have a point or an exponent, i32 constants never. */
import type { BinaryFn, Expr, UnaryFn } from "./kernel.ts";
import { type LineReader, readList } from "./text.ts";

/** How a buffer is spelt: `%3`, `@conv1.weight`; the second use of one value in one kernel is `%3'2`. */
export type BufferNames = readonly string[];

const INFIX: Readonly<Partial<Record<BinaryFn, readonly [symbol: string, level: number]>>> = {
  and: ["&&", 1],
  eq: ["==", 2],
  lt: ["<", 2],
  le: ["<=", 2],
  add: ["+", 3],
  sub: ["-", 3],
  mul: ["*", 4],
  div: ["/", 4],
  idiv: ["//", 4],
  imod: ["%", 4],
};
const LEVELS = 4;
const UNARY: ReadonlySet<string> = new Set<UnaryFn>(["neg", "abs", "exp", "log", "sqrt", "rsqrt", "tanh", "floor", "float", "int", "not"]);
const CALLED: ReadonlySet<string> = new Set<BinaryFn>(["min", "max", "pow"]);

/** The least finite f32, which a maximum starts from. */
const LOWEST = -3.4028234663852886e38;
const WORDS: ReadonlyMap<string, Expr> = new Map<string, Expr>([
  ["true", { kind: "const", type: "bool", value: 1 }],
  ["false", { kind: "const", type: "bool", value: 0 }],
  ["nan", { kind: "const", type: "f32", value: Number.NaN }],
  ["inf", { kind: "const", type: "f32", value: Number.POSITIVE_INFINITY }],
  ["-inf", { kind: "const", type: "f32", value: Number.NEGATIVE_INFINITY }],
  ["lowest", { kind: "const", type: "f32", value: LOWEST }],
  ["acc", { kind: "acc" }],
]);

function constantText(e: Expr & { kind: "const" }): string {
  if (e.type === "bool") return e.value ? "true" : "false";
  if (e.value === LOWEST && e.type === "f32") return "lowest";
  if (Number.isNaN(e.value)) return "nan";
  if (!Number.isFinite(e.value)) return e.value > 0 ? "inf" : "-inf";
  const text = Object.is(e.value, -0) ? "-0" : String(e.value);
  return e.type === "i32" || /[.e]/.test(text) ? text : `${text}.0`;
}

/** `level`: how tightly the surroundings bind; looser expressions get parentheses. 0 is a whole expression. */
export function exprText(e: Expr, buffers: BufferNames, level = 0): string {
  switch (e.kind) {
    case "const":
      return constantText(e);
    case "index":
      return e.name;
    case "acc":
      return "acc";
    case "load":
      return `${buffers[e.buffer] ?? `?${e.buffer}`}[${e.at.map((c) => exprText(c, buffers)).join(", ")}]`;
    case "unary":
      return `${e.fn}(${exprText(e.x, buffers)})`;
    case "select": {
      const text = `${exprText(e.cond, buffers, 1)} ? ${exprText(e.yes, buffers, 1)} : ${exprText(e.no, buffers, 0)}`;
      return level > 0 ? `(${text})` : text;
    }
    case "binary": {
      const infix = INFIX[e.fn];
      if (!infix) return `${e.fn}(${exprText(e.a, buffers)}, ${exprText(e.b, buffers)})`;
      const [symbol, own] = infix;
      const text = `${exprText(e.a, buffers, own)} ${symbol} ${exprText(e.b, buffers, own + 1)}`;
      return own < level ? `(${text})` : text;
    }
  }
}

/** Reads what `exprText` wrote. `buffer` resolves a buffer's spelling to its index. */
export function readExpr(r: LineReader, buffer: (name: string) => number | undefined): Expr {
  const whole = (): Expr => {
    const cond = infix(1);
    if (!r.has("?")) return cond;
    const yes = infix(1);
    r.expect(":");
    return { kind: "select", cond, yes, no: whole() };
  };
  const infix = (level: number): Expr => {
    if (level > LEVELS) return primary();
    let left = infix(level + 1);
    for (;;) {
      // longest first; a `%` before a digit is a value and cannot stand here
      const symbol = r.accept(level === 1 ? /&&/y : level === 2 ? /==|<=|</y : level === 3 ? /[+-]/y : /\*|\/\/|\/|%/y);
      if (symbol === undefined) return left;
      const fn = (Object.keys(INFIX) as BinaryFn[]).find((f) => INFIX[f]?.[0] === symbol)!;
      left = { kind: "binary", fn, a: left, b: infix(level + 1) };
    }
  };
  const primary = (): Expr => {
    if (r.has("(")) {
      const inner = whole();
      r.expect(")");
      return inner;
    }
    const reference = r.accept(/(?:%\d+|@(?:"(?:[^"\\]|\\.)*"|[\w./~+:@*-]+))(?:'\d+)?/y);
    if (reference !== undefined) {
      const index = buffer(reference) ?? r.fail(`a buffer of this kernel, not ${reference}`);
      r.expect("[");
      return { kind: "load", buffer: index, at: readList(r, "]", whole) };
    }
    const special = WORDS.get(r.accept(/(?:-?inf|nan|true|false|lowest|acc)\b/y) ?? "");
    if (special) return special;
    const digits = r.accept(/-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y);
    if (digits !== undefined) return { kind: "const", type: /[.eE]/.test(digits) ? "f32" : "i32", value: Number(digits) };
    const word = r.accept(/[A-Za-z_]\w*/y) ?? r.fail("an expression");
    if (!r.has("(")) return { kind: "index", name: word };
    const args = readList(r, ")", whole);
    const [a, b] = args;
    if (UNARY.has(word) && a && args.length === 1) return { kind: "unary", fn: word as UnaryFn, x: a };
    if (CALLED.has(word) && a && b && args.length === 2) return { kind: "binary", fn: word as BinaryFn, a, b };
    return r.fail(`a function with ${args.length} arguments, not ${word}`);
  };
  return whole();
}
