/** The net as a picture needs it: modules in modules, layers in them, and which layer reads what. Every layer is there; folding comes later. */
import { must } from "../invariant.ts";
import { opOf } from "../ops/index.ts";
import { usePath } from "../semantics/build-graph.ts";
import { uniquePaths } from "../semantics/paths.ts";
import type { LevelNode, MergeNode, NetTree, TreeNode } from "../semantics/tree.ts";
import { evaluateTree, type Use } from "../semantics/tree-values.ts";
import { layerDetail } from "./layer-detail.ts";

/** What colours stand for. */
export type Family = "convolution" | "normalisation" | "activation" | "pooling" | "merge" | "moving" | "elementwise" | "other" | "port";

export interface Layer {
  readonly kind: "layer";
  readonly parent: Module;
  readonly path: string;
  /** The user's label; empty when there is none. */
  readonly label: string;
  /** An op, a merge word, "input" or "output". */
  readonly op: string;
  /** "3×3 · 64 · /2" */
  readonly detail: string;
  readonly family: Family;
  /** "64×56×56": without the batch. */
  readonly shape: string;
  readonly inserted: boolean;
  readonly inputs: readonly Layer[];
  readonly readers: Layer[];
}

export interface Module {
  readonly kind: "module";
  readonly parent: Module | undefined;
  readonly path: string;
  /** Label or number. */
  readonly label: string;
  /** "group", or the name of the block or net. */
  readonly type: string;
  readonly inserted: boolean;
  readonly parts: (Module | Layer)[];
}

const shapeOf = (type: { readonly shape: readonly (number | string)[] } | undefined): string => (type?.shape.slice(1) ?? []).join("×");

/** Labelled merges make a level of names, as groups and blocks do. */
const isModule = (node: TreeNode): node is LevelNode | MergeNode =>
  node.kind === "level" || (node.kind === "merge" && node.label !== undefined);

/** `tree` must have expanded without errors. */
export function diagramOf(tree: NetTree): Module {
  const paths = uniquePaths(tree.root);
  const root: Module = { kind: "module", parent: undefined, path: "", label: tree.name, type: "net", inserted: false, parts: [] };
  const modules = new Map<string, Module>();

  /** The module `node` stands in; inside a shared use that of the use. */
  function around(node: TreeNode, use: Use | undefined): Module {
    let at = node;
    let inside = use;
    for (;;) {
      while (inside && at === inside.node.target) {
        at = inside.node;
        inside = inside.outer;
      }
      const up: TreeNode | undefined = at.parent;
      if (!up || up === tree.root) return root;
      if (isModule(up)) return moduleOf(up, inside);
      at = up;
    }
  }

  function moduleOf(node: LevelNode | MergeNode, use: Use | undefined): Module {
    const path = usePath(paths, node, use);
    const known = modules.get(path);
    if (known) return known;
    const parent = around(node, use);
    const module: Module = {
      kind: "module",
      parent,
      path,
      label: use?.node.target === node ? use.node.part : node.part,
      type: node.kind === "merge" ? node.word : node.type,
      inserted: (use?.node.target === node ? use.node : node).inserted !== undefined,
      parts: [],
    };
    modules.set(path, module);
    parent.parts.push(module);
    return module;
  }

  function add(layer: Omit<Layer, "kind" | "readers">): Layer {
    const made: Layer = { kind: "layer", ...layer, readers: [] };
    for (const input of made.inputs) input.readers.push(made);
    made.parent.parts.push(made);
    return made;
  }

  evaluateTree<Layer>(tree.root, {
    input: (item) =>
      add({
        parent: root,
        path: item.name,
        label: item.name,
        op: "input",
        detail: shapeOf(item.type),
        family: "port",
        shape: shapeOf(item.type),
        inserted: false,
        inputs: [],
      }),
    layer: (node, input, use) =>
      add({
        parent: around(node, use),
        path: usePath(paths, node, use),
        label: (use?.node.target === node ? use.node.label : node.label) ?? "",
        op: node.op,
        detail: layerDetail(node.op, node.args, node.in),
        family: opOf(node.op).category,
        shape: shapeOf(node.out),
        inserted: node.inserted !== undefined,
        inputs: [input],
      }),
    merge(node, branches, use, arriving) {
      const named = new Map(node.branches.map((b, i) => [b.name, branches[i] as Layer]));
      const isResidual = node.word === "residual";
      return add({
        parent: isModule(node) ? moduleOf(node, use) : around(node, use),
        path: usePath(paths, node, use),
        label: "",
        op: isResidual ? "add" : node.word,
        detail: "",
        family: "merge",
        shape: shapeOf(node.out),
        inserted: node.inserted !== undefined,
        inputs: isResidual ? [must(named.get("main"), "main"), named.get("shortcut") ?? arriving] : branches,
      });
    },
    unknown: (item) => must<Layer>(undefined, `a value for ${item.kind}`),
    output(item, value, use) {
      if (use || !tree.root.items.includes(item)) return;
      add({
        parent: root,
        path: item.name,
        label: item.name,
        op: "output",
        detail: value.shape,
        family: "port",
        shape: value.shape,
        inserted: false,
        inputs: [value],
      });
    },
  });
  return root;
}

export function* layersOf(part: Module | Layer): Generator<Layer> {
  if (part.kind === "layer") yield part;
  else for (const p of part.parts) yield* layersOf(p);
}
