/** Calls of blocks, and of nets used as layers (language.md sections 4 and 8). */
import { messages } from "../diagnostics/messages.gen.ts";
import type { Span } from "../source.ts";
import type { BlockDef, Call, Name, Param } from "../syntax/ast.ts";
import { evaluate } from "./evaluate.ts";
import { bindArguments, type Given, paramSignature } from "./expand-arguments.ts";
import { type Context, countNodes, enter, envOf, type Flow, type Frame, namesOf, type Place, report } from "./expand-context.ts";
import { expandBuiltin, isBuiltin, reportUnlabelled } from "./expand-layer.ts";
import { base, placeNode, poisonNode } from "./expand-nodes.ts";
import { hasTensors } from "./infer-types.ts";
import type { Definition, Scope, SpecValue } from "./scope.ts";
import { children, type LevelNode, type TreeNode } from "./tree.ts";

export function expandCall(cx: Context, call: Call, label: Name | undefined, place: Place, flow: Flow): Flow {
  const name = call.name.text;
  if (flow === null) {
    report(cx, messages.SE119.early({ what: name }), call.name.span);
    poisonNode(cx, place, call.span, call.name.span, undefined, label);
    return undefined;
  }
  if (isBuiltin(name)) return expandBuiltin(cx, call, label, place, flow);
  if (!countNodes(cx, 1, call.span)) return undefined;
  const definition = cx.scope.home.definitions.get(name);
  if (!definition) {
    // resolve-names.ts has reported it for every body of the file
    poisonNode(cx, place, call.span, call.name.span, flow, label);
    return undefined;
  }
  const { def } = definition;
  const given = bindArguments(paramSignature(name, def.params), call.args, call.name.span, envOf(cx, flow));
  const entered = enter(cx, def, call.name.span);
  if (!given || !entered) {
    poisonNode(cx, place, call.span, call.name.span, flow, label);
    return undefined;
  }
  const node: LevelNode = {
    kind: "level",
    level: def.kind,
    type: name,
    items: [],
    args: new Map(),
    ...base(cx, place, call.span, call.name.span, flow),
  };
  const named = placeNode(cx, place, node, label, true);
  const value = fillLevel({ ...cx, entered }, definition, node, { given, call, at: call.name.span }, flow);
  named.done = true;
  if (place.branch !== undefined && !label && containsTensors(node)) reportUnlabelled(cx, place, node, call);
  return value;
}

/** Expands the insides of a block or net into `node` and sets its `args`, `source`, `out`. */
export function fillLevel(
  cx: Context,
  definition: Definition,
  node: LevelNode,
  from: { readonly given: ReadonlyMap<string, Given>; readonly call: Call; readonly at: Span },
  flow: Flow,
): Flow {
  const { def, home } = definition;
  const frame: Frame = {
    kind: def.kind,
    name: def.name.text,
    home,
    call: from.call.span,
    at: from.at,
    given: from.given,
    outer: cx.frame,
  };
  const params = new Map<string, SpecValue | undefined>();
  const scope: Scope = { home, params, inputs: new Map() };
  const arriving = def.kind === "block" ? flow : null;
  const inner: Context = { ...cx, scope, arriving, owner: node, frame, via: [from.call.span, ...cx.via], feed: flow };
  bindParams(inner, def.params, from.given, params, flow);
  node.args = params;
  const value = def.kind === "block" ? expandBlock(inner, def, node, flow) : cx.knot.netInside(inner, { def, home }, node, flow);
  node.source = { def, scope, given: from.given, call: from.call };
  node.out = value ?? undefined;
  return value;
}

/** Given values as they are; defaults inside the block, left to right, seeing earlier parameters and `in`. */
export function bindParams(
  cx: Context,
  params: readonly Param[],
  given: ReadonlyMap<string, { readonly value: SpecValue | undefined }>,
  into: Map<string, SpecValue | undefined>,
  here: Flow,
): void {
  for (const param of params) {
    const key = param.name.text;
    const own = given.get(key);
    into.set(key, own ? own.value : param.default && evaluate(param.default, envOf(cx, here)));
  }
}

function expandBlock(cx: Context, def: BlockDef, node: LevelNode, flow: Flow): Flow {
  const place: Place = { container: node, names: namesOf(node, undefined), counter: { counted: 0 }, branch: undefined };
  return cx.knot.statements(cx, def.body, place, flow);
}

/** True when the node or something inside it has weights of its own. */
export function containsTensors(node: TreeNode): boolean {
  if (node.kind === "layer") return hasTensors(node, node.in);
  return [...node.before, ...node.after].some(containsTensors) || children(node).some(containsTensors);
}
