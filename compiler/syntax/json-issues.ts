/** zod's issues -> SE006 in the reader's words, with the line and column of the key or value. zod's own messages are never shown. */
import type { Node } from "jsonc-parser";
import type { z } from "zod";
import type { Diagnostics } from "../diagnostics/diagnostic.ts";
import { messages } from "../diagnostics/messages.gen.ts";
import { nearest } from "../diagnostics/suggest.ts";
import { type SourceFile, span } from "../source.ts";
import { items, nodeAt, nodeSpan, plain, property, valueAt } from "./json-node.ts";
import { DEFINITIONS, EDITS, SOURCES, STATEMENTS, specSchema } from "./schema.ts";
import { MERGE_WORDS } from "./words.ts";

export interface JsonReader {
  readonly file: SourceFile;
  readonly diagnostics: Diagnostics;
}

type Issue = z.core.$ZodIssue;
type Path = readonly PropertyKey[];

/** An object of the form: how it is called in a message, and its keys. */
interface Form {
  readonly what: string;
  readonly keys: readonly string[];
}

const FILE: Form = { what: "the file", keys: Object.keys(specSchema.shape) };

const holds = (value: object, key: string): boolean => Object.hasOwn(value, key);

function sole(value: object, keys: readonly string[]): string | undefined {
  const found = keys.filter((key) => holds(value, key));
  return found.length === 1 ? found[0] : undefined;
}

/** The places where an object may take one of several forms, which its keys decide. */
const UNIONS = {
  statement: { options: STATEMENTS, keys: ["input", "output", "check", "if", "from", "op", "group"], choose: statementKind },
  edit: { options: EDITS, keys: Object.keys(EDITS), choose: (v: object) => sole(v, Object.keys(EDITS)) },
  definition: { options: DEFINITIONS, keys: ["block", "net"], choose: definitionKind },
  source: { options: SOURCES, keys: Object.keys(SOURCES), choose: (v: object) => sole(v, Object.keys(SOURCES)) },
} as const;
type UnionName = keyof typeof UNIONS;

const TITLES: Readonly<Record<string, string>> = {
  statement: "a statement",
  edit: "an edit",
  definition: "a definition",
  source: "the source of a net",
  input: "an input",
  output: "an output",
  check: "a check",
  if: "an `if`",
  from: "a `from`",
  group: "a group",
  merge: "a merge",
  call: "a layer",
  block: "a block",
  body: "a net",
  insert: "an insert",
  replace: "a replace",
  remove: "a remove",
  set: "a set",
  net: "the source of a net",
  onnx: "the source of a net",
};

function statementKind(value: object): string | undefined {
  const key = sole(value, UNIONS.statement.keys);
  if (key !== "op") return key;
  const { op } = value as { op: unknown };
  return holds(value, "branches") || (MERGE_WORDS as readonly unknown[]).includes(op) ? "merge" : "call";
}

function definitionKind(value: object): string | undefined {
  const key = sole(value, ["block", "net"]);
  return key === "net" && holds(value, "from") ? "from" : key === "net" ? "body" : key;
}

function unionAt(path: Path): UnionName | undefined {
  const [holder, last] = path.slice(-2);
  if (path.length === 2 && holder === "defs") return "definition";
  if (path.length === 3 && last === "from") return "source";
  if (typeof last !== "number") return undefined;
  if (holder === "edits") return "edit";
  return ["body", "then", "else", "group"].includes(String(holder)) ? "statement" : undefined;
}

/** Reports one issue; `parent` and `form` say in which object its path begins. */
export function reportIssue(reader: JsonReader, root: Node, issue: Issue, parent: Path = [], form: Form = FILE): void {
  const { file, diagnostics } = reader;
  const path = [...parent, ...issue.path];
  const node = nodeAt(root, path);
  const inner = formAt(issue.code === "unrecognized_keys" ? issue.path : issue.path.slice(0, -1), form);
  if (issue.code === "invalid_union") {
    reportUnion(reader, root, issue, path, inner);
    return;
  }
  if (issue.code === "unrecognized_keys") {
    for (const key of issue.keys) {
      const at = nodeSpan(file, property(node, key)?.children?.[0] ?? node);
      const near = inner.keys.length > 1 ? nearest(key, inner.keys) : undefined;
      const message =
        near === undefined
          ? messages.SE006.unknown({ what: inner.what, key, keys: inner.keys.join(", ") })
          : messages.SE006.near({ what: inner.what, key, near });
      diagnostics.report(message, at);
    }
    return;
  }
  const last = path.at(-1);
  const holder = nodeAt(root, path.slice(0, -1));
  if (typeof last === "string" && holder.type === "object" && !property(holder, last)) {
    diagnostics.report(messages.SE006.missing({ what: inner.what, key: last }), span(file, holder.offset, holder.offset + 1));
    return;
  }
  const wrong = issue.code === "invalid_key" ? (property(holder, String(last))?.children?.[0] ?? node) : node;
  diagnostics.report(messages.SE006.type({ expected: expectation(issue, last), found: describeNode(file, wrong) }), nodeSpan(file, wrong));
}

/** The form of the object at `path`, which begins in an object of the form `outer`. */
function formAt(path: Path, outer: Form): Form {
  const [holder, last] = path.slice(-2);
  if (path.length === 0) return outer;
  if (last === "insert" || last === "with" || holder === "insert") return { what: "a call", keys: ["op", "args"] };
  if (holder === "params") return { what: "a parameter", keys: ["name", "default"] };
  if (holder === "branches") return { what: "a branch", keys: ["name", "body"] };
  return path.at(-1) === "insert" || path.at(-1) === "with" ? { what: "a call", keys: ["op", "args"] } : outer;
}

function reportUnion(reader: JsonReader, root: Node, issue: Issue & { code: "invalid_union" }, path: Path, outer: Form): void {
  const { file, diagnostics } = reader;
  const node = nodeAt(root, path);
  const name = unionAt(path);
  const last = path.at(-1);
  if (!name) {
    const missing = typeof last === "string" && !valueAt(nodeAt(root, path.slice(0, -1)), last);
    if (missing) {
      const holder = nodeAt(root, path.slice(0, -1));
      diagnostics.report(messages.SE006.missing({ what: outer.what, key: last }), span(file, holder.offset, holder.offset + 1));
      return;
    }
    const wrong = last === "args" ? wrongArgument(node) : node;
    const expected = wrong === node ? expectation(issue, last) : VALUE;
    diagnostics.report(messages.SE006.type({ expected, found: describeNode(file, wrong) }), nodeSpan(file, wrong));
    return;
  }
  const { options, keys, choose } = UNIONS[name];
  const what = TITLES[name] ?? name;
  if (node.type !== "object") {
    diagnostics.report(messages.SE006.type({ expected: `${what}, an object`, found: describeNode(file, node) }), nodeSpan(file, node));
    return;
  }
  const value = plain(node) as object;
  const kind = choose(value);
  if (kind === undefined) {
    const found = keys.filter((key) => holds(value, key));
    const message = messages.SE006.kind({ what, keys: keys.join(", "), found: found.length === 0 ? "none" : found.join(" and ") });
    const at =
      found[1] === undefined ? span(file, node.offset, node.offset + 1) : nodeSpan(file, property(node, found[1])?.children?.[0] ?? node);
    diagnostics.report(message, at);
    return;
  }
  const schema: z.ZodType = (options as Readonly<Record<string, z.ZodType>>)[kind] as z.ZodType;
  const form: Form = {
    what: name === "definition" && kind === "from" ? "a net" : (TITLES[kind] ?? what),
    keys: Object.keys((schema as z.ZodObject).shape),
  };
  for (const inner of schema.safeParse(value).error?.issues ?? []) reportIssue(reader, root, inner, path, form);
}

/** In a list of arguments the first element that is no value, or in an object of them the first that is none. */
function wrongArgument(args: Node): Node {
  if (args.type === "object") return args.children?.map((p) => p.children?.[1]).find((v) => v && !isValue(v)) ?? args;
  const list = items(args);
  return list.find((item, i) => (item.type === "object" && i === list.length - 1 ? wrongArgument(item) !== item : !isValue(item))) ?? args;
}

function isValue(node: Node): boolean {
  return node.type === "array" ? items(node).every(isValue) : node.type !== "object";
}

const VALUE = "a number, a string, true, false or a list";

/** What the schema wants at a key, as a reader would say it. */
function expectation(issue: Issue, key: PropertyKey | undefined): string {
  if (key === "times" || key === "expect") return 'a number or an expression, as in "=2 * n"';
  if (key === "if" || key === "check") return 'true, false or an expression, as in "=stride == 1"';
  if (key === "args") return "the arguments, an object or a list";
  if (key === "se") return "the edition, 1";
  if (issue.code === "invalid_value") return `one of ${issue.values.map(String).join(", ")}`;
  if (issue.code === "too_small") return "at least one size";
  if (issue.code === "invalid_key") return "the name of an argument";
  if (issue.code === "invalid_format")
    return key === "op" ? "the name of a layer or a block" : "a name: letters, digits and `_`, no keyword";
  if (issue.code !== "invalid_type") return VALUE;
  if (issue.expected === "array") return "a list";
  if (issue.expected === "object" || issue.expected === "record") return "an object";
  return issue.expected === "string" ? "a string" : VALUE;
}

function describeNode(file: SourceFile, node: Node): string {
  if (node.type === "object") return "an object";
  if (node.type === "array") return items(node).length === 0 ? "an empty list" : "a list";
  const text = file.text.slice(node.offset, node.offset + node.length);
  return text.length > 32 ? `${text.slice(0, 29)}...` : text;
}
