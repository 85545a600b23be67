/** `check condition, "message"`: SE204 with the values in it, SE202 when it compares channels with those that arrive. */
import { messages } from "../diagnostics/messages.gen.ts";
import type { Span } from "../source.ts";
import type { CheckStatement, Expr } from "../syntax/ast.ts";
import { evaluate, evaluateCondition, valueText } from "./evaluate.ts";
import { type Context, envOf, type Flow, report } from "./expand-context.ts";
import type { SpecValue } from "./scope.ts";
import { channelsNote } from "./whence.ts";

export function expandCheck(cx: Context, statement: CheckStatement, flow: Flow): void {
  const env = envOf(cx, flow);
  if (evaluateCondition(statement.condition, "check", env) !== false) return;
  const { condition } = statement;
  // what the condition refuses would only be refused again further down
  const params = cx.scope.params as Map<string, SpecValue | undefined>;
  const poison = (): void => {
    for (const part of leaves(condition)) if (part.kind === "name" && params.has(part.text)) params.set(part.text, undefined);
  };
  const compared = condition.kind === "binary" && condition.operator === "==" ? arrivingSide(condition.left, condition.right) : undefined;
  if (compared) {
    reportChannels(cx, statement, compared);
    poison();
    return;
  }
  const notes = valuesIn(cx, condition, flow);
  report(cx, messages.SE204.check({ message: statement.message.value }), statement.span, { notes, help: checkHelp(cx, condition) });
  poison();
}

/** The side that is compared with `in.c`. */
function arrivingSide(left: Expr, right: Expr): Expr | undefined {
  const isArriving = (e: Expr): boolean => e.kind === "member" && e.object.kind === "in" && e.member.text === "c";
  if (isArriving(right)) return left;
  return isArriving(left) ? right : undefined;
}

function reportChannels(cx: Context, statement: CheckStatement, side: Expr): void {
  const { frame, arriving } = cx;
  const given = evaluate(side, { ...envOf(cx, arriving), report: () => {} });
  if (!arriving || given === undefined) return;
  const count = arriving.shape[1] as number;
  const came = channelsNote(cx.owner, arriving, frame?.at ?? statement.span);
  const extra = came === undefined ? {} : { notes: [came] };
  const own = side.kind === "name" ? frame?.given.get(side.text) : undefined;
  if (!own || !frame || side.kind !== "name") {
    report(cx, messages.SE202.check({ message: statement.message.value, given: valueText(given), arriving: count }), statement.span, extra);
    return;
  }
  const message = messages.SE202.channel({ layer: frame.name, arg: side.text, given: valueText(given), arriving: count });
  const other = own.positional ? nextNumber(frame.given, cx, side.text) : undefined;
  const help = other === undefined ? {} : { help: `did you mean \`${other}=${valueText(given)}\`?` };
  if (frame.outer) report(cx, message, statement.span, { ...extra, ...help });
  else {
    // the caller wrote the number: point at it instead of at the line in the block
    cx.tree.broken = true;
    cx.diagnostics.report(message, own.span, { ...extra, ...help });
  }
}

/** `se(16)`: the parameter after `channel` that the number may have been meant for. */
function nextNumber(given: ReadonlyMap<string, unknown>, cx: Context, name: string): string | undefined {
  const names = [...cx.scope.params.keys()];
  const next = names[names.indexOf(name) + 1];
  return next !== undefined && !given.has(next) && typeof cx.scope.params.get(next) === "number" ? next : undefined;
}

/** "hidden = in.c // reduction = 3 // 16 = 0" for every name in the condition. */
function valuesIn(cx: Context, condition: Expr, flow: Flow): string[] {
  const notes: string[] = [];
  for (const part of leaves(condition)) {
    const value = quiet(cx, part, flow);
    if (value === undefined) continue;
    const text = textOf(part.span);
    const fallback = part.kind === "name" && !cx.frame?.given.has(part.text) ? defaultOf(cx, part.text) : undefined;
    const steps = fallback && leaves(fallback).length > 0 ? [textOf(fallback.span), substituted(cx, fallback, flow)] : [];
    const note = [text, ...steps, valueText(value)].join(" = ");
    if (!notes.includes(note)) notes.push(note);
  }
  return notes;
}

const quiet = (cx: Context, expr: Expr, flow: Flow): SpecValue | undefined => evaluate(expr, { ...envOf(cx, flow), report: () => {} });
const textOf = (span: Span): string => span.file.text.slice(span.start, span.end).replace(/\s+/g, " ");

/** Names and sizes of an expression, in text order. */
function leaves(expr: Expr): Expr[] {
  switch (expr.kind) {
    case "name":
      return [expr];
    case "member":
      return [expr];
    case "binary":
      return [...leaves(expr.left), ...leaves(expr.right)];
    case "unary":
      return leaves(expr.operand);
    case "index":
      return [expr];
    case "apply":
      return expr.args.flatMap(leaves);
    case "list":
      return expr.items.flatMap(leaves);
    default:
      return [];
  }
}

/** The expression's text with every name replaced by its value. */
function substituted(cx: Context, expr: Expr, flow: Flow): string {
  let out = "";
  let at = expr.span.start;
  for (const part of leaves(expr)) {
    const value = quiet(cx, part, flow);
    out += expr.span.file.text.slice(at, part.span.start) + (value === undefined ? textOf(part.span) : valueText(value));
    at = part.span.end;
  }
  return (out + expr.span.file.text.slice(at, expr.span.end)).replace(/\s+/g, " ");
}

function defaultOf(cx: Context, name: string): Expr | undefined {
  const definition = cx.frame?.home.definitions.get(cx.frame.name);
  return definition?.def.params.find((p) => p.name.text === name)?.default;
}

/** "put it where more channels arrive, or give `hidden`" when the condition bounds a parameter from below. */
function checkHelp(cx: Context, condition: Expr): string | undefined {
  if (condition.kind !== "binary" || condition.left.kind !== "name" || condition.right.kind !== "number") return undefined;
  const { left, right, operator } = condition;
  if (operator !== ">=" && operator !== ">") return undefined;
  const least = operator === ">" ? right.value + 1 : right.value;
  if (cx.frame?.given.has(left.text)) return `give \`${left.text}=${least}\` or more`;
  return `put it after a convolution, or write \`${left.text}=${least}\``;
}
