/** Spelling that the text forms of Graph and Program share: references, attributes, types, tensor lines; and the reader of one line. */
import { InternalError } from "../invariant.ts";
import type { Attrs, Value, Weight } from "./graph.ts";
import type { DType, TensorType } from "./type.ts";
import { shapeText } from "./type.ts";

const BARE = /^[\w./~+:@*-]+$/;

/** A path or name, in quotes if it holds anything but letters, digits and the usual separators. */
export const nameText = (name: string): string => (BARE.test(name) ? name : JSON.stringify(name));
export const typeText = (type: TensorType): string => `${type.dtype}${shapeText(type.shape)}`;

const valueText = (v: unknown): string => {
  if (Array.isArray(v)) return `[${v.map(valueText).join(", ")}]`;
  if (typeof v === "number" && !Number.isFinite(v)) return Number.isNaN(v) ? "nan" : v > 0 ? "inf" : "-inf";
  if (typeof v === "object" && v !== null) return attrsText(v as Attrs) || "{}";
  return JSON.stringify(v);
};

/** `{out=64, kernel=[3, 3], pad="half"}`; "" when nothing differs from `defaults`. */
export function attrsText(attrs: Attrs, defaults: Attrs = {}): string {
  const parts = Object.entries(attrs)
    .filter(([key, v]) => v !== undefined && !(key in defaults && valueText(v) === valueText(defaults[key])))
    .map(([key, v]) => `${key}=${valueText(v)}`);
  return parts.length ? `{${parts.join(", ")}}` : "";
}

/** `@layer1.0.conv1.weight` for a tensor, `%12` for any other value. */
export type Refer = (value: Value) => string;

export function referTo(weights: readonly Weight[]): Refer {
  const paths = new Map(weights.map((w) => [w.value, `@${nameText(w.path)}`]));
  return (value) => paths.get(value) ?? `%${value.id}`;
}

/** `tensor @bn1.scale : f32[64] = bn-scale(@bn1.running_var, @bn1.weight) {eps=0.00001}` */
export function weightText(weight: Weight, word: "tensor" | "source" = "tensor"): string {
  const { init } = weight;
  const start = ((): string => {
    switch (init.kind) {
      case "constant":
        return valueText(init.value);
      case "uniform":
        return `uniform(${init.bound})`;
      case "normal":
        return `normal(${init.std})`;
      case "derived":
        return [`${init.recipe}(${init.from.map((w) => `@${nameText(w.path)}`).join(", ")})`, attrsText(init.attrs)]
          .filter(Boolean)
          .join(" ");
    }
  })();
  const marks = [
    ...(weight.trainable || init.kind === "derived" ? [] : ["fixed"]),
    ...(weight.preserve ? [`preserve ${attrsText(weight.preserve)}`] : []),
    ...(weight.inserted ? [`inserted ${attrsText(weight.inserted)}`] : []),
  ];
  return [`${word} @${nameText(weight.path)} : ${typeText(weight.value.type)} = ${start}`, ...marks].join(", ");
}

/** Reads one line from left to right; every failure names line and column. */
export interface LineReader {
  /** The text that `pattern` (sticky) matches here, without the spaces around it; undefined if it does not. */
  accept(pattern: RegExp): string | undefined;
  /** The same for a fixed text. */
  has(text: string): boolean;
  expect(text: string): void;
  fail(what: string): never;
  atEnd(): boolean;
}

export function lineReader(line: string, lineNumber: number): LineReader {
  let at = 0;
  const skip = (): void => {
    while (line[at] === " ") at++;
  };
  const fail = (what: string): never => {
    throw new InternalError(`IR text, line ${lineNumber}, column ${at + 1}: expected ${what}\n  ${line}`);
  };
  skip();
  const has = (text: string): boolean => {
    if (!line.startsWith(text, at)) return false;
    at += text.length;
    skip();
    return true;
  };
  return {
    accept(pattern) {
      pattern.lastIndex = at;
      const found = pattern.exec(line)?.[0];
      if (found === undefined) return undefined;
      at += found.length;
      skip();
      return found;
    },
    has,
    expect(text) {
      if (!has(text)) fail(`\`${text}\``);
    },
    fail,
    atEnd: () => at >= line.length,
  };
}

export function readName(r: LineReader): string {
  const quoted = r.accept(/"(?:[^"\\]|\\.)*"/y);
  if (quoted !== undefined) return JSON.parse(quoted) as string;
  return r.accept(/[\w./~+:@*-]+/y) ?? r.fail("a name");
}

export function readId(r: LineReader): number {
  return Number((r.accept(/%\d+/y) ?? r.fail("a value such as %3")).slice(1));
}

export function readNumber(r: LineReader): number {
  if (r.has("inf")) return Number.POSITIVE_INFINITY;
  if (r.has("-inf")) return Number.NEGATIVE_INFINITY;
  if (r.has("nan")) return Number.NaN;
  return Number(r.accept(/-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y) ?? r.fail("a number"));
}

/** `item, item, ...` up to `close`, which is taken too. */
export function readList<T>(r: LineReader, close: string, item: () => T): T[] {
  const out: T[] = [];
  if (r.has(close)) return out;
  do out.push(item());
  while (r.has(","));
  r.expect(close);
  return out;
}

function readValue(r: LineReader): unknown {
  if (r.has("[")) return readList(r, "]", () => readValue(r));
  if (r.has("{")) return readFields(r);
  if (r.has("true")) return true;
  if (r.has("false")) return false;
  const quoted = r.accept(/"(?:[^"\\]|\\.)*"/y);
  return quoted === undefined ? readNumber(r) : JSON.parse(quoted);
}

const readFields = (r: LineReader): Record<string, unknown> =>
  Object.fromEntries(
    readList(r, "}", () => {
      const key = r.accept(/\w+/y) ?? r.fail("an attribute");
      r.expect("=");
      return [key, readValue(r)] as const;
    }),
  );

export const readAttrs = (r: LineReader): Record<string, unknown> => (r.has("{") ? readFields(r) : {});

export function readType(r: LineReader): TensorType {
  const dtype = (r.accept(/f32|f16|i32|i64|bool/y) ?? r.fail("a dtype")) as DType;
  r.expect("[");
  const shape = readList(r, "]", () => {
    const word = r.accept(/\w+/y) ?? r.fail("a size");
    return /^\d+$/.test(word) ? Number(word) : word;
  });
  return { dtype, shape };
}

/** Reads what `weightText` wrote, after the word `tensor`. `known` are the tensors of the lines before. */
export function readWeight(r: LineReader, known: ReadonlyMap<string, Weight>, id: number): Weight {
  const readPath = (): string => {
    r.expect("@");
    return readName(r);
  };
  const path = readPath();
  r.expect(":");
  const value = { id, type: readType(r), name: path };
  r.expect("=");
  const readInit = (): Weight["init"] => {
    const recipe = r.accept(/[a-z][\w-]*(?=\()/y);
    if (recipe === undefined) return { kind: "constant", value: readNumber(r) };
    r.expect("(");
    if (recipe === "uniform" || recipe === "normal") {
      const n = readNumber(r);
      r.expect(")");
      return recipe === "uniform" ? { kind: "uniform", bound: n } : { kind: "normal", std: n };
    }
    const from = readList(r, ")", () => known.get(readPath()) ?? r.fail("a tensor of a line before"));
    return { kind: "derived", recipe, from, attrs: readAttrs(r) };
  };
  const init = readInit();
  let weight: Weight = { value, path, trainable: init.kind !== "derived", init };
  while (r.has(",")) {
    if (r.has("fixed")) weight = { ...weight, trainable: false };
    else if (r.has("preserve")) weight = { ...weight, preserve: readAttrs(r) as unknown as NonNullable<Weight["preserve"]> };
    else if (r.has("inserted")) weight = { ...weight, inserted: readAttrs(r) as unknown as NonNullable<Weight["inserted"]> };
    else r.fail("fixed, preserve or inserted");
  }
  if (!r.atEnd()) r.fail("the end of the line");
  return weight;
}
