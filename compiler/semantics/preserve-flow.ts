/**
 * Which value every layer of an expanded net reads, and who reads it: what the proof of `init preserve` walks on.
 * Types and attributes stay on the tree; a value has the type its step gives.
 */
import { must } from "../invariant.ts";
import type { TensorType } from "../ir/type.ts";
import { opOf } from "../ops/index.ts";
import type { LayerNode, LevelNode, MergeNode, TreeNode } from "./tree.ts";
import { evaluateTree } from "./tree-values.ts";

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

/** Needs a tree without errors: every `from` resolved, every type known. */
export function flowOf(root: LevelNode): Flow {
  const steps: Step[] = [];
  const regions: Region[] = [];
  const insertions = new Map<TreeNode, number>();
  const uses = new Map<LayerNode, number>();
  /** Inserted nodes that are being evaluated, innermost last. */
  const open: { readonly entry: Step; readonly start: number }[] = [];

  const step = (what: string, node: Step["node"], inputs: readonly Step[], type: TensorType | undefined, name?: string): Step => {
    const made: Step = { id: steps.length, what, node, inputs, type, readers: [], outputs: 0, name };
    for (const input of inputs) input.readers.push(made);
    steps.push(made);
    return made;
  };

  evaluateTree<Step>(root, {
    input: (item) => step("input", undefined, [], item.type, item.name),
    layer(node, input) {
      uses.set(node, (uses.get(node) ?? 0) + 1);
      return step(node.op, node, [input], node.out);
    },
    merge(node, branches, _use, arriving) {
      // an absent shortcut is an empty one
      const inputs = node.word === "residual" && branches.length === 1 ? [...branches, arriving] : branches;
      return step(node.word, node, inputs, node.out);
    },
    unknown: () => must<Step>(undefined, "value in a tree without errors"),
    arrive(node, entry) {
      if (node.inserted) open.push({ entry, start: steps.length });
    },
    leave(node, result) {
      if (!node.inserted) return;
      regions.push({ node, ...must(open.pop(), "entry"), result, end: steps.length });
      insertions.set(node, (insertions.get(node) ?? 0) + 1);
    },
    output(item, value) {
      if (root.items.includes(item)) value.outputs++;
    },
  });
  return { steps, regions, insertions, uses };
}

/** Own tensors of a step's layer, by name, in the order of the state dict. */
export function tensorNames(step: Step): string[] {
  if (step.node?.kind !== "layer") return [];
  const types = step.inputs.map((s) => must(s.type, `type of what ${step.what} reads`));
  return Object.keys(opOf(step.node.op).weights?.(types, step.node.args as never) ?? {});
}
