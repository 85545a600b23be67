/** AST -> the JSON form (language.md section 14), keys in a fixed order. Comments do not survive. */
import type { Arg, Body, Call, Clauses, Definition, Edit, Expr, LayerStatement, SpecFile, Statement } from "./ast.ts";
import { formatExpr, formatPath, formatSelector } from "./format-parts.ts";

const WIDTH = 100;
/** A JSON value; keys of objects keep their order. */
export type Json = number | string | boolean | readonly Json[] | { readonly [key: string]: Json };
type Fields = { readonly [key: string]: Json };

/** The JSON form of a file as text. Ends in a line break. */
export function formatJson(file: SpecFile): string {
  return `${print(toJson(file), 0)}\n`;
}

/** The JSON form of a file as a value. */
export function toJson(file: SpecFile): Json {
  return {
    se: 1,
    ...list(
      "use",
      file.uses.map((use) => use.path.value),
    ),
    defs: file.defs.map(definition),
  };
}

/** Absent when empty. */
function list(key: string, items: readonly Json[]): Fields {
  return items.length === 0 ? {} : { [key]: items };
}

// ---- values ----------------------------------------------------------------------------------------------------------

/** Numbers, booleans, strings and lists of them stand for themselves; everything else is an expression, `"=..."`. */
function value(expr: Expr): Json {
  if (expr.kind === "number" || expr.kind === "boolean") return expr.value;
  if (expr.kind === "string") return expr.value.startsWith("=") ? `=${formatExpr(expr)}` : expr.value;
  if (expr.kind === "list") return expr.items.map(value);
  if (expr.kind === "unary" && expr.operator === "-" && expr.operand.kind === "number" && expr.operand.value !== 0)
    return -expr.operand.value;
  return `=${formatExpr(expr)}`;
}

/** Where a number belongs anything else can only be an expression; where a condition belongs, anything but true and false. */
function only(type: "number" | "boolean", expr: Expr): Json {
  const found = value(expr);
  return typeof found === type ? found : `=${formatExpr(expr)}`;
}

function dim(expr: Expr): Json {
  if (expr.kind === "name" && /^[A-Z]/.test(expr.text)) return expr.text;
  return only("number", expr);
}

function named(args: readonly Arg[]): Fields {
  return Object.fromEntries(args.map((arg) => [arg.name?.text ?? "", value(arg.value)]));
}

function args(key: string, all: readonly Arg[]): Fields {
  if (all.length === 0) return {};
  const byPosition = all.filter((arg) => !arg.name).map((arg) => value(arg.value));
  const byName = all.filter((arg) => arg.name);
  if (byPosition.length === 0) return { [key]: named(byName) };
  return { [key]: byName.length === 0 ? byPosition : [...byPosition, named(byName)] };
}

function call({ name, args: given }: Call): Fields {
  return { op: name.text, ...args("args", given) };
}

// ---- definitions -----------------------------------------------------------------------------------------------------

function definition(def: Definition): Json {
  const params = list(
    "params",
    def.params.map((p) => ({ name: p.name.text, ...(p.default ? { default: value(p.default) } : {}) })),
  );
  if (def.kind === "block") return { block: def.name.text, ...params, body: body(def.body) };
  const head = { net: def.name.text, ...params };
  if (def.form.kind === "body") return { ...head, body: body(def.form.body) };
  const { base, path } = def.form.kind === "derived" ? { ...def.form, path: undefined } : { ...def.form, base: undefined };
  const from: Json = base ? { net: base.name.text, ...args("args", base.args) } : { onnx: path?.value ?? "" };
  return { ...head, from, ...list("edits", def.form.edits.map(edit)) };
}

function body({ statements }: Body): Json[] {
  return statements.map(statement);
}

function statement(item: Statement): Json {
  switch (item.kind) {
    case "input":
      return { input: item.name.text, type: item.dtype.text, shape: item.dims.map(dim) };
    case "output":
      return { output: item.name.text };
    case "check":
      return { check: only("boolean", item.condition), message: item.message.value };
    case "if": {
      const otherwise = item.else && item.else.statements.length > 0 ? { else: body(item.else) } : {};
      // biome-ignore lint/suspicious/noThenProperty: the key of the JSON form; nobody awaits it
      return { if: only("boolean", item.condition), then: body(item.then), ...otherwise };
    }
    case "from":
      return { from: formatPath(item.path) };
    case "layer":
      return layer(item);
    default:
      return item satisfies never;
  }
}

function layer({ label, what, times }: LayerStatement): Json {
  const as = label ? { as: label.text } : {};
  const repeat = times ? { times: only("number", times) } : {};
  if (what.kind === "call") return { ...as, ...call(what), ...repeat };
  if (what.kind === "group") return { ...as, group: body(what.body), ...repeat };
  const branches = what.branches.map((branch) => ({ name: branch.name.text, body: body(branch.body) }));
  return { ...as, op: what.word, ...args("args", what.args), branches, ...repeat };
}

// ---- edits -----------------------------------------------------------------------------------------------------------

const PLACE = { before: "before", after: "after", start: "at_start_of", end: "at_end_of" } as const;

function clauses({ except, expect, init }: Clauses): Fields {
  return {
    ...list("except", except.map(formatSelector)),
    ...(expect ? { expect: only("number", expect) } : {}),
    ...(init ? { init: init.text } : {}),
  };
}

function edit(item: Edit): Json {
  switch (item.kind) {
    case "insert":
      return { insert: call(item.call), as: item.as.text, [PLACE[item.place]]: formatSelector(item.selector), ...clauses(item) };
    case "replace":
      return { replace: formatSelector(item.selector), with: call(item.call), ...clauses(item) };
    case "remove":
      return { remove: formatSelector(item.selector), ...clauses(item) };
    case "set":
      return { set: formatSelector(item.selector), args: named(item.args), ...clauses(item) };
    default:
      return item satisfies never;
  }
}

// ---- text ------------------------------------------------------------------------------------------------------------

/** On one line where it fits, else one element a line. */
function print(json: Json, depth: number): string {
  const line = printLine(json);
  if (typeof json !== "object" || line.length + 2 * depth <= WIDTH) return line;
  const indent = "  ".repeat(depth + 1);
  const close = "  ".repeat(depth);
  if (Array.isArray(json)) return `[\n${json.map((item: Json) => indent + print(item, depth + 1)).join(",\n")}\n${close}]`;
  const fields = Object.entries(json).map(([key, item]) => `${indent}${JSON.stringify(key)}: ${print(item, depth + 1)}`);
  return `{\n${fields.join(",\n")}\n${close}}`;
}

function printLine(json: Json): string {
  if (Array.isArray(json)) return `[${json.map((item: Json) => printLine(item)).join(", ")}]`;
  if (typeof json !== "object") return JSON.stringify(json);
  const fields = Object.entries(json).map(([key, item]) => `${JSON.stringify(key)}: ${printLine(item)}`);
  return fields.length === 0 ? "{}" : `{ ${fields.join(", ")} }`;
}
