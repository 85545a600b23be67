/**
 * Which value every layer of an expanded net reads, and who reads it: what the proof of `init preserve` walks on.
 * Types and attributes stay on the tree; a value has the type its step gives.
 */
import { must } from "../invariant.ts";
import type { TensorType } from "../ir/type.ts";
import { opOf } from "../ops/index.ts";
import type { FromItem, InputItem, Item, LayerNode, LevelNode, MergeNode, OutputItem, SharedNode, TreeNode } from "./tree.ts";
import { isNode } from "./tree.ts";

/** One computation and the value it makes. Steps are in order of computation; ids are their places in `Flow.steps`. */
export interface Step {
  readonly id: number;
  /** "input", a merge word, or a key of the op table. */
  readonly what: string;
  /** The layer or merge; for a use by `shared` the layer whose weights it is. Absent for an input. */
  readonly node: LayerNode | MergeNode | undefined;
  readonly inputs: readonly Step[];
  readonly type: TensorType | undefined;
  /** One entry for every time a later step reads the value. */
  readonly readers: Step[];
  /** How many outputs of the net are this value. */
  outputs: number;
  /** The name of an input, the path's owner otherwise. */
  readonly name: string | undefined;
}

/** An inserted call as a piece of the flow: the steps with `start <= id < end` are its own. */
export interface Region {
  readonly node: TreeNode;
  readonly entry: Step;
  readonly result: Step;
  readonly start: number;
  readonly end: number;
}

export interface Flow {
  readonly steps: readonly Step[];
  /** Every use of an inserted node, in order of computation; a node inside a shared part has several. */
  readonly regions: readonly Region[];
  /** How often an inserted node is used. */
  readonly insertions: ReadonlyMap<TreeNode, number>;
  /** How many steps compute with the weights of a layer. */
  readonly uses: ReadonlyMap<LayerNode, number>;
}

/** Final values by node, entries by level, and outputs, of one use of a part; `outer` is what surrounds the use. */
interface Values {
  readonly nodes: Map<TreeNode, Step>;
  readonly entries: Map<LevelNode, Step>;
  readonly inputs: Map<InputItem, Step>;
  readonly outputs: Map<OutputItem, Step>;
  readonly outer: Values | undefined;
}

const noValues = (outer: Values | undefined): Values => ({
  nodes: new Map(),
  entries: new Map(),
  inputs: new Map(),
  outputs: new Map(),
  outer,
});

function find<K, V>(values: Values | undefined, map: (v: Values) => Map<K, V>, key: K): V {
  for (let at = values; at; at = at.outer) {
    const found = map(at).get(key);
    if (found !== undefined) return found;
  }
  return must<V>(undefined, "value a `from` reads");
}

/** Needs a tree without errors: every `from` resolved, every type known. */
export function flowOf(root: LevelNode): Flow {
  const steps: Step[] = [];
  const regions: Region[] = [];
  const insertions = new Map<TreeNode, number>();
  const uses = new Map<LayerNode, number>();

  const step = (what: string, node: Step["node"], inputs: readonly Step[], type: TensorType | undefined, name?: string): Step => {
    const made: Step = { id: steps.length, what, node, inputs, type, readers: [], outputs: 0, name };
    for (const input of inputs) input.readers.push(made);
    steps.push(made);
    return made;
  };

  const jump = (item: FromItem, values: Values): Step => {
    const { target } = item;
    switch (target.kind) {
      case "node":
        return find(values, (v) => v.nodes, target.node);
      case "entry":
        return find(values, (v) => v.entries, target.level);
      case "input":
        return find(values, (v) => v.inputs, target.item);
      case "output":
        return find(values, (v) => v.outputs, target.item);
      default:
        return target satisfies never;
    }
  };

  const body = (
    items: readonly Item[],
    entry: Step | undefined,
    values: Values,
    isRoot: boolean,
  ): { value: Step | undefined; output: Step | undefined } => {
    let value = entry;
    let output: Step | undefined;
    for (const item of items) {
      if (isNode(item)) value = visit(item, must(value, "arriving value"), values);
      else if (item.kind === "from") value = jump(item, values);
      else if (item.kind === "input") {
        value = isRoot ? step("input", undefined, [], item.type, item.name) : must(entry, "arriving value");
        values.inputs.set(item, value);
      } else {
        output = must(value, "output value");
        values.outputs.set(item, output);
        if (isRoot) output.outputs++;
      }
    }
    return { value, output };
  };

  /** The node itself, without what was inserted around it. */
  const own = (node: TreeNode, arriving: Step, values: Values): Step => {
    switch (node.kind) {
      case "layer":
        uses.set(node, (uses.get(node) ?? 0) + 1);
        return step(node.op, node, [arriving], node.out);
      case "shared":
        return own(node.target, arriving, noValues(values));
      case "level": {
        values.entries.set(node, arriving);
        const { value, output } = body(node.items, arriving, values, false);
        // the value of a net is that of its last output
        return output ?? must(value, "value of a level");
      }
      case "branch":
      case "inline":
        return must(body(node.items, arriving, values, false).value, "value of a branch");
      case "merge": {
        const inputs = node.branches.map((branch) => visit(branch, arriving, values));
        // an absent shortcut is an empty one
        if (node.word === "residual" && inputs.length === 1) inputs.push(arriving);
        return step(node.word, node, inputs, node.out);
      }
      default:
        return node satisfies never;
    }
  };

  const visit = (node: TreeNode, arriving: Step, values: Values): Step => {
    let value = arriving;
    for (const inserted of node.before) value = visit(inserted, value, values);
    const start = steps.length;
    const entry = value;
    value = own(node, value, values);
    if (node.inserted) {
      regions.push({ node, entry, result: value, start, end: steps.length });
      insertions.set(node, (insertions.get(node) ?? 0) + 1);
    }
    for (const inserted of node.after) value = visit(inserted, value, values);
    values.nodes.set(node, value);
    return value;
  };

  body(root.items, undefined, noValues(undefined), true);
  return { steps, regions, insertions, uses };
}

/** Own tensors of a step's layer, by name, in the order of the state dict. */
export function tensorNames(step: Step): string[] {
  if (step.node?.kind !== "layer") return [];
  const types = step.inputs.map((s) => must(s.type, `type of what ${step.what} reads`));
  return Object.keys(opOf(step.node.op).weights?.(types, step.node.args as never) ?? {});
}
