/**
 * Types of layers and merges by the rules of their ops, and `inferTree`, which works the types of a whole tree out anew after an edit.
 * Mistakes are reported with where the other half of the conflict comes from (whence.ts).
 */
import type { Diagnostics, Extra, Message } from "../diagnostics/diagnostic.ts";
import { messages } from "../diagnostics/messages.gen.ts";
import { numel, shapeText, type TensorType } from "../ir/type.ts";
import { LIMITS } from "../limits.ts";
import { opOf } from "../ops/index.ts";
import { isProblem } from "../ops/op.ts";
import { lineText, position, type Span } from "../source.ts";
import type { LayerNode, MergeNode, NetTree, TreeNode } from "./tree.ts";
import { evaluateTree, type Use } from "./tree-values.ts";
import { channelsNote, mergeHelp, mergeNotes, rankNote, sizeNote } from "./whence.ts";

export type Report = (message: Message, place: Span, extra?: Extra) => void;

/** True when the layer has tensors of its own for an input of this type. */
export function hasTensors(node: LayerNode, type: TensorType | undefined): boolean {
  const { weights } = opOf(node.op);
  return (
    weights !== undefined && type !== undefined && node.out !== undefined && Object.keys(weights([type], node.args as never)).length > 0
  );
}

/** The type the layer gives; undefined after a report, or when the input is unknown. */
export function layerType(node: LayerNode, input: TensorType | undefined, report: Report): TensorType | undefined {
  if (!input) return undefined;
  const { infer, weights } = opOf(node.op);
  const result = infer([input], node.args as never);
  if (!isProblem(result)) {
    const own = weights?.([input], node.args as never) ?? {};
    const tensors = Object.entries(own).map(([name, { shape }]) => ({ what: `the tensor \`${name}\` of \`${node.op}\``, shape }));
    return withinMemory([{ what: `the result of \`${node.op}\``, shape: result.shape }, ...tensors], node.nameSpan, report)
      ? result
      : undefined;
  }
  const { problem, arg } = result;
  const place = (arg === undefined ? undefined : node.argSpans.get(arg)) ?? node.nameSpan;
  const note = whence(node, input, problem.code);
  report(problem, place, { ...(note === undefined ? {} : { notes: [note] }) });
  return undefined;
}

/** SE010 at what no target could hold, or write. False after a report. */
export function withinMemory(
  list: readonly { readonly what: string; readonly shape: TensorType["shape"] }[],
  place: Span,
  report: Report,
): boolean {
  const large = list.find(({ shape }) => 4 * numel(shape) > LIMITS.tensorBytes);
  if (!large) return true;
  const size = 4 * numel(large.shape);
  const shown = size < 2 ** 40 ? `${(size / 2 ** 30).toFixed(1)} GiB` : `${(size / 2 ** 40).toPrecision(3)} TiB`;
  report(
    messages.SE010.tensor({ what: large.what, shape: shapeText(large.shape), size: shown, limit: `${LIMITS.tensorBytes / 2 ** 30} GiB` }),
    place,
  );
  return false;
}

/** Ops whose SE206 is about the size of the map. */
const SIZED: ReadonlySet<string> = new Set(["conv", "deconv", "maxpool", "avgpool", "maxpool_to", "avgpool_to", "pad", "pixelunshuffle"]);

/** The other half of a conflict: where the channels, the rank or the size come from. */
function whence(node: LayerNode, input: TensorType, code: string): string | undefined {
  const beside = node.origin.via.at(-1) ?? node.nameSpan;
  if (code === "SE205") return rankNote(node, beside);
  if (code === "SE203") return node.args.over === "hw" ? undefined : channelsNote(node, input, beside);
  if (node.op === "slice") return node.args.axis === "c" ? channelsNote(node, input, beside) : sizeNote(node, input, beside);
  return SIZED.has(node.op) ? sizeNote(node, input, beside) : undefined;
}

/** The type of a merge of branches with these types. */
export function mergeType(
  node: MergeNode,
  types: readonly (TensorType | undefined)[],
  arriving: TensorType | undefined,
  report: Report,
): TensorType | undefined {
  if (types.length === 0 || types.some((t) => t === undefined)) return undefined;
  const known = types as TensorType[];
  const branch = (name: string): TensorType | undefined => known[node.branches.findIndex((b) => b.name === name)];
  const extra = (): Extra => {
    const help = mergeHelp(node, known);
    return { notes: mergeNotes(node), ...(help === undefined ? {} : { help }) };
  };
  if (node.word === "residual") {
    const main = branch("main");
    const shortcut = node.branches.some((b) => b.name === "shortcut") ? branch("shortcut") : arriving;
    if (!main || !shortcut) return undefined;
    const [a, b] = [shapeText(main.shape), shapeText(shortcut.shape)];
    if (a === b) return main;
    report(messages.SE201.residual({ main: a, shortcut: b }), node.nameSpan, extra());
    return undefined;
  }
  const result = opOf(node.word).infer(known, node.args as never);
  if (!isProblem(result))
    return withinMemory([{ what: `the result of \`${node.word}\``, shape: result.shape }], node.nameSpan, report) ? result : undefined;
  if (result.problem.code !== "SE201") report(result.problem, node.nameSpan);
  else {
    const shapes = node.branches.map((b, i) => `${b.name} ${shapeText((known[i] as TensorType).shape)}`).join(", ");
    report(messages.SE201.differ({ word: node.word, shapes }), node.nameSpan, extra());
  }
  return undefined;
}

/** Shared weights fit only the channels (or features) they were made for. */
export function sharedFits(node: LayerNode, input: TensorType | undefined, use: Use, report: Report): boolean {
  const made = node.in;
  if (!input || !made || !hasTensors(node, made)) return true;
  if (input.shape.length === made.shape.length && input.shape[1] === made.shape[1]) return true;
  report(messages.SE202.shared({ of: use.node.of, made: String(made.shape[1]), arriving: String(input.shape[1]) }), use.node.nameSpan);
  return false;
}

/** Type of a node's value for its readers: with everything inserted after it. */
export function valueType(node: TreeNode): TensorType | undefined {
  const last = node.after[node.after.length - 1];
  return last ? valueType(last) : node.out;
}

/**
 * Reports at the outermost call around the node, or where it is written; `nameSpan` inside blocks goes into a note.
 * Used where no expansion is going on: after edits.
 */
export function reportAtNode(diagnostics: Diagnostics, node: TreeNode, message: Message, place: Span, extra: Extra = {}): void {
  const { via } = node.origin;
  const outermost = via[via.length - 1];
  if (!outermost) {
    diagnostics.report(message, place, extra);
    return;
  }
  const owners: string[] = [];
  for (let at = node.parent; at; at = at.parent)
    if (at.kind === "level" && at.level !== "group" && at.parent) owners.push(`${at.level} \`${at.type}\``);
  const notes = [place, ...via.slice(0, -1)].map((inside, i) => {
    const { line } = position(inside.file, inside.start);
    return `in the ${owners[i] ?? "block"} (${inside.file.name}:${line}): ${lineText(inside.file, line).trim().replace(/\s+/g, " ")}`;
  });
  diagnostics.report(message, outermost, { ...extra, notes: [...(extra.notes ?? []), ...notes] });
}

/**
 * Works out every node's `in` and `out`, and the types of outputs, anew. Linear in the number of evaluated layers.
 * Reports shape errors (SE2xx) and jumps to what has no value any more (SE117); unknown types are undefined afterwards.
 */
export function inferTree(tree: NetTree, diagnostics: Diagnostics): void {
  evaluateTree<TensorType | undefined>(
    tree.root,
    {
      input: (item) => item.type,
      arrive(node, type, use) {
        if (!use) node.in = type;
      },
      layer(node, input, use) {
        const at = use?.node ?? node;
        const report: Report = (message, place, extra) => reportAtNode(diagnostics, at, message, use ? use.node.nameSpan : place, extra);
        if (use && !sharedFits(node, input, use, report)) return undefined;
        return layerType(node, input, report);
      },
      merge(node, values, use, arriving) {
        const at = use?.node ?? node;
        return mergeType(node, values, arriving, (message, place, extra) =>
          reportAtNode(diagnostics, at, message, use ? use.node.nameSpan : place, extra),
        );
      },
      leave(node, value, use) {
        if (!use) node.out = value;
      },
      output(item, value) {
        item.type = value;
      },
      unknown(item) {
        // a layer that reads an unknown value is silent: the jump that has none was reported
        if (item.kind === "from") diagnostics.report(messages.SE117.gone({ what: `from ${item.text}`, name: item.text }), item.origin.span);
        if (item.kind === "shared") {
          reportAtNode(diagnostics, item, messages.SE117.gone({ what: `shared("${item.of}")`, name: item.of }), item.nameSpan);
        }
        return undefined;
      },
      tooMany: (node) => reportAtNode(diagnostics, node, messages.SE010.layers({ limit: LIMITS.layers }), node.nameSpan),
    },
    LIMITS.layers,
  );
}
