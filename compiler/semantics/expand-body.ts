/** Runs the statements of a body: layers, repetitions, conditions, checks, jumps, inputs and outputs (language.md section 6). */
import { messages } from "../diagnostics/messages.gen.ts";
import { LIMITS } from "../limits.ts";
import type { Body, FromStatement, Gap, Group, IfStatement, LayerStatement, OutputStatement, Statement } from "../syntax/ast.ts";
import { evaluate, evaluateCondition, kindText } from "./evaluate.ts";
import { sourceText } from "./expand-arguments.ts";
import { containsTensors, expandCall } from "./expand-call.ts";
import { expandCheck } from "./expand-check.ts";
import { type Context, countNodes, envOf, type Flow, namesOf, type Place, report } from "./expand-context.ts";
import { expandInput } from "./expand-input.ts";
import { resolveFrom } from "./expand-jumps.ts";
import { reportUnlabelled } from "./expand-layer.ts";
import { expandMerge } from "./expand-merge.ts";
import { base, isNumbered, placeNode, poisonNode } from "./expand-nodes.ts";
import { valueType } from "./infer-types.ts";
import type { JumpTarget, LevelNode } from "./tree.ts";

/** The value after the last statement. */
export function expandStatements(cx: Context, { statements, gaps }: Body, place: Place, flow: Flow): Flow {
  let current = flow;
  for (const [i, statement] of statements.entries()) {
    if (gaps && valueLost(gaps, i)) current = undefined;
    current = expandStatement(cx, statement, place, current);
  }
  return gaps && valueLost(gaps, statements.length) ? undefined : current;
}

/** What could not be read and makes no value: two statements, and a name in the wrong place. */
const NO_VALUE = new Set(["check", "output", "as"]);

/** Whether what could not be read between two statements may have made a value. */
const valueLost = (gaps: readonly Gap[], after: number): boolean => gaps.some((gap) => gap.after === after && !NO_VALUE.has(gap.word));

function expandStatement(cx: Context, statement: Statement, place: Place, flow: Flow): Flow {
  switch (statement.kind) {
    case "layer":
      return expandLayerStatement(cx, statement, place, flow);
    case "from":
      return expandFrom(cx, statement, place, flow);
    case "if":
      return expandIf(cx, statement, place, flow);
    case "check":
      expandCheck(cx, statement, flow);
      return flow;
    case "input":
      return inNetBody(cx, place, statement.kind, statement.span) ? expandInput(cx, statement, place) : undefined;
    case "output":
      return expandOutput(cx, statement, place, flow);
  }
}

function expandIf(cx: Context, statement: IfStatement, place: Place, flow: Flow): Flow {
  const condition = evaluateCondition(statement.condition, "if", envOf(cx, flow));
  if (condition === undefined) return undefined;
  const taken = condition ? statement.then : statement.else;
  return taken ? expandStatements(cx, taken, place, flow) : flow;
}

function expandLayerStatement(cx: Context, statement: LayerStatement, place: Place, flow: Flow): Flow {
  const times = statement.times ? repetitions(cx, statement, flow) : 1;
  if (times === undefined) return undefined;
  let current = flow;
  const before = cx.tree.count.nodes;
  for (let i = 0; i < times; i++) {
    current = expandLayer(cx, statement, place, current);
    // one repetition tells how large all of them will be: 10^9 layers are refused after the first
    const rest = i === 0 ? (cx.tree.count.nodes - before) * (times - 1) : 0;
    if (rest > 0 && cx.tree.count.nodes + rest > LIMITS.layers) {
      countNodes(cx, rest, statement.times?.span ?? statement.span);
      return undefined;
    }
  }
  return current;
}

function repetitions(cx: Context, statement: LayerStatement, flow: Flow): number | undefined {
  const expr = statement.times as NonNullable<LayerStatement["times"]>;
  const times = evaluate(expr, envOf(cx, flow));
  if (times === undefined) return undefined;
  if (typeof times !== "number" || !Number.isInteger(times) || times < 0) {
    report(cx, messages.SE112.times({ got: kindText(times) }), expr.span);
    return undefined;
  }
  if (statement.label && !isNumbered(statement.label.text)) {
    const { text } = statement.label;
    const what = sourceText(statement.what.span);
    const fixed = `${text}: { ${what.length > 40 ? "..." : what} * ${times} }`;
    report(cx, messages.SE116.label({ times, label: text, fixed }), expr.span);
    return 1;
  }
  if (times > LIMITS.repeat) {
    report(cx, messages.SE010.repeat({ times, limit: LIMITS.repeat }), expr.span);
    return undefined;
  }
  if (times === 0 && expr.kind === "number") report(cx, messages.SE192.zero(), expr.span);
  return times;
}

function expandLayer(cx: Context, { label, what }: LayerStatement, place: Place, flow: Flow): Flow {
  switch (what.kind) {
    case "call":
      return expandCall(cx, what, label, place, flow);
    case "merge":
      if (flow !== null) return expandMerge(cx, what, label, place, flow);
      report(cx, messages.SE119.early({ what: what.word }), what.wordSpan);
      poisonNode(cx, place, what.span, what.wordSpan, undefined, label);
      return undefined;
    case "group":
      return expandGroup(cx, what, label, place, flow);
  }
}

function expandGroup(cx: Context, group: Group, label: LayerStatement["label"], place: Place, flow: Flow): Flow {
  if (!countNodes(cx, 1, group.span)) return undefined;
  const nameSpan = label?.span ?? { ...group.span, end: Math.min(group.span.start + 1, group.span.end) };
  const node: LevelNode = {
    kind: "level",
    level: "group",
    type: "group",
    items: [],
    args: new Map(),
    ...base(cx, place, group.span, nameSpan, flow),
  };
  const named = placeNode(cx, place, node, label, true);
  const inside: Place = { container: node, names: namesOf(node, place.names), counter: { counted: 0 }, branch: undefined };
  const value = expandStatements(cx, group.body, inside, flow);
  node.out = value ?? undefined;
  named.done = true;
  if (place.branch !== undefined && !label && containsTensors(node)) reportUnlabelled(cx, place, node, undefined);
  return value;
}

function expandFrom(cx: Context, statement: FromStatement, place: Place, _flow: Flow): Flow {
  const target = resolveFrom(cx, place.names, statement.path);
  if (!target) return undefined;
  const text = sourceText(statement.path.span);
  place.container.items.push({ kind: "from", target, text, origin: { span: statement.span, via: cx.via } });
  return typeAt(cx, target);
}

function typeAt(cx: Context, target: JumpTarget): Flow {
  switch (target.kind) {
    case "node":
      return valueType(target.node);
    case "entry":
      return cx.arriving;
    case "input":
    case "output":
      return target.item.type;
  }
}

/** `input` and `output` stand in the net's own body, or in an `if` there. */
function inNetBody(cx: Context, place: Place, kind: "input" | "output", span: Statement["span"]): boolean {
  if (place.container === cx.owner && cx.owner.level === "net") return true;
  const inside = cx.owner.level === "block" ? "block" : place.branch !== undefined ? "branch" : "group";
  report(cx, messages.SE119.misplaced({ kind, inside }), span);
  return false;
}

function expandOutput(cx: Context, statement: OutputStatement, place: Place, flow: Flow): Flow {
  const name = statement.name.text;
  if (!inNetBody(cx, place, "output", statement.span)) return flow;
  if (flow === null) {
    report(cx, messages.SE119.early({ what: `output ${name}` }), statement.span);
    return undefined;
  }
  if (place.names.outputs.has(name)) {
    report(cx, messages.SE119.twice({ kind: "output", name }), statement.name.span);
    return flow;
  }
  const item = { kind: "output" as const, name, type: flow, origin: { span: statement.span, via: cx.via } };
  place.names.outputs.set(name, item);
  place.container.items.push(item);
  return flow;
}
