/**
 * What can be said about a file without expanding it: unknown layers, nets and names, parameters that clash or are never used,
 * definitions that contain themselves. Holds for blocks nobody calls and for branches of `if` that are not taken.
 */
import type { Diagnostics, Extra, Message } from "../diagnostics/diagnostic.ts";
import { messages } from "../diagnostics/messages.gen.ts";
import { nearest } from "../diagnostics/suggest.ts";
import type { Span } from "../source.ts";
import type { Arg, Body, Call, Definition as Def, Edit, Expr, LayerStatement, Name, Selector, SpecFile, Statement } from "../syntax/ast.ts";
import { evaluate } from "./evaluate.ts";
import { sourceText } from "./expand-arguments.ts";
import { placeText } from "./expand-context.ts";
import { builtinNames, isBuiltin } from "./expand-layer.ts";
import { shippedPath } from "./load-uses.ts";
import type { FileScope } from "./scope.ts";

interface Resolving {
  readonly home: FileScope;
  readonly diagnostics: Diagnostics;
  /** Parameters and inputs of the definition, and those that were read. */
  readonly params: ReadonlyMap<string, undefined>;
  readonly inputs: ReadonlyMap<string, undefined>;
  readonly read: Set<string>;
}

export function resolveNames(spec: SpecFile, home: FileScope, diagnostics: Diagnostics): void {
  for (const def of spec.defs) resolveDefinition(def, home, diagnostics);
  reportCycles(spec, home, diagnostics);
}

function resolveDefinition(def: Def, home: FileScope, diagnostics: Diagnostics): void {
  const params = new Map<string, undefined>();
  const inputs = new Map<string, undefined>();
  const cx: Resolving = { home, diagnostics, params, inputs, read: new Set() };
  for (const param of def.params) {
    const { text: name, span } = param.name;
    const longer: Readonly<Record<string, string>> = { c: "channels", h: "height", w: "width" };
    if (Object.hasOwn(longer, name)) diagnostics.report(messages.SE103.size({ name, longer: longer[name] as string }), span);
    if (params.has(name)) diagnostics.report(messages.SE103.twice({ name }), span);
    // a default sees the parameters before it
    if (param.default) expression(cx, param.default);
    params.set(name, undefined);
  }
  if (def.kind === "block") body(cx, def.body);
  else if (def.form.kind === "body") {
    collectInputs(def.form.body, inputs);
    body(cx, def.form.body);
  } else {
    if (def.form.kind === "derived") base(cx, def.form.base, def.name.text);
    for (const edit of def.form.edits) resolveEdit(cx, edit);
  }
  for (const param of def.params) {
    if (!cx.read.has(param.name.text)) diagnostics.report(messages.SE191.param({ name: param.name.text }), param.name.span);
  }
}

function collectInputs(at: Body, inputs: Map<string, undefined>): void {
  for (const s of at.statements) {
    if (s.kind === "input") inputs.set(s.name.text, undefined);
    else if (s.kind === "if") {
      collectInputs(s.then, inputs);
      if (s.else) collectInputs(s.else, inputs);
    }
  }
}

function body(cx: Resolving, { statements }: Body): void {
  statements.forEach((s, i) => {
    statement(cx, s, statements[i + 1]);
  });
}

function statement(cx: Resolving, s: Statement, next: Statement | undefined): void {
  switch (s.kind) {
    case "input":
      // a capitalised word is an open size
      for (const dim of s.dims) if (dim.kind !== "name" || cx.params.has(dim.text) || !/^[A-Z]/.test(dim.text)) expression(cx, dim);
      return;
    case "check":
      expression(cx, s.condition);
      return;
    case "if":
      expression(cx, s.condition);
      body(cx, s.then);
      if (s.else) body(cx, s.else);
      return;
    case "layer":
      layer(cx, s, next);
      return;
    case "output":
    case "from":
      return;
  }
}

/** A label becomes one part of the names of weights. What is inserted is no group, so it cannot be nested. */
function label(cx: Resolving, name: Name, inserted = false): void {
  if (name.text === "") cx.diagnostics.report(messages.SE003.unnamed(), name.span);
  else if (name.text.includes(".")) {
    const [first = "", ...rest] = name.text.split(".");
    const inner = rest.join("_");
    const help = inserted ? { help: `write \`${name.text.replaceAll(".", "_")}\`` } : {};
    cx.diagnostics.report(messages.SE003.dotted({ label: name.text, first, inner }), name.span, help);
  }
}

function layer(cx: Resolving, s: LayerStatement, next: Statement | undefined): void {
  if (s.label) label(cx, s.label);
  if (s.times) expression(cx, s.times);
  const { what } = s;
  switch (what.kind) {
    case "group":
      body(cx, what.body);
      return;
    case "merge":
      args(cx, what.args);
      for (const branch of what.branches) body(cx, branch.body);
      return;
    case "call": {
      args(cx, what.args);
      if (isKnown(cx, what)) return;
      // `fc linear(10)` on one line: a word without arguments directly before a layer is a label that lost its colon
      const sameLine = next && !what.span.file.text.slice(what.span.end, next.span.start).includes("\n");
      if (
        !s.label &&
        !s.times &&
        what.args.length === 0 &&
        sameLine &&
        next.kind === "layer" &&
        !next.label &&
        !nearMiss(cx, what.name.text)
      ) {
        const fixed = `${what.name.text}: ${sourceText(next.span)}`;
        cx.diagnostics.report(messages.SE105.colon({ name: what.name.text, fixed }), what.name.span);
      } else reportUnknownCall(cx, what);
    }
  }
}

const isKnown = (cx: Resolving, call: Call): boolean => isBuiltin(call.name.text) || cx.home.definitions.has(call.name.text);

const nearMiss = (cx: Resolving, name: string): string | undefined => nearest(name, [...builtinNames(), ...cx.home.definitions.keys()]);

/** SE104: with the nearest name, or the two hard sigmoids. */
function reportUnknownCall(cx: Resolving, call: Call): void {
  const { text: name, span } = call.name;
  if (name === "hsigmoid") {
    cx.diagnostics.report(messages.SE104.hsigmoid(), span);
    return;
  }
  const near = nearMiss(cx, name);
  const why =
    near !== undefined && near.toLowerCase() === name.toLowerCase()
      ? near === near.toLowerCase()
        ? "names are lower-case; "
        : "case matters; "
      : "";
  cx.diagnostics.report(messages.SE104.call({ name }), span, near === undefined ? {} : { help: `${why}did you mean \`${near}\`?` });
}

function base(cx: Resolving, call: Call, own: string): void {
  args(cx, call.args);
  const { text: name, span } = call.name;
  const found = cx.home.definitions.get(name)?.def;
  if (found?.kind === "net") return;
  if (found) {
    cx.diagnostics.report(messages.SE102.block({ name }), span, { notes: [`it is defined in ${placeText(found.name.span, span)}`] });
    return;
  }
  cx.diagnostics.report(messages.SE102.net({ name }), span, { help: wherefrom(cx, name, own) });
}

/** Where the net `name` may be had, or which one may be meant. */
function wherefrom(cx: Resolving, name: string, own: string): string {
  if (cx.home.ships?.(name)) return `\`use "${shippedPath(name)}"\` brings the net of that name that ships with sec`;
  const nets = [...cx.home.definitions].filter(([n, d]) => d.def.kind === "net" && n !== own).map(([n]) => n);
  const near = nearest(name, nets);
  if (near !== undefined) return `did you mean \`${near}\`?`;
  if (nets.length > 0) return `there is ${nets.map((n) => `\`${n}\``).join(", ")}`;
  return `name its file with \`use\`; nets that ship with sec are there by name: \`use "${shippedPath("resnet50")}"\``;
}

function resolveEdit(cx: Resolving, edit: Edit): void {
  selector(cx, edit.selector);
  for (const except of edit.except) selector(cx, except);
  if (edit.expect) expression(cx, edit.expect);
  if (edit.kind === "insert") label(cx, edit.as, true);
  if (edit.kind === "set") args(cx, edit.args);
  else if (edit.kind !== "remove") {
    args(cx, edit.call.args);
    if (!isKnown(cx, edit.call)) reportUnknownCall(cx, edit.call);
  }
}

function selector(cx: Resolving, s: Selector): void {
  for (const segment of s.segments) for (const predicate of segment.predicates) expression(cx, predicate.value);
}

function args(cx: Resolving, list: readonly Arg[]): void {
  for (const arg of list) expression(cx, arg.value);
}

/** Names of an expression; what they are is decided while expanding. */
function expression(cx: Resolving, expr: Expr): void {
  switch (expr.kind) {
    case "name":
      cx.read.add(expr.text);
      if (!cx.params.has(expr.text) && !cx.inputs.has(expr.text)) unknownName(cx, expr);
      return;
    case "list":
      for (const item of expr.items) expression(cx, item);
      return;
    case "apply":
      for (const arg of expr.args) expression(cx, arg);
      return;
    case "member":
      expression(cx, expr.object);
      return;
    case "index":
      expression(cx, expr.object);
      expression(cx, expr.index);
      return;
    case "unary":
      expression(cx, expr.operand);
      return;
    case "binary":
      expression(cx, expr.left);
      expression(cx, expr.right);
      return;
    default:
      return;
  }
}

/** SE101, in the words of the evaluator. */
function unknownName(cx: Resolving, expr: Expr): void {
  const report = (message: Message, place: Span, extra?: Extra): void => cx.diagnostics.report(message, place, extra);
  evaluate(expr, { scope: { home: cx.home, params: cx.params, inputs: cx.inputs }, arriving: undefined, here: undefined, report });
}

// ---- cycles ----------------------------------------------------------------------------------------------------------

/** SE114: definitions of this file that reach themselves, each cycle once. Cycles run within one file, because `use` has none. */
function reportCycles(spec: SpecFile, home: FileScope, diagnostics: Diagnostics): void {
  const done = new Set<Def>();
  for (const root of spec.defs) {
    // an explicit stack: a file can hold a chain of a hundred thousand blocks
    const stack: { readonly def: Def; readonly rest: string[] }[] = [];
    const inside = new Set<Def>();
    const push = (def: Def): void => {
      inside.add(def);
      stack.push({ def, rest: [...new Set(callees(def).map((c) => c.name.text))].reverse() });
    };
    if (!done.has(root) && home.definitions.get(root.name.text)?.def === root) push(root);
    for (let top = stack.at(-1); top; top = stack.at(-1)) {
      const name = top.rest.pop();
      if (name === undefined) {
        stack.pop();
        inside.delete(top.def);
        done.add(top.def);
        continue;
      }
      const next = home.definitions.get(name);
      if (next?.home !== home || done.has(next.def)) continue;
      if (!inside.has(next.def)) push(next.def);
      else reportCycle(stack.map((s) => s.def).slice(stack.findIndex((s) => s.def === next.def)), diagnostics);
    }
  }
}

/** `cycle`: every definition calls the next one, the last one the first. */
function reportCycle(cycle: readonly Def[], diagnostics: Diagnostics): void {
  const [first, last] = [cycle[0] as Def, cycle.at(-1) as Def];
  const name = first.name.text;
  const names = [...cycle, first].map((d) => `\`${d.name.text}\``);
  const shown = names.length > 8 ? [...names.slice(0, 4), "...", ...names.slice(-3)] : names;
  const verb = first.kind === "block" ? "calls" : "needs";
  const note = cycle.length === 1 ? `\`${name}\` ${verb} itself` : shown.join(` ${verb} `);
  const message = first.kind === "block" ? messages.SE114.block({ name, cycle: note }) : messages.SE114.net({ name, cycle: note });
  diagnostics.report(message, calleeSpan(last, name) ?? first.name.span);
}

const calleeSpan = (def: Def, name: string): Span | undefined => callees(def).find((c) => c.name.text === name)?.name.span;

/** Every call in a definition: in its body, its base, its edits. */
function callees(def: Def): Call[] {
  const found: Call[] = [];
  const inBody = (b: Body): void => {
    for (const s of b.statements) {
      if (s.kind === "if") {
        inBody(s.then);
        if (s.else) inBody(s.else);
      } else if (s.kind === "layer") {
        if (s.what.kind === "call") found.push(s.what);
        else if (s.what.kind === "group") inBody(s.what.body);
        else for (const branch of s.what.branches) inBody(branch.body);
      }
    }
  };
  if (def.kind === "block") inBody(def.body);
  else if (def.form.kind === "body") inBody(def.form.body);
  else {
    if (def.form.kind === "derived") found.push(def.form.base);
    for (const edit of def.form.edits) if (edit.kind === "insert" || edit.kind === "replace") found.push(edit.call);
  }
  return found;
}
