/** The expression language (language.md section 5): numbers, booleans, strings, lists, and the sizes of values that arrive. */
import type { Extra, Message } from "../diagnostics/diagnostic.ts";
import { messages } from "../diagnostics/messages.gen.ts";
import { nearest } from "../diagnostics/suggest.ts";
import type { TensorType } from "../ir/type.ts";
import { shapeText } from "../ir/type.ts";
import type { Span } from "../source.ts";
import type { Expr } from "../syntax/ast.ts";
import { applyFunction, functionNames, isFunctionName } from "./evaluate-functions.ts";
import type { Scope, SpecValue } from "./scope.ts";

/** What an expression sees. Sizes: undefined is unknown after an error, null means there is no such value here. */
export interface Env {
  readonly scope: Scope;
  readonly arriving: TensorType | undefined | null;
  readonly here: TensorType | undefined | null;
  readonly report: (message: Message, place: Span, extra?: Extra) => void;
}

/** Elements of all lists inside one list; nested lists could otherwise double with every parameter. */
const LIST_LIMIT = 100_000;

export const isList = (v: SpecValue): v is readonly SpecValue[] => Array.isArray(v);

/** The way messages print a value. */
export function valueText(v: SpecValue): string {
  if (isList(v)) return `[${v.map(valueText).join(", ")}]`;
  return typeof v === "string" ? JSON.stringify(v) : String(v);
}

export function kindText(v: SpecValue): string {
  if (isList(v)) return v.length > 8 ? `a list of ${v.length}` : `the list ${valueText(v)}`;
  return typeof v === "string" ? `the string ${valueText(v)}` : valueText(v);
}

export function sameValue(a: SpecValue, b: SpecValue): boolean {
  if (a === b) return true;
  return isList(a) && isList(b) && a.length === b.length && a.every((v, i) => sameValue(v, b[i] as SpecValue));
}

function elements(list: readonly SpecValue[]): number {
  let n = 0;
  for (const v of list) {
    n += isList(v) ? elements(v) : 1;
    if (n > LIST_LIMIT) return n;
  }
  return n;
}

/** The value, or undefined after an error that was reported here or before. */
export function evaluate(expr: Expr, env: Env): SpecValue | undefined {
  switch (expr.kind) {
    case "number":
    case "string":
    case "boolean":
      return expr.value;
    case "list": {
      const items = expr.items.map((e) => evaluate(e, env));
      if (items.some((v) => v === undefined)) return undefined;
      const list = items as SpecValue[];
      if (elements(list) <= LIST_LIMIT) return list;
      env.report(messages.SE010.list({ limit: LIST_LIMIT }), expr.span);
      return undefined;
    }
    case "name":
      return nameValue(expr, env);
    case "in":
    case "here":
      env.report(messages.SE101.tensor({ name: expr.kind }), expr.span);
      return undefined;
    case "member":
      return sizeValue(expr, env);
    case "index":
      return indexValue(expr, env);
    case "apply": {
      const args = expr.args.map((e) => evaluate(e, env));
      const name = expr.fn.text;
      if (!isFunctionName(name)) {
        reportUnknown(env, name, expr.fn.span, functionNames, messages.SE101.fn({ name }));
        return undefined;
      }
      if (args.some((v) => v === undefined)) return undefined;
      const result = applyFunction(name, args as SpecValue[]);
      if (typeof result !== "object" || !("message" in result)) return finite(result, expr, env);
      env.report(result.message, expr.args[result.arg ?? -1]?.span ?? expr.span);
      return undefined;
    }
    case "unary": {
      const v = evaluate(expr.operand, env);
      if (v === undefined) return undefined;
      if (expr.operator === "not") {
        if (typeof v === "boolean") return !v;
        env.report(messages.SE112.condition({ what: "not", got: kindText(v) }), expr.operand.span);
        return undefined;
      }
      if (typeof v === "number") return -v;
      env.report(messages.SE112.operand({ operator: "-", got: kindText(v) }), expr.operand.span);
      return undefined;
    }
    case "binary":
      return binaryValue(expr, env);
  }
}

/** The value of a condition; `what` is the word that wants it: "if", "check", "when". */
export function evaluateCondition(expr: Expr, what: string, env: Env): boolean | undefined {
  const v = evaluate(expr, env);
  if (v === undefined || typeof v === "boolean") return v;
  env.report(messages.SE112.condition({ what, got: kindText(v) }), expr.span);
  return undefined;
}

function reportUnknown(env: Env, name: string, place: Span, known: Iterable<string>, message: Message): void {
  const near = nearest(name, known);
  env.report(message, place, near === undefined ? {} : { help: `did you mean \`${near}\`?` });
}

function nameValue(expr: Expr & { kind: "name" }, env: Env): SpecValue | undefined {
  const { params, inputs } = env.scope;
  if (params.has(expr.text)) return params.get(expr.text);
  if (inputs.has(expr.text)) env.report(messages.SE101.tensor({ name: expr.text }), expr.span);
  else {
    const known = [...params.keys(), ...inputs.keys()];
    const list =
      known.length > 0 ? `there is ${known.map((k) => `\`${k}\``).join(", ")}, \`in\`, \`here\`` : "there are no parameters here";
    const near = nearest(expr.text, [...known, "true", "false", ...functionNames]);
    env.report(messages.SE101.name({ name: expr.text }), expr.span, { help: near === undefined ? list : `did you mean \`${near}\`?` });
  }
  return undefined;
}

const AXES: Readonly<Record<string, number>> = { c: 1, h: 2, w: 3 };

function sizeValue(expr: Expr & { kind: "member" }, env: Env): SpecValue | undefined {
  const { object, member } = expr;
  let type: TensorType | undefined | null;
  let name: string;
  if (object.kind === "in" || object.kind === "here") {
    name = object.kind;
    type = name === "in" ? env.arriving : env.here;
    if (type === null) {
      env.report(name === "in" ? messages.SE101.arriving() : messages.SE101.here(), object.span);
      return undefined;
    }
  } else if (object.kind === "name" && env.scope.inputs.has(object.text)) {
    name = object.text;
    type = env.scope.inputs.get(name);
  } else {
    const v = evaluate(object, env);
    if (v !== undefined) env.report(messages.SE101.property({ object: kindText(v), name: member.text }), member.span);
    return undefined;
  }
  const axis = Object.hasOwn(AXES, member.text) ? AXES[member.text] : undefined;
  if (axis === undefined) {
    reportUnknown(env, member.text, member.span, [], messages.SE101.property({ object: `\`${name}\``, name: member.text }));
    return undefined;
  }
  if (type === undefined) return undefined;
  const size = type.shape[axis];
  if (size === undefined) {
    env.report(messages.SE205.size({ what: `${name}.${member.text}`, shape: shapeText(type.shape) }), expr.span);
    return undefined;
  }
  return typeof size === "number" ? size : undefined;
}

function indexValue(expr: Expr & { kind: "index" }, env: Env): SpecValue | undefined {
  const list = evaluate(expr.object, env);
  const index = evaluate(expr.index, env);
  if (list === undefined || index === undefined) return undefined;
  if (!isList(list)) {
    env.report(messages.SE112.list({ got: kindText(list) }), expr.object.span);
    return undefined;
  }
  if (typeof index !== "number" || !Number.isInteger(index)) {
    env.report(messages.SE112.argument({ arg: "[ ]", wants: "a whole number", got: kindText(index) }), expr.index.span);
    return undefined;
  }
  const item = index >= 0 ? list[index] : undefined;
  if (item === undefined) env.report(messages.SE115.index({ index, length: list.length }), expr.index.span);
  return item;
}

function binaryValue(expr: Expr & { kind: "binary" }, env: Env): SpecValue | undefined {
  const { operator } = expr;
  if (operator === "and" || operator === "or") {
    // the right side is looked at only when it decides: `split and in.c % 2 == 0`
    const left = evaluateCondition(expr.left, operator, env);
    if (left === undefined) return undefined;
    if (left === (operator === "or")) return left;
    return evaluateCondition(expr.right, operator, env);
  }
  const left = evaluate(expr.left, env);
  const right = evaluate(expr.right, env);
  if (left === undefined || right === undefined) return undefined;
  if (operator === "==") return sameValue(left, right);
  if (operator === "!=") return !sameValue(left, right);
  for (const [v, side] of [
    [left, expr.left],
    [right, expr.right],
  ] as const) {
    if (typeof v === "number") continue;
    env.report(messages.SE112.operand({ operator, got: kindText(v) }), side.span);
    return undefined;
  }
  const [a, b] = [left as number, right as number];
  switch (operator) {
    case "<":
      return a < b;
    case "<=":
      return a <= b;
    case ">":
      return a > b;
    case ">=":
      return a >= b;
    case "+":
      return finite(a + b, expr, env);
    case "-":
      return finite(a - b, expr, env);
    case "*":
      return finite(a * b, expr, env);
    default:
      if (b === 0) {
        env.report(messages.SE115.zero(), expr.right.span);
        return undefined;
      }
      if (operator === "/") return finite(a / b, expr, env);
      return finite(operator === "//" ? Math.floor(a / b) : a - b * Math.floor(a / b), expr, env);
  }
}

function finite(v: SpecValue, expr: Expr, env: Env): SpecValue | undefined {
  if (typeof v !== "number" || Number.isFinite(v)) return v;
  env.report(messages.SE115.infinite(), expr.span);
  return undefined;
}
