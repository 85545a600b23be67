/**
 * Python expressions with holes. A hole is a number, a flag or a pair of one place in the net; where two places have the same expression
 * but for the holes, they share one class, and holes that differ become arguments of its constructor (classes.ts).
 */
import { type Literal, literal } from "./python-text.ts";

/** What a hole is, for the names of arguments: channels that arrive, channels of a layer's result, anything else. */
export type Role = "in" | "out" | "setting";

export interface Hole {
  readonly kind: "hole";
  readonly value: Literal;
  readonly role: Role;
  /** "conv1_stride" when it becomes an argument and the spec has no name for it. */
  readonly name: string;
  /** The value that need not be written. */
  readonly standard?: Literal | undefined;
}

export interface Arg {
  /** Absent on positional arguments. */
  readonly name?: string;
  readonly value: Expr;
}

export interface CallExpr {
  readonly kind: "call";
  readonly callee: string;
  readonly args: readonly Arg[];
}

/** Anything else: text with expressions between. `loose` wants parentheses as an operand. */
export interface Text {
  readonly kind: "text";
  readonly parts: readonly (string | Expr)[];
  readonly loose: boolean;
}

/** nn.Sequential: numbered without gaps, or with names. */
export interface SequenceExpr {
  readonly kind: "sequence";
  readonly items: readonly { readonly part: string; readonly value: Expr }[];
}

export type Expr = Hole | CallExpr | Text | SequenceExpr;

export const hole = (value: Literal, name: string, role: Role = "setting", standard?: Literal): Hole => ({
  kind: "hole",
  value,
  name,
  role,
  standard,
});
export const call = (callee: string, ...args: readonly (Expr | Arg)[]): CallExpr => ({
  kind: "call",
  callee,
  args: args.map((a) => ("kind" in a ? { value: a } : a)),
});
export const named = (name: string, value: Expr): Arg => ({ name, value });
export const raw = (text: string): Text => ({ kind: "text", parts: [text], loose: false });
const template =
  (loose: boolean) =>
  (strings: TemplateStringsArray, ...values: readonly Expr[]): Text => ({
    kind: "text",
    parts: strings.flatMap((s, i) => (i < values.length ? [s, operand(values[i] as Expr)] : [s])),
    loose,
  });
/** An expression that binds as tightly as a call. */
export const tight = template(false);
/** Operators: takes parentheses where it becomes an operand. */
export const loose = template(true);

const operand = (e: Expr): Expr => (e.kind === "text" && e.loose ? { kind: "text", parts: ["(", e, ")"], loose: false } : e);

/** Every hole in the order of the text. */
export function holesOf(e: Expr): Hole[] {
  switch (e.kind) {
    case "hole":
      return [e];
    case "call":
      return e.args.flatMap((a) => holesOf(a.value));
    case "text":
      return e.parts.flatMap((p) => (typeof p === "string" ? [] : holesOf(p)));
    case "sequence":
      return e.items.flatMap((i) => holesOf(i.value));
  }
}

/** The text with every hole as its role: equal for places that can share a class. */
export const shapeOf = (e: Expr): string =>
  print(e, (h) => `<${h.role} ${h.standard === undefined ? "" : literal(h.standard)}>`, 0, Infinity);

/** What stands for a hole; undefined leaves the argument out. */
export type Fill = (hole: Hole) => string | undefined;

export const LINE = 110;

/** Python text; breaks calls over lines where a line that starts at column `at` would be longer than `width`. */
export function print(e: Expr, fill: Fill, at = 0, width = LINE): string {
  switch (e.kind) {
    case "hole":
      return fill(e) ?? literal(e.value);
    case "text":
      return e.parts.map((p) => (typeof p === "string" ? p : print(p, fill, at, width))).join("");
    case "call":
      return arranged(`${e.callee}(`, ")", argTexts(e, fill, at, width), at, width);
    case "sequence":
      return printSequence(e, fill, at, width);
  }
}

const isOmitted = (value: Expr, fill: Fill): boolean => value.kind === "hole" && fill(value) === undefined;

function argTexts(e: CallExpr, fill: Fill, at: number, width: number): string[] {
  return e.args
    .filter((a) => a.name === undefined || !isOmitted(a.value, fill))
    .map((a) => (a.name === undefined ? "" : `${a.name}=`) + print(a.value, fill, at + 4, width));
}

function arranged(open: string, close: string, args: readonly string[], at: number, width: number): string {
  const flat = `${open}${args.join(", ")}${close}`;
  if (args.length === 0 || (!flat.includes("\n") && at + flat.length <= width)) return flat;
  // one argument that is broken itself keeps its brackets on the line
  if (args.length === 1 && /^[\w.]*[([]/.test(args[0] as string)) return `${open}${(args[0] as string).replace(/\n {4}/g, "\n")}${close}`;
  const pad = " ".repeat(at + 4);
  return `${open}\n${args.map((a) => `${pad}${a},`).join("\n")}\n${" ".repeat(at)}${close}`;
}

function printSequence(e: SequenceExpr, fill: Fill, at: number, width: number): string {
  const isNumbered = e.items.every((item, i) => item.part === String(i));
  if (!isNumbered) {
    const pad = " ".repeat(at + 8);
    const rows = e.items.map(
      (item) => `${pad}(${literal(item.part)}, ${print(item.value, fill, at + 8, width - 2 - item.part.length - 4)}),`,
    );
    return `nn.Sequential(\n${" ".repeat(at + 4)}OrderedDict([\n${rows.join("\n")}\n${" ".repeat(at + 4)}])\n${" ".repeat(at)})`;
  }
  const texts = e.items.map((item) => print(item.value, fill, at + 4, width));
  const args: string[] = [];
  for (let i = 0; i < texts.length; ) {
    let end = i;
    while (end < texts.length && texts[end] === texts[i]) end++;
    const many = end - i;
    // two short layers in a row read better written out; blocks of a stage as what they are, a repetition
    if (many > 2 || (many === 2 && !(texts[i] as string).startsWith("nn."))) args.push(`*(${texts[i]} for _ in range(${many}))`);
    else args.push(...texts.slice(i, end));
    i = end;
  }
  return arranged("nn.Sequential(", ")", args, at, width);
}
