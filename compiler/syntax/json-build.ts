/** Makes the tree of a JSON file whose form has been checked (json-spec.ts). Paths, selectors and expressions go through the text's parser. */
import type { Node } from "jsonc-parser";
import type { Diagnostics } from "../diagnostics/diagnostic.ts";
import { messages } from "../diagnostics/messages.gen.ts";
import { must } from "../invariant.ts";
import { LIMITS } from "../limits.ts";
import type { SourceFile, Span } from "../source.ts";
import type {
  Arg,
  Body,
  Branch,
  Call,
  Clauses,
  Definition,
  Edit,
  Expr,
  LayerStatement,
  MergeWord,
  Name,
  NetForm,
  Param,
  Path,
  PlaceWord,
  Selector,
  SpecFile,
  Statement,
  StringLiteral,
} from "./ast.ts";
import { reportKeyword } from "./build-ast.ts";
import { items, nodeSpan, property, stringFragment, valueAt } from "./json-node.ts";
import { parseExpression, parsePath, parseSelector } from "./parse-fragment.ts";
import { isIdentifier, MERGE_WORDS } from "./words.ts";

interface Builder {
  readonly file: SourceFile;
  readonly diagnostics: Diagnostics;
  /** Whether a path, selector or expression could not be read, which is reported. */
  broken: boolean;
}

/** Undefined when a text inside the file is wrong: what it was meant to be is not guessed at. */
export function buildJson(file: SourceFile, root: Node, diagnostics: Diagnostics): SpecFile | undefined {
  const builder: Builder = { file, diagnostics, broken: false };
  const spec: SpecFile = {
    kind: "file",
    edition: 1,
    uses: items(valueAt(root, "use")).map((node) => ({ kind: "use", path: literal(builder, node), span: nodeSpan(file, node) })),
    defs: items(valueAt(root, "defs")).map((node) => definition(builder, node)),
    comments: [],
    span: nodeSpan(file, root),
  };
  return builder.broken ? undefined : spec;
}

// ---- small parts -----------------------------------------------------------------------------------------------------

const at = (builder: Builder, node: Node): Span => nodeSpan(builder.file, node);

/** The node of a key that the schema has made sure of. */
const need = (node: Node, key: string): Node => must(valueAt(node, key), `key ${key}`);

function name(builder: Builder, node: Node): Name {
  return { text: String(node.value), quoted: !isIdentifier(String(node.value)), span: at(builder, node) };
}

function newName(builder: Builder, node: Node, kind: "block" | "net" | "parameter"): Name {
  const found = name(builder, node);
  reportKeyword(builder.diagnostics, found, kind);
  return found;
}

function literal(builder: Builder, node: Node): StringLiteral {
  return { kind: "string", value: String(node.value), span: at(builder, node) };
}

function path(builder: Builder, node: Node): Path {
  const found = parsePath(stringFragment(builder.file, node), builder.diagnostics);
  builder.broken ||= found === undefined;
  return found ?? { parts: [], span: at(builder, node) };
}

function selector(builder: Builder, node: Node): Selector {
  const found = parseSelector(stringFragment(builder.file, node), builder.diagnostics);
  builder.broken ||= found === undefined;
  return found ?? { segments: [], span: at(builder, node) };
}

function expr(builder: Builder, node: Node): Expr {
  const span = at(builder, node);
  if (node.type === "number") {
    if (node.value >= 0 && !Object.is(node.value, -0)) return { kind: "number", value: node.value, span };
    return { kind: "unary", operator: "-", operand: { kind: "number", value: -node.value, span }, span };
  }
  if (node.type === "boolean") return { kind: "boolean", value: node.value, span };
  if (node.type === "array") return { kind: "list", items: items(node).map((item) => expr(builder, item)), span };
  if (String(node.value).startsWith("=")) {
    const found = parseExpression(stringFragment(builder.file, node, 1), builder.diagnostics);
    builder.broken ||= found === undefined;
    if (found) return found;
  }
  return literal(builder, node);
}

/** A size of an input: a bare word is the name of an open size, or of a parameter. */
function dim(builder: Builder, node: Node): Expr {
  const isWord = node.type === "string" && isIdentifier(node.value);
  return isWord ? { kind: "name", text: node.value, span: at(builder, node) } : expr(builder, node);
}

function named(builder: Builder, object: Node): Arg[] {
  return (object.children ?? []).map(({ children = [] }) => {
    const [key, value] = [must(children[0], "key"), must(children[1], "value")];
    return { name: name(builder, key), value: expr(builder, value), span: { ...at(builder, value), start: key.offset } };
  });
}

function args(builder: Builder, node: Node | undefined): Arg[] {
  if (!node) return [];
  if (node.type === "object") return named(builder, node);
  return items(node).flatMap((item, i, all): Arg[] => {
    if (item.type !== "object") return [{ value: expr(builder, item), span: at(builder, item) }];
    if (i === all.length - 1) return named(builder, item);
    const message = messages.SE006.type({ expected: "a value; named arguments come last", found: "an object" });
    builder.diagnostics.report(message, at(builder, item));
    return [];
  });
}

function call(builder: Builder, node: Node): Call {
  return { kind: "call", name: name(builder, need(node, "op")), args: args(builder, valueAt(node, "args")), span: at(builder, node) };
}

// ---- definitions -----------------------------------------------------------------------------------------------------

function definition(builder: Builder, node: Node): Definition {
  const params = items(valueAt(node, "params")).map((param): Param => {
    const value = valueAt(param, "default");
    return {
      name: newName(builder, need(param, "name"), "parameter"),
      ...(value ? { default: expr(builder, value) } : {}),
      span: at(builder, param),
    };
  });
  const span = at(builder, node);
  const block = valueAt(node, "block");
  if (block) return { kind: "block", name: newName(builder, block, "block"), params, body: body(builder, need(node, "body"), 1), span };
  return { kind: "net", name: newName(builder, need(node, "net"), "net"), params, form: form(builder, node), span };
}

function form(builder: Builder, node: Node): NetForm {
  const source = valueAt(node, "from");
  if (!source) return { kind: "body", body: body(builder, need(node, "body"), 1) };
  const edits = items(valueAt(node, "edits")).map((item) => edit(builder, item));
  const onnx = valueAt(source, "onnx");
  if (onnx) return { kind: "onnx", path: literal(builder, onnx), edits };
  const base: Call = {
    kind: "call",
    name: name(builder, need(source, "net")),
    args: args(builder, valueAt(source, "args")),
    span: at(builder, source),
  };
  return { kind: "derived", base, edits };
}

// ---- bodies ----------------------------------------------------------------------------------------------------------

function body(builder: Builder, node: Node, depth: number): Body {
  if (depth > LIMITS.nesting) {
    builder.diagnostics.report(messages.SE010.nesting({ limit: LIMITS.nesting }), at(builder, node));
    return { statements: [], span: at(builder, node) };
  }
  return { statements: items(node).map((item) => statement(builder, item, depth)), span: at(builder, node) };
}

function statement(builder: Builder, node: Node, depth: number): Statement {
  const span = at(builder, node);
  const key = ["input", "output", "check", "if", "from"].find((k) => property(node, k));
  switch (key) {
    case "input": {
      const dims = items(need(node, "shape")).map((item) => dim(builder, item));
      return { kind: "input", name: name(builder, need(node, "input")), dtype: name(builder, need(node, "type")), dims, span };
    }
    case "output":
      return { kind: "output", name: name(builder, need(node, "output")), span };
    case "check":
      return { kind: "check", condition: expr(builder, need(node, "check")), message: literal(builder, need(node, "message")), span };
    case "if": {
      const otherwise = valueAt(node, "else");
      const then = body(builder, need(node, "then"), depth + 1);
      const condition = expr(builder, need(node, "if"));
      const isEmpty = items(otherwise).length === 0;
      return { kind: "if", condition, then, ...(otherwise && !isEmpty ? { else: body(builder, otherwise, depth + 1) } : {}), span };
    }
    case "from":
      return { kind: "from", path: path(builder, need(node, "from")), span };
    default:
      return layer(builder, node, depth);
  }
}

function layer(builder: Builder, node: Node, depth: number): LayerStatement {
  const [label, times] = [valueAt(node, "as"), valueAt(node, "times")];
  return {
    kind: "layer",
    ...(label ? { label: name(builder, label) } : {}),
    what: what(builder, node, depth),
    ...(times ? { times: expr(builder, times) } : {}),
    span: at(builder, node),
  };
}

function what(builder: Builder, node: Node, depth: number): LayerStatement["what"] {
  const span = at(builder, node);
  const group = valueAt(node, "group");
  if (group) return { kind: "group", body: body(builder, group, depth + 1), span };
  const op = need(node, "op");
  if (!(MERGE_WORDS as readonly string[]).includes(op.value)) return call(builder, node);
  const branches = items(need(node, "branches")).map(
    (item): Branch => ({
      name: name(builder, need(item, "name")),
      body: body(builder, need(item, "body"), depth + 2),
      span: at(builder, item),
    }),
  );
  return {
    kind: "merge",
    word: op.value as MergeWord,
    wordSpan: at(builder, op),
    args: args(builder, valueAt(node, "args")),
    branches,
    span,
  };
}

// ---- edits -----------------------------------------------------------------------------------------------------------

const PLACES: Readonly<Record<string, PlaceWord>> = { before: "before", after: "after", at_start_of: "start", at_end_of: "end" };

function clauses(builder: Builder, node: Node): Clauses {
  const [expect, init] = [valueAt(node, "expect"), valueAt(node, "init")];
  return {
    except: items(valueAt(node, "except")).map((item) => selector(builder, item)),
    ...(expect ? { expect: expr(builder, expect) } : {}),
    ...(init ? { init: name(builder, init) } : {}),
  };
}

function edit(builder: Builder, node: Node): Edit {
  const rest = { ...clauses(builder, node), span: at(builder, node) };
  const insert = valueAt(node, "insert");
  if (insert) {
    const place = must(
      Object.keys(PLACES)
        .map((key) => property(node, key))
        .find((p) => p),
      "place",
    );
    const [key, target] = [must(place.children?.[0], "key"), must(place.children?.[1], "selector")];
    return {
      kind: "insert",
      call: call(builder, insert),
      as: name(builder, need(node, "as")),
      place: PLACES[String(key.value)] as PlaceWord,
      placeSpan: at(builder, key),
      selector: selector(builder, target),
      ...rest,
    };
  }
  const [replace, remove] = [valueAt(node, "replace"), valueAt(node, "remove")];
  if (replace) return { kind: "replace", selector: selector(builder, replace), call: call(builder, need(node, "with")), ...rest };
  if (remove) return { kind: "remove", selector: selector(builder, remove), ...rest };
  return { kind: "set", selector: selector(builder, need(node, "set")), args: args(builder, need(node, "args")), ...rest };
}
