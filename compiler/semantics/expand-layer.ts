/** Built-in layers, `act(kind)` and `shared("path")`. */
import type { Message } from "../diagnostics/diagnostic.ts";
import { messages } from "../diagnostics/messages.gen.ts";
import { nearest } from "../diagnostics/suggest.ts";
import type { Attrs } from "../ir/graph.ts";
import { allOps, isOpName, opOf } from "../ops/index.ts";
import { readAttributes } from "../ops/read-attributes.ts";
import type { Span } from "../source.ts";
import type { Call, Name } from "../syntax/ast.ts";
import { kindText, valueText } from "./evaluate.ts";
import { bindArguments, checkAttributes, type Given, opSignature, type Signature, sourceText } from "./expand-arguments.ts";
import { type Context, countNodes, envOf, type Flow, type Names, type Place, report } from "./expand-context.ts";
import { resolveShared } from "./expand-jumps.ts";
import { base, placeNode, poisonNode } from "./expand-nodes.ts";
import { hasTensors, layerType } from "./infer-types.ts";
import { sharedType } from "./shared-type.ts";
import type { LayerNode, SharedNode, TreeNode } from "./tree.ts";
import { walk } from "./tree.ts";

const MERGES: ReadonlySet<string> = new Set(["residual", "add", "mul", "concat"]);

/** A layer that is called by its name: every op but those that only merges make. */
export const isBuiltin = (name: string): boolean => name === "act" || name === "shared" || (isOpName(name) && !MERGES.has(name));

/** Names of all built-in layers, in table order. */
export const builtinNames = (): string[] =>
  [...allOps()]
    .map(([name]) => name)
    .filter((n) => !MERGES.has(n))
    .concat("act", "shared");

/** What `act(kind)` makes: activations whose arguments all have defaults, and for "none" nothing. */
function activationOf(kind: unknown): { op: string; args: Attrs } | undefined {
  if (typeof kind !== "string" || !(kind === "none" || isOpName(kind))) return undefined;
  const op = kind === "none" ? "identity" : kind;
  const record = opOf(op);
  const args = kind === "none" || record.category === "activation" ? readAttributes(record, {}).data : undefined;
  return args && { op, args };
}

/** What `act(kind)` accepts. */
const activationKinds = (): string[] => [...[...allOps()].map(([name]) => name), "none"].filter((name) => activationOf(name) !== undefined);

const actSignature: Signature = { name: "act", params: [{ name: "kind", required: true }], text: "act(kind)" };
const sharedSignature: Signature = { name: "shared", params: [{ name: "of", required: true }], text: 'shared("path")' };

export function expandBuiltin(cx: Context, call: Call, label: Name | undefined, place: Place, flow: Flow): Flow {
  if (!countNodes(cx, 1, call.span)) return undefined;
  if (call.name.text === "shared") return expandShared(cx, call, label, place, flow);
  const made = call.name.text === "act" ? activation(cx, call, flow) : attributes(cx, call, flow);
  if (!made) {
    poisonNode(cx, place, call.span, call.name.span, flow, label);
    return undefined;
  }
  const node: LayerNode = {
    kind: "layer",
    op: made.op,
    args: made.args,
    call: call.name.text,
    argSpans: spansOf(made.given),
    ...base(cx, place, call.span, call.name.span, flow),
  };
  const named = placeNode(cx, place, node, label, true);
  node.out = layerType(node, flow ?? undefined, (message, span, extra) => report(cx, namedByBlock(cx, node, message), span, extra));
  named.done = true;
  if (place.branch !== undefined && !label && hasTensors(node, node.in)) reportUnlabelled(cx, place, node, call);
  return node.out;
}

/** In the library it is the block that needs a feature map: users did not write its layers. */
function namedByBlock(cx: Context, node: LayerNode, message: Message): Message {
  let frame = cx.frame;
  if (message.code !== "SE205" || !frame?.home.library) return message;
  while (frame.outer?.home.library) frame = frame.outer;
  return { ...message, title: message.title.replace(`\`${node.op}\``, `\`${frame.name}\``) };
}

const spansOf = (given: ReadonlyMap<string, Given>): Map<string, Span> => new Map([...given].map(([k, v]) => [k, v.argSpan]));

interface Made {
  readonly op: string;
  readonly args: Readonly<Record<string, unknown>>;
  readonly given: ReadonlyMap<string, Given>;
}

function attributes(cx: Context, call: Call, flow: Flow): Made | undefined {
  const op = call.name.text;
  const record = opOf(op);
  const env = envOf(cx, flow);
  const given = bindArguments(opSignature(op, record), call.args, call.name.span, env);
  const args = given && checkAttributes(op, record, given, call.name.span, env.report);
  return args && given && { op, args, given };
}

function activation(cx: Context, call: Call, flow: Flow): Made | undefined {
  const env = envOf(cx, flow);
  const given = bindArguments(actSignature, call.args, call.name.span, env);
  const kind = given?.get("kind");
  if (!given || kind?.value === undefined) return undefined;
  const made = activationOf(kind.value);
  if (made) return { ...made, given };
  if (kind.value === "hsigmoid") env.report(messages.SE113.hsigmoid({ arg: "kind" }), kind.span);
  else if (typeof kind.value !== "string") {
    env.report(messages.SE112.argument({ arg: "kind", wants: "the name of an activation", got: kindText(kind.value) }), kind.span);
  } else {
    const kinds = activationKinds();
    const near = nearest(kind.value, kinds);
    const choices = kinds.map(valueText).join(", ");
    const help = near === undefined ? {} : { help: `did you mean ${valueText(near)}? one of ${choices}` };
    env.report(messages.SE113.choice({ arg: "kind", got: valueText(kind.value), choices }), kind.span, help);
  }
  return undefined;
}

function expandShared(cx: Context, call: Call, label: Name | undefined, place: Place, flow: Flow): Flow {
  const env = envOf(cx, flow);
  const of = bindArguments(sharedSignature, call.args, call.name.span, env)?.get("of");
  let target: TreeNode | undefined;
  if (typeof of?.value === "string") target = resolveShared(cx, place.names, of.value, of.span);
  else if (of?.value !== undefined)
    env.report(messages.SE112.argument({ arg: "of", wants: "a path as a string", got: kindText(of.value) }), of.span);
  if (!target || !countNodes(cx, sizeOf(target), call.span)) {
    poisonNode(cx, place, call.span, call.name.span, flow, label);
    return undefined;
  }
  const node: SharedNode = { kind: "shared", target, of: String(of?.value), ...base(cx, place, call.span, call.name.span, flow) };
  placeNode(cx, place, node, label, true).done = true;
  node.out = sharedType(node, flow ?? undefined, (message, span, extra) => report(cx, message, span, extra));
  return node.out;
}

/** Layers one use evaluates: shared parts inside count in full again. */
function sizeOf(target: TreeNode): number {
  const sizes = new Map<TreeNode, number>();
  const size = (node: TreeNode): number => {
    const known = sizes.get(node);
    if (known !== undefined) return known;
    let n = 0;
    walk(node, (inner) => {
      n += inner.kind === "shared" ? 1 + size(inner.target) : 1;
    });
    sizes.set(node, n);
    return n;
  };
  return size(target);
}

/** SE108, for a layer, group or block with weights. */
export function reportUnlabelled(cx: Context, place: Place, node: TreeNode, call: Call | undefined): void {
  const name = call?.name.text ?? "group";
  const free = freeLabel(place.names, name);
  const fixed = call ? `${free}: ${sourceText(call.span)}` : `${free}: { ... }`;
  report(cx, messages.SE108.label({ branch: place.branch ?? "", number: node.part, fixed }), node.nameSpan);
}

/** "conv1", or the first of conv2, conv3, ... that is free. */
function freeLabel(names: Names, word: string): string {
  for (let n = 1; ; n++) if (!names.labels.has(`${word}${n}`) && !names.branches.has(`${word}${n}`)) return `${word}${n}`;
}
