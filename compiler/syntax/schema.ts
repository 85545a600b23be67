/**
 * The form of a `.json` spec (language.md section 14) as a zod schema: the source of specs/schema.json and the first check of json-spec.ts.
 * It knows the keys and the kinds of their values; what layers exist and what they take is for the semantics to judge.
 */
import * as z from "zod";
import { once } from "../once.ts";
import { KEYWORDS, MERGE_WORDS } from "./words.ts";

/** A string that starts with `=` is an expression in the text syntax. */
type Value = number | string | boolean | Value[];

/** The schema of a file, and of the objects of several kinds in it, by kind. Made when a file in JSON is read: most are in the text syntax. */
export const specForms = once(() => {
  const identifier = z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_]*$/)
    .describe("a name");
  const callable = z
    .string()
    .regex(new RegExp(`^(?!(?:${KEYWORDS.join("|")})$)[A-Za-z_][A-Za-z0-9_]*$`))
    .describe("the name of a layer or a block");
  const label = z.string().describe("a label");
  const path = z.string().describe("a path");
  const selector = z.string().describe("a selector");

  const value: z.ZodType<Value> = z.lazy(() => z.union([z.number(), z.boolean(), z.string(), z.array(value)])).meta({ id: "value" });
  const count = z.union([z.number(), z.string().startsWith("=")]).describe('a number or an expression ("=...")');
  const condition = z.union([z.boolean(), z.string().startsWith("=")]).describe('true, false or an expression ("=...")');

  const named = z.record(identifier, value);
  /** By name, or the positional ones in a list whose last element may hold the named ones. */
  const args = z.union([named, z.array(z.union([value, named]))]).meta({ id: "args" });

  const param = z.strictObject({ name: identifier, default: value.optional() });
  const call = z.strictObject({ op: callable, args: args.optional() }).meta({ id: "call" });

  const body: z.ZodType = z.lazy(() => z.array(statement)).meta({ id: "body" });
  const branch = z.strictObject({ name: identifier, body });

  /** One schema for each kind of statement; the key names the kind. */
  const statements = {
    input: z.strictObject({ input: identifier, type: identifier, shape: z.array(z.union([z.number(), z.string()])).min(1) }),
    output: z.strictObject({ output: identifier }),
    check: z.strictObject({ check: condition, message: z.string() }),
    // biome-ignore lint/suspicious/noThenProperty: the key is `then` in the language; nobody awaits a schema shape
    if: z.strictObject({ if: condition, then: body, else: body.optional() }),
    from: z.strictObject({ from: path }),
    group: z.strictObject({ as: label.optional(), group: body, times: count.optional() }),
    merge: z.strictObject({
      as: label.optional(),
      op: z.enum(MERGE_WORDS),
      args: args.optional(),
      branches: z.array(branch),
      times: count.optional(),
    }),
    call: z.strictObject({ as: label.optional(), op: callable, args: args.optional(), times: count.optional() }),
  };
  const statement: z.ZodType = z.union(Object.values(statements)).meta({ id: "statement" });

  const clauses = { except: z.array(selector).optional(), expect: count.optional(), init: identifier.optional() };
  const edits = {
    insert: z.strictObject({
      insert: call,
      as: label,
      before: selector.optional(),
      after: selector.optional(),
      at_start_of: selector.optional(),
      at_end_of: selector.optional(),
      ...clauses,
    }),
    replace: z.strictObject({ replace: selector, with: call, ...clauses }),
    remove: z.strictObject({ remove: selector, ...clauses }),
    set: z.strictObject({ set: selector, args, ...clauses }),
  };
  const edit: z.ZodType = z.union(Object.values(edits)).meta({ id: "edit" });

  const params = z.array(param).optional();
  const sources = {
    net: z.strictObject({ net: callable, args: args.optional() }),
    onnx: z.strictObject({ onnx: z.string() }),
  };
  const definitions = {
    block: z.strictObject({ block: identifier, params, body }),
    body: z.strictObject({ net: identifier, params, body }),
    from: z.strictObject({ net: identifier, params, from: z.union(Object.values(sources)), edits: z.array(edit).optional() }),
  };

  const spec = z.strictObject({
    se: z.literal(1),
    use: z.array(z.string()).optional(),
    defs: z.array(z.union(Object.values(definitions))),
  });
  return { spec, statements, edits, sources, definitions };
});

/** The text of specs/schema.json. */
export function jsonSchema(): string {
  const { $schema, ...rest } = z.toJSONSchema(specForms().spec, { target: "draft-2020-12" });
  const head = {
    $schema,
    title: "sec specification, JSON form, edition 1",
    description: "Checks the form. `sec check` also checks the meaning.",
  };
  return `${JSON.stringify({ ...head, ...rest }, undefined, 2)}\n`;
}
