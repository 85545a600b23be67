/** Canonical text of what stands on one line: numbers, strings, expressions, calls, paths, selectors. */
import { unreachable } from "../invariant.ts";
import type { Arg, Atoms, Call, Expr, Name, Param, Path, PathPart, Predicate, Segment, Selector } from "./ast.ts";
import { BINDING, isIdentifier, NOT_BINDING } from "./words.ts";

/** The shortest spelling that reads back as the same number; small ones with an exponent. */
export function formatNumber(value: number): string {
  const size = Math.abs(value);
  return size !== 0 && size < 1e-4 ? value.toExponential() : String(value);
}

/** A string in double quotes. `\*` stands as it is: in a selector it means a star. */
export function formatString(text: string): string {
  const body = text.replace(/\\\*|["\\]|[\p{Cc}\u2028\u2029\ufeff]/gu, (c) => {
    if (c === "\\*") return c;
    if (c === '"' || c === "\\") return `\\${c}`;
    if (c === "\n") return "\\n";
    if (c === "\t") return "\\t";
    return `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
  return `"${body}"`;
}

/** Labels are quoted only where they must be. */
export function formatLabel(name: Name): string {
  return isIdentifier(name.text) ? name.text : formatString(name.text);
}

// ---- expressions -----------------------------------------------------------------------------------------------------

const SUM = 5;
const UNARY = 7;
const POSTFIX = 8;

function levelOf(expr: Expr): number {
  if (expr.kind === "binary") return BINDING[expr.operator];
  if (expr.kind === "unary") return expr.operator === "not" ? NOT_BINDING : UNARY;
  return POSTFIX + 1;
}

/** `lowest`: what binds looser than this is put in parentheses. */
export function formatExpr(expr: Expr, lowest = 0): string {
  const text = bare(expr);
  return levelOf(expr) < lowest ? `(${text})` : text;
}

function bare(expr: Expr): string {
  switch (expr.kind) {
    case "number":
      return formatNumber(expr.value);
    case "string":
      return formatString(expr.value);
    case "boolean":
      return String(expr.value);
    case "list":
      return `[${expr.items.map((item) => formatExpr(item)).join(", ")}]`;
    case "name":
      return expr.text;
    case "in":
    case "here":
      return expr.kind;
    case "apply":
      return `${expr.fn.text}(${expr.args.map((arg) => formatExpr(arg)).join(", ")})`;
    case "member":
      return `${formatObject(expr.object)}.${expr.member.text}`;
    case "index":
      return `${formatObject(expr.object)}[${formatExpr(expr.index)}]`;
    case "unary":
      return expr.operator === "not" ? `not ${formatExpr(expr.operand, NOT_BINDING)}` : `-${formatExpr(expr.operand, UNARY)}`;
    case "binary": {
      const level = BINDING[expr.operator];
      // comparisons do not chain, so both sides must bind tighter
      const left = formatExpr(expr.left, level === BINDING["=="] ? SUM : level);
      return `${left} ${expr.operator} ${formatExpr(expr.right, level + 1)}`;
    }
    default:
      return unreachable(expr, "expression");
  }
}

/** What stands before a `.` or `[`. A number would take the `.` for its own. */
function formatObject(object: Expr): string {
  return object.kind === "number" ? `(${bare(object)})` : formatExpr(object, POSTFIX);
}

/** The `n` of `* n`. */
export function formatTimes(times: Expr): string {
  return formatExpr(times, UNARY);
}

// ---- calls -----------------------------------------------------------------------------------------------------------

/** `stride=2`, but `when = stride == 1`, where two `=` close together would be hard to read. */
function formatArg({ name, value }: Arg): string {
  if (!name) return formatExpr(value);
  const sign = value.kind === "binary" && BINDING[value.operator] < SUM ? " = " : "=";
  return `${name.text}${sign}${formatExpr(value)}`;
}

/** Nothing for no arguments. */
export function formatArgs(args: readonly Arg[]): string {
  return args.length === 0 ? "" : `(${args.map(formatArg).join(", ")})`;
}

export function formatCall(call: Call): string {
  return `${call.name.text}${formatArgs(call.args)}`;
}

export function formatParam(param: Param): string {
  return param.default ? `${param.name.text} = ${formatExpr(param.default)}` : param.name.text;
}

// ---- paths and selectors ---------------------------------------------------------------------------------------------

function formatPart(part: PathPart): string {
  if (part.kind === "number") return String(part.value);
  return part.kind === "string" ? formatString(part.text) : part.text;
}

export function formatPath(path: Path): string {
  return path.parts.map(formatPart).join(".");
}

export function formatSelector(selector: Selector): string {
  return selector.segments.map(formatSegment).join(".");
}

function formatSegment(segment: Segment): string {
  const predicates = segment.predicates.length === 0 ? "" : `[${segment.predicates.map(formatPredicate).join(", ")}]`;
  return `${formatAtoms(segment.atoms)}${predicates}`;
}

function formatAtoms(atoms: Atoms): string {
  switch (atoms.kind) {
    case "any":
      return "*";
    case "deep":
      return "**";
    case "parts":
      return atoms.parts.map(formatPart).join("|");
    case "types":
      return atoms.names.map((name) => `@${name.text}`).join("|");
    default:
      return unreachable(atoms, "selector step");
  }
}

function formatPredicate({ key, sub, operator, value }: Predicate): string {
  const text = `${key.text}${sub ? `.${sub.text}` : ""}`;
  return operator === "==" ? `${text}=${formatExpr(value)}` : `${text} ${operator} ${formatExpr(value)}`;
}
