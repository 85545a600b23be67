/**
 * A net under construction, for readers of foreign formats: every node is checked by the op's own schema and shape rule as it is added,
 * so a reader knows the shape of every value. Nothing here knows a format.
 */
import type { Message } from "../diagnostics/diagnostic.ts";
import { messages } from "../diagnostics/messages.gen.ts";
import { invariant, must } from "../invariant.ts";
import { f32, numel, shapeText, type TensorType } from "../ir/type.ts";
import type { TensorValues } from "../ir/values.ts";
import { isOpName, opOf } from "../ops/index.ts";
import { isProblem } from "../ops/op.ts";
import { readAttributes } from "../ops/read-attributes.ts";
import { pairOf, type Size } from "../ops/shape.ts";
import { isIdentifier, isKeyword } from "../syntax/words.ts";
import type { ImportedInput, ImportedNet, ImportedNode, ImportedTensor } from "./imported.ts";

/** A node to add. Without `tensors` the net has no weights for it. */
export interface DraftNode {
  /** Made unique by a number. */
  readonly label: string;
  readonly op: string;
  readonly inputs: readonly string[];
  readonly attrs?: Readonly<Record<string, unknown>>;
  /** Values by role, with as many elements as the op's shape rule says. */
  readonly tensors?: Readonly<Record<string, TensorValues>> | undefined;
  /** The value of an earlier node whose layer this is once more. */
  readonly same?: string | undefined;
}

export interface NetDraft {
  /** Declares an input; the batch is open. `size` is [C, H, W] or [F]. Gives the value. */
  input(name: string, size: readonly number[]): string;
  /** Gives the value of the node, or why the layer cannot be. */
  add(node: DraftNode): string | Message;
  typeOf(value: string): TensorType;
  /** The node that makes a value; undefined for an input. */
  nodeOf(value: string): ImportedNode | undefined;
  /** Shapes of the weights that an op has on these inputs, without counters. */
  weightShapes(
    op: string,
    inputs: readonly string[],
    attrs: Readonly<Record<string, unknown>>,
  ): Record<string, readonly number[]> | Message;
  /** Nodes and inputs that no output needs are left out. */
  finish(name: string, outputs: readonly { readonly name: string; readonly value: string }[]): ImportedNet;
}

/** The largest number that is taken for a size; what a damaged file claims must not cost time or memory. */
export const LARGEST_SIZE = 1 << 20;
/** Elements of one image in one value. */
const LARGEST_VALUE = 2 ** 31;
/** Taps that a shape rule looks at along one axis. */
const LARGEST_SCAN = 1 << 24;

export function netDraft(): NetDraft {
  const types = new Map<string, TensorType>();
  const inputs: ImportedInput[] = [];
  const nodes = new Map<string, ImportedNode>();
  const weights = new Map<string, ImportedTensor>();
  const labels = new Map<string, number>();

  const unique = (wanted: string): string => {
    let label = wanted;
    for (let n = labels.get(wanted) ?? 0; labels.has(label); n++, labels.set(wanted, n)) label = `${wanted}_${n + 1}`;
    labels.set(label, labels.get(label) ?? 0);
    return label;
  };
  const typeOf = (value: string): TensorType => must(types.get(value), `value ${value}`);
  const parsed = (op: string, attrs: Readonly<Record<string, unknown>>): { attrs: never } | Message => {
    invariant(isOpName(op), `op ${op}`);
    const result = readAttributes(opOf(op), attrs);
    if (result.success) return { attrs: result.data as never };
    const issue = must(result.error.issues[0], "an issue");
    return messages.SE612.argument({
      op,
      argument: issue.path.join("."),
      given: JSON.stringify(attrs[String(issue.path[0])]) ?? "nothing",
    });
  };

  return {
    input(name, size) {
      const value = `in:${unique(name)}`;
      types.set(value, f32("N", ...size));
      inputs.push({ name: value, shape: ["N", ...size] });
      return value;
    },
    typeOf,
    nodeOf: (value) => nodes.get(value),
    weightShapes(op, from, attrs) {
      const found = parsed(op, attrs);
      if ("code" in found) return found;
      const specs = opOf(op).weights?.(from.map(typeOf), found.attrs) ?? {};
      return Object.fromEntries(Object.entries(specs).flatMap(([role, w]) => (w.dtype === "i64" ? [] : [[role, w.shape]])));
    },
    add({ label: wanted, op, inputs: from, attrs = {}, tensors, same }) {
      const found = parsed(op, attrs);
      if ("code" in found) return found;
      const read = from.map(typeOf);
      const large = tooLarge(op, read, attrs);
      if (large) return large;
      const type = opOf(op).infer(read, found.attrs);
      if (isProblem(type)) return type.problem;
      if (numel(type.shape) > LARGEST_VALUE) return messages.SE612.size({ shape: shapeText(type.shape) });
      const label = unique(wanted);
      const own: Record<string, string> = {};
      for (const [role, data] of Object.entries(tensors ?? {})) {
        const shape = must(opOf(op).weights?.(read, found.attrs)[role], `weight ${role} of ${op}`).shape;
        invariant(numel(shape) === data.length, `${label}.${role} has ${data.length} elements for [${shape}]`);
        own[role] = `${label}.${role}`;
        weights.set(`${label}.${role}`, { shape, data });
      }
      types.set(label, type);
      nodes.set(label, { label, op, inputs: from, output: label, attrs, tensors: own, ...(same === undefined ? {} : { same }) });
      return label;
    },
    finish(name, outputs) {
      const needed = new Set(outputs.map((o) => o.value));
      for (const node of [...nodes.values()].reverse()) if (needed.has(node.output)) for (const v of node.inputs) needed.add(v);
      const kept = [...nodes.values()]
        .filter((n) => needed.has(n.output))
        .map(({ same, ...n }) => (same !== undefined && needed.has(same) ? { ...n, same, tensors: {} } : n));
      const used = new Set(kept.flatMap((n) => Object.values(n.tensors)));
      // values of inputs are called as the inputs; until here `in:` kept them apart from layers of the same name
      const plain = (value: string): string => (nodes.has(value) ? value : value.slice(3));
      const clash = new Set(kept.map((n) => n.output));
      const ofInput = (value: string): string => (clash.has(plain(value)) ? value : plain(value));
      const renamed = (value: string): string => (nodes.has(value) ? value : ofInput(value));
      return {
        name,
        inputs: inputs.filter((i) => needed.has(i.name)).map((i) => ({ ...i, name: renamed(i.name) })),
        nodes: kept.map((n) => ({ ...n, inputs: n.inputs.map(renamed) })),
        outputs: outputs.map((o) => ({ name: o.name, value: renamed(o.value) })),
        weights: new Map([...weights].filter(([key]) => used.has(key))),
      };
    },
  };
}

/** Shape rules of pools look at every tap of every window; a file must not be able to ask for hours of that. */
function tooLarge(op: string, inputs: readonly TensorType[], attrs: Readonly<Record<string, unknown>>): Message | undefined {
  for (const value of Object.values(attrs).flat())
    if (
      typeof value === "number" &&
      (Number.isNaN(value) || (Number.isInteger(value) && Math.abs(value) > LARGEST_SIZE && "kernel" in attrs))
    )
      return messages.SE612.number({ op, given: value });
  const shape = inputs[0]?.shape;
  if ((op !== "maxpool" && op !== "avgpool") || shape?.length !== 4) return undefined;
  const kernel = pairOf(attrs.kernel as Size);
  const scan = Math.max(...kernel.map((k, i) => k * (shape[i + 2] as number)));
  return scan > LARGEST_SCAN ? messages.SE612.number({ op, given: Math.max(...kernel) }) : undefined;
}

/** Whether a net may be called so. */
export const isNetName = (text: string): boolean => isIdentifier(text) && !isOpName(text) && !isKeyword(text);

/** A name for a net in the language, from any text. */
export function netName(text: string, taken: (name: string) => boolean): string {
  const bare = text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "_")
    .replace(/^_+|_+$/g, "");
  const name = /^[a-z]/.test(bare) ? bare.slice(0, 100) : `net_${bare}`.slice(0, 100).replace(/_+$/, "");
  return taken(name) || isOpName(name) || isKeyword(name) ? `${name}_net` : name;
}
