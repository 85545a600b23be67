/** Arguments of a call: bound to names, evaluated at the call, and for built-in layers checked against the op's schema. */
import type * as z from "zod";
import { messages } from "../diagnostics/messages.gen.ts";
import { nearest } from "../diagnostics/suggest.ts";
import type { OpDef } from "../ops/op.ts";
import { readAttributes } from "../ops/read-attributes.ts";
import type { Span } from "../source.ts";
import type { Arg, Param } from "../syntax/ast.ts";
import { type Env, evaluate, isList, kindText, valueText } from "./evaluate.ts";
import type { SpecValue } from "./scope.ts";

/** What can be given to a call. */
export interface Signature {
  readonly name: string;
  readonly params: readonly { readonly name: string; readonly required: boolean }[];
  /** "conv(out, kernel, stride=1, ...)". */
  readonly text: string;
}

export interface Given {
  readonly value: SpecValue | undefined;
  readonly span: Span;
  /** Of the whole argument, its name included. */
  readonly argSpan: Span;
  readonly positional: boolean;
}

/** Undefined when a name or a count is wrong; a wrong value only poisons its own entry. */
export function bindArguments(signature: Signature, args: readonly Arg[], at: Span, env: Env): Map<string, Given> | undefined {
  const { name, params, text } = signature;
  const given = new Map<string, Given>();
  let ok = true;
  const fail = (...parts: Parameters<Env["report"]>): void => {
    ok = false;
    env.report(...parts);
  };
  const note = `its signature is ${text}`;
  args.forEach((arg, index) => {
    const value = evaluate(arg.value, env);
    let key = arg.name?.text;
    if (key === undefined) {
      key = params[index]?.name;
      if (key === undefined) {
        if (index !== params.length) return;
        const count = args.filter((a) => !a.name).length;
        if (params.length === 0) fail(messages.SE110.none({ name, given: count }), arg.span);
        else fail(messages.SE110.many({ name, most: params.length, given: count }), arg.span, { notes: [note] });
        return;
      }
    } else if (!params.some((p) => p.name === key)) {
      const near = nearest(
        key,
        params.map((p) => p.name),
      );
      fail(messages.SE111.unknown({ name, arg: key }), arg.name?.span ?? arg.span, {
        notes: [note],
        ...(near === undefined ? {} : { help: `did you mean \`${near}\`?` }),
      });
      return;
    }
    if (given.has(key)) fail(messages.SE111.twice({ arg: key }), arg.span, { notes: [note] });
    else given.set(key, { value, span: arg.value.span, argSpan: arg.span, positional: !arg.name });
  });
  if (!ok) return undefined;
  const missing = params.filter((p) => p.required && !given.has(p.name));
  if (missing.length === 0) return given;
  fail(messages.SE110.missing({ name, arg: missing.map((p) => p.name).join("` and `") }), at, { notes: [note] });
  return undefined;
}

export function paramSignature(name: string, params: readonly Param[]): Signature {
  const text = params.map((p) => (p.default ? `${p.name.text}=${sourceText(p.default.span)}` : p.name.text)).join(", ");
  return { name, params: params.map((p) => ({ name: p.name.text, required: !p.default })), text: `${name}(${text})` };
}

export const sourceText = (span: Span): string => span.file.text.slice(span.start, span.end).replace(/\s+/g, " ");

// ---- built-in layers -------------------------------------------------------------------------------------------------

type Schema = z.ZodType & { readonly def: { readonly type: string; readonly innerType?: Schema; readonly options?: readonly Schema[] } };

const shapeOf = (op: OpDef): Readonly<Record<string, Schema>> => op.attrs.shape as Readonly<Record<string, Schema>>;

function defaultText(schema: Schema, name: string, others: readonly string[]): string | undefined {
  if (schema.def.type === "optional") return name === "stride" && others.includes("kernel") ? "kernel" : "none";
  if (schema.def.type !== "default") return undefined;
  const value = schema.safeParse(undefined);
  return value.success ? valueText(value.data as SpecValue) : undefined;
}

/** Signatures are asked for at every call; an op's record never changes. */
const signatures = new WeakMap<OpDef, Signature>();

export function opSignature(name: string, op: OpDef): Signature {
  const known = signatures.get(op) ?? makeSignature(name, op);
  signatures.set(op, known);
  return known;
}

function makeSignature(name: string, op: OpDef): Signature {
  const entries = Object.entries(shapeOf(op));
  const names = entries.map(([key]) => key);
  const params = entries.map(([key, schema]) => ({ name: key, required: !schema.safeParse(undefined).success }));
  const text = entries.map(([key, schema]) => {
    const value = defaultText(schema, key, names);
    return value === undefined ? key : `${key}=${value}`;
  });
  return { name, params, text: text.length === 0 ? name : `${name}(${text.join(", ")})` };
}

/** "conv(out, kernel, stride=1, ...)", for listings. */
export const signatureText = (name: string, op: OpDef): string => opSignature(name, op).text;

/** Words a schema accepts as strings. */
export function choicesOf(schema: z.ZodType): string[] {
  const s = schema as Schema;
  if (s.def.innerType) return choicesOf(s.def.innerType);
  if (s.def.options) return s.def.options.flatMap(choicesOf);
  const { values } = s._zod as { readonly values?: ReadonlySet<unknown> };
  return values ? [...values].filter((v) => typeof v === "string") : [];
}

const listText = (parts: readonly string[]): string =>
  parts.length < 2 ? parts.join("") : `${parts.slice(0, -1).join(", ")} or ${parts[parts.length - 1]}`;

/** "a whole number of at least 1, [2 numbers] or ...": what to write instead. */
function wants(schema: Schema): string {
  const def = schema.def as Schema["def"] & { readonly element?: Schema; readonly checks?: readonly unknown[] };
  if (def.innerType) return wants(def.innerType);
  if (def.options) return listText([...new Set(def.options.map(wants))]);
  switch (def.type) {
    case "number": {
      const { minValue, maxValue, isInt } = schema as unknown as { minValue: number | null; maxValue: number | null; isInt: boolean };
      const least = typeof minValue === "number" && minValue > Number.MIN_SAFE_INTEGER ? ` of at least ${minValue}` : "";
      const most =
        typeof maxValue === "number" && maxValue < Number.MAX_SAFE_INTEGER ? `${least ? " and" : " of"} at most ${maxValue}` : "";
      return `${isInt ? "a whole number" : "a number"}${least}${most}`;
    }
    case "boolean":
      return "true or false";
    case "array": {
      const length = (def.checks as readonly { _zod?: { def?: { length?: number } } }[] | undefined)
        ?.map((c) => c._zod?.def?.length)
        .find((n) => n !== undefined);
      return length === undefined ? "a list" : `a list of ${length}`;
    }
    case "enum":
    case "literal":
      return choicesOf(schema).map(valueText).join(", ");
    default:
      return `a ${def.type}`;
  }
}

/** What may have been meant by a value of the wrong kind: 64 by `"64"`, true by `1`, [5] by `5`. */
function meantBy(value: SpecValue): SpecValue[] {
  if (isList(value)) return value.length === 1 ? [...value] : [];
  if (typeof value === "number") return [...(value === 0 || value === 1 ? [value === 1] : []), [value]];
  if (typeof value !== "string" || value.trim() === "") return [];
  return [Number(value), ...(value === "true" || value === "false" ? [value === "true"] : [])];
}

/**
 * The op's attributes with defaults filled in; undefined after reporting SE112 or SE113 at the argument.
 * `at` is where problems of the whole call go.
 */
export function checkAttributes(
  name: string,
  op: OpDef,
  given: ReadonlyMap<string, Pick<Given, "value" | "span">>,
  at: Span,
  report: Env["report"],
): Readonly<Record<string, unknown>> | undefined {
  const defined = [...given].every(([, { value }]) => value !== undefined);
  const all = defined ? readAttributes(op, Object.fromEntries([...given].map(([key, { value }]) => [key, value]))) : undefined;
  if (all?.success) return all.data;
  const shape = shapeOf(op);
  let fits = true;
  for (const [key, { value, span }] of given) {
    const schema = shape[key] as Schema;
    if (value === undefined || schema.safeParse(value).success) continue;
    fits = false;
    const choices = choicesOf(schema);
    if (typeof value === "string" && choices.length > 0) {
      const near = nearest(value, choices);
      const list = choices.map(valueText).join(", ");
      report(
        messages.SE113.choice({ arg: key, got: valueText(value), choices: list }),
        span,
        near === undefined ? {} : { help: `did you mean ${valueText(near)}? one of ${list}` },
      );
    } else {
      const meant = meantBy(value).find((v) => schema.safeParse(v).success);
      const help = meant === undefined ? {} : { help: `write \`${valueText(meant)}\`` };
      report(messages.SE112.argument({ arg: key, wants: wants(schema), got: kindText(value) }), span, help);
    }
  }
  // a rule between arguments (a refinement of the whole schema) is worded by the op
  for (const issue of fits ? (all?.error.issues ?? []) : []) {
    const key = issue.path[0] === undefined ? name : String(issue.path[0]);
    report(messages.SE112.argument({ arg: key, wants: issue.message, got: "something else" }), given.get(key)?.span ?? at);
  }
  return undefined;
}
