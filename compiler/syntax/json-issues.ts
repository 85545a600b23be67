/** zod's issues -> SE006 in the reader's words, with the line and column of the key or value. zod's own messages are never shown. */
import type { Node } from "jsonc-parser";
import type * as z from "zod";
import type { Diagnostics } from "../diagnostics/diagnostic.ts";
import { messages } from "../diagnostics/messages.gen.ts";
import { nearest } from "../diagnostics/suggest.ts";
import { once } from "../once.ts";
import { type SourceFile, span } from "../source.ts";
import { items, nodeAt, nodeSpan, plain, property } from "./json-node.ts";
import { specForms } from "./schema.ts";
import { isIdentifier, MERGE_WORDS } from "./words.ts";

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

const holds = (value: object, key: string): boolean => Object.hasOwn(value, key);

function sole(value: object, keys: readonly string[]): string | undefined {
  const found = keys.filter((key) => holds(value, key));
  return found.length === 1 ? found[0] : undefined;
}

/** The places where an object may take one of several forms, which its keys decide. */
const unions = once(() => {
  const { statements, edits, definitions, sources } = specForms();
  return {
    statement: { options: statements, keys: STATEMENT_KEYS, choose: statementKind },
    edit: { options: edits, keys: Object.keys(edits), choose: (v: object) => sole(v, Object.keys(edits)) },
    definition: { options: definitions, keys: ["block", "net"], choose: definitionKind },
    source: { options: sources, keys: Object.keys(sources), choose: (v: object) => sole(v, Object.keys(sources)) },
  } as const;
});
type UnionName = keyof ReturnType<typeof unions>;

const STATEMENT_KEYS = ["input", "output", "check", "if", "from", "op", "group"];

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
  const key = sole(value, STATEMENT_KEYS);
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

/**
 * Reports one issue; `parent` is where its path begins. zod passes the issues of a union's only possible option through as they are,
 * so the object an issue is about is found by its path alone.
 */
export function reportIssue(reader: JsonReader, root: Node, issue: Issue, parent: Path = []): void {
  const { file, diagnostics } = reader;
  const path = [...parent, ...issue.path];
  if (issue.code === "invalid_union") reportUnion(reader, root, path, issue);
  // keys of two forms at once
  else if (issue.code === "unrecognized_keys" && isUndecided(root, path)) reportUnion(reader, root, path);
  else if (issue.code === "unrecognized_keys") for (const key of issue.keys) reportKey(reader, root, path, key);
  else if (!reportMissing(reader, root, path)) {
    const last = path.at(-1);
    const node = nodeAt(root, path);
    if (last === "op" && (MERGE_WORDS as readonly unknown[]).includes(node.value)) {
      const at = nodeAt(root, path.slice(0, -1)).offset;
      diagnostics.report(messages.SE006.missing({ what: TITLES.merge ?? "", key: "branches" }), span(file, at, at + 1));
      return;
    }
    reportType(reader, node, expectation(issue, last));
  }
}

function reportType({ file, diagnostics }: JsonReader, node: Node, expected: string): void {
  diagnostics.report(messages.SE006.type({ expected, found: describeNode(file, node) }), nodeSpan(file, node));
}

function reportKey({ file, diagnostics }: JsonReader, root: Node, path: Path, key: string): void {
  const node = nodeAt(root, path);
  const { what, keys } = formAt(root, path);
  const near = keys.length > 1 ? nearest(key, keys) : undefined;
  const at = nodeSpan(file, property(node, key)?.children?.[0] ?? node);
  if (near === undefined) diagnostics.report(messages.SE006.unknown({ what, key, keys: keys.join(", ") }), at);
  else diagnostics.report(messages.SE006.near({ what, key, near }), at);
}

/** A missing key has no node of its own: the message stands at the object's brace. False when the key is there. */
function reportMissing({ file, diagnostics }: JsonReader, root: Node, path: Path): boolean {
  const key = path.at(-1);
  const holder = nodeAt(root, path.slice(0, -1));
  if (typeof key !== "string" || holder.type !== "object" || property(holder, key)) return false;
  const { what } = formAt(root, path.slice(0, -1));
  diagnostics.report(messages.SE006.missing({ what, key }), span(file, holder.offset, holder.offset + 1));
  return true;
}

/** The form of the object at `path`: of the innermost union on the way, unless it is one of the small objects inside. */
function formAt(root: Node, path: Path): Form {
  const [holder, last] = path.slice(-2);
  if (last === "insert" || last === "with") return { what: "a call", keys: ["op", "args"] };
  if (holder === "params") return { what: "a parameter", keys: ["name", "default"] };
  if (holder === "branches") return { what: "a branch", keys: ["name", "body"] };
  for (let length = path.length; length > 0; length--) {
    const name = unionAt(path.slice(0, length));
    if (!name) continue;
    const { options, choose } = unions()[name];
    const kind = choose(plain(nodeAt(root, path.slice(0, length))) as object);
    if (kind === undefined) continue;
    return { what: titleOf(name, kind), keys: Object.keys(((options as Options)[kind] as z.ZodObject).shape) };
  }
  return { what: "the file", keys: Object.keys(specForms().spec.shape) };
}

type Options = Readonly<Record<string, z.ZodType | undefined>>;

/** `from` is a kind of definition and of statement. */
function titleOf(union: UnionName, kind: string): string {
  return union === "definition" && kind !== "block" ? "a net" : (TITLES[kind] ?? kind);
}

/** Whether the object at `path` may take one of several forms, and its keys do not say which. */
function isUndecided(root: Node, path: Path): boolean {
  const name = unionAt(path);
  return name !== undefined && unions()[name].choose(plain(nodeAt(root, path)) as object) === undefined;
}

function reportUnion(reader: JsonReader, root: Node, path: Path, issue?: Issue): void {
  const { file, diagnostics } = reader;
  const node = nodeAt(root, path);
  const name = unionAt(path);
  const last = path.at(-1);
  if (!name) {
    if (reportMissing(reader, root, path)) return;
    const wrong = last === "args" ? wrongArgument(node) : node;
    const isKey = wrong.parent?.type === "property" && wrong.parent.children?.[0] === wrong;
    reportType(reader, wrong, isKey ? "the name of an argument" : wrong === node && issue ? expectation(issue, last) : VALUE);
    return;
  }
  const { options, keys, choose } = unions()[name];
  const what = TITLES[name] ?? name;
  if (node.type !== "object") {
    reportType(reader, node, `${what}, an object`);
    return;
  }
  const value = plain(node) as object;
  const kind = choose(value);
  if (kind === undefined) {
    const found = keys.filter((key) => holds(value, key));
    const list = keys.join(", ");
    const message =
      found.length === 0
        ? messages.SE006.none({ what, keys: list })
        : messages.SE006.kind({ what, keys: list, found: found.join(" and ") });
    const second = found[1] === undefined ? undefined : property(node, found[1])?.children?.[0];
    diagnostics.report(message, second ? nodeSpan(file, second) : span(file, node.offset, node.offset + 1));
    return;
  }
  for (const inner of (options as Options)[kind]?.safeParse(value).error?.issues ?? []) reportIssue(reader, root, inner, path);
}

/** The first key or element among the arguments that cannot be one; the node itself when it holds none at all. */
function wrongArgument(args: Node): Node {
  if (args.type === "object") {
    for (const { children } of args.children ?? []) {
      const [key, value] = children ?? [];
      if (key && !isIdentifier(key.value)) return key;
      if (value && !isValue(value)) return value;
    }
    return args;
  }
  const list = items(args);
  for (const [i, item] of list.entries()) {
    if (item.type !== "object" || i < list.length - 1) {
      if (!isValue(item)) return item;
    } else if (wrongArgument(item) !== item) return wrongArgument(item);
  }
  return args;
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
