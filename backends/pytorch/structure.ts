/**
 * The modules of a net: which part of it is a module of its own, what it reads and gives, and what it does, step by step.
 * With the tree these are the spec's blocks, nets and groups. Without it (a graph that tests or `--layers` made) everything is written
 * into one class, whose submodules only hold weights.
 */
import { must } from "../../compiler/invariant.ts";
import type { Graph, Node, Value } from "../../compiler/ir/graph.ts";
import { type LayerNode, type LevelNode, levelAround, type MergeNode, type NetTree, type TreeNode } from "../../compiler/semantics/tree.ts";
import { evaluateTree, type Use } from "../../compiler/semantics/tree-values.ts";
import { needsModule } from "./functions.ts";

export interface Level {
  /** Path in the net; "" is the net itself. */
  readonly path: string;
  /** Label or number. */
  readonly part: string;
  readonly parent: Level | undefined;
  readonly kind: "net" | "block" | "group";
  /** Name of the block or net; of a group its label. */
  readonly type: string;
  readonly node: LevelNode | MergeNode | undefined;
  /** No module with a `forward`: its steps stand in the module around it. */
  inline: boolean;
  readonly children: Child[];
  steps: Step[];
  inputs: readonly Value[];
  outputs: Value[];
  /** Its layers among all layers: [begin, end). */
  range: [number, number];
}

export type Child = { readonly part: string; readonly level: Level } | { readonly part: string; readonly layer: Node };

interface StepBase {
  /** The innermost branch around it, within its level. */
  readonly branch: string | undefined;
}
export interface LayerStep extends StepBase {
  readonly kind: "layer";
  readonly node: Node;
  readonly label: string;
  /** Where its module is, when it has one that a level holds. */
  readonly holder: Holder | undefined;
  /** The level it stands in, and its part there: for nn.Sequential. */
  readonly home: Holder;
  readonly shared: boolean;
}
export interface LevelStep extends StepBase {
  readonly kind: "level";
  readonly level: Level;
  readonly inputs: readonly Value[];
  /** One for each output of the level; undefined where nobody reads it. */
  readonly outputs: readonly (Value | undefined)[];
  readonly shared: boolean;
}
export type Step = LayerStep | LevelStep;

export interface Holder {
  readonly level: Level;
  readonly part: string;
}

interface Entry {
  readonly node: Node;
  readonly tree: TreeNode | undefined;
  readonly use: Use | undefined;
  readonly level: Level;
}

const isLevel = (node: TreeNode): node is LevelNode | MergeNode =>
  node.kind === "level" || (node.kind === "merge" && node.label !== undefined);

/** Where a node stands: a labelled merge in the level it makes. */
const around = (node: TreeNode): TreeNode => (node.kind === "merge" ? levelAround(node) : levelAround(must(node.parent, "parent")));

const outermost = (use: Use): Use => (use.outer ? outermost(use.outer) : use);

const newLevel = (parent: Level | undefined, part: string, kind: Level["kind"], type: string, node: Level["node"]): Level => ({
  path: !parent || parent.path === "" ? part : `${parent.path}.${part}`,
  part,
  parent,
  kind,
  type,
  node,
  inline: false,
  children: [],
  steps: [],
  inputs: [],
  outputs: [],
  range: [0, 0],
});

/** The layers and merges of a tree in the order in which `buildGraph` made nodes of them. */
function evaluated(tree: NetTree): { readonly tree: TreeNode; readonly use: Use | undefined }[] {
  const order: { tree: TreeNode; use: Use | undefined }[] = [];
  evaluateTree<undefined>(tree.root, {
    input: () => undefined,
    layer: (node: LayerNode, _value, use) => void order.push({ tree: node, use }),
    merge: (node, _branches, use) => void order.push({ tree: node, use }),
    unknown: () => undefined,
  });
  return order;
}

/** The path of the module that holds a node's weights. */
export function ownerOf(node: Node): string {
  const [first] = Object.entries(node.weights);
  if (!first) return node.path;
  const [own, value] = first;
  return value.name === own ? "" : value.name.slice(0, -own.length - 1);
}

/** The net as levels. `tree` is used when it is what the graph was made from. */
export function structureOf(graph: Graph, tree: NetTree | undefined): Level {
  const order = tree ? evaluated(tree) : [];
  const fits = tree !== undefined && order.length === graph.nodes.length && order.every((o, i) => opOf(o.tree) === graph.nodes[i]?.op);
  const root = newLevel(undefined, "", "net", graph.name, fits ? tree.root : undefined);
  const levels = new Map<TreeNode, Level>();
  const levelOf = (node: TreeNode): Level => {
    const known = levels.get(node);
    if (known) return known;
    if (!node.parent) return root;
    const parent = levelOf(levelAround(node.parent));
    const made =
      node.kind === "level"
        ? newLevel(parent, node.part, node.level, node.level === "group" ? (node.label ?? "") : node.type, node)
        : newLevel(parent, node.part, "group", node.label ?? "", node as MergeNode);
    levels.set(node, made);
    return made;
  };
  const entries = graph.nodes.map((node, i): Entry => {
    if (!fits) return { node, tree: undefined, use: undefined, level: root };
    const { tree: at, use } = must(order[i], "layer");
    return { node, tree: at, use, level: levelOf(around(use ? outermost(use).node : at)) };
  });
  for (const { use } of entries) if (use) openUp(use, levelOf);
  return new Assembly(graph, root, entries, levelOf).run();
}

const opOf = (node: TreeNode): string =>
  node.kind === "layer" ? node.op : node.kind === "merge" && node.word !== "residual" ? node.word : "add";

/** A group that uses what stands outside of it cannot be a module by itself. */
function openUp(use: Use, levelOf: (node: TreeNode) => Level): void {
  const { node } = outermost(use);
  const holders = new Set<Level>();
  for (let at: Level | undefined = levelOf(around(node.target)); at; at = at.parent) holders.add(at);
  for (let at: Level | undefined = levelOf(around(node)); at && !holders.has(at); at = at.parent) at.inline = true;
}

class Assembly {
  private readonly holders = new Map<string, Holder>();
  private readonly consumers = new Map<Value, number[]>();
  private readonly given: ReadonlySet<Value>;
  private readonly graph: Graph;
  private readonly root: Level;
  private readonly entries: readonly Entry[];
  private readonly levelOf: (node: TreeNode) => Level;

  constructor(graph: Graph, root: Level, entries: readonly Entry[], levelOf: (node: TreeNode) => Level) {
    this.graph = graph;
    this.root = root;
    this.entries = entries;
    this.levelOf = levelOf;
    this.given = new Set(graph.outputs.map((o) => o.value));
    for (const [i, { node }] of entries.entries())
      for (const v of node.inputs) this.consumers.set(v, [...(this.consumers.get(v) ?? []), i]);
  }

  run(): Level {
    this.root.steps = this.assemble(this.root, 0, this.entries.length);
    this.root.inputs = this.graph.inputs;
    this.root.outputs = this.graph.outputs.map((o) => o.value);
    return this.root;
  }

  private assemble(level: Level, begin: number, end: number): Step[] {
    level.range = [begin, end];
    const steps: Step[] = [];
    for (let i = begin; i < end; ) {
      const entry = must(this.entries[i], "layer");
      const next = this.childOf(level, entry.level);
      if (next) {
        let stop = i;
        while (stop < end && this.childOf(level, must(this.entries[stop], "layer").level) === next) stop++;
        steps.push(...this.enter(next, i, stop));
        i = stop;
        continue;
      }
      if (entry.use) {
        const use = outermost(entry.use).node;
        let stop = i;
        while (stop < end && this.usedBy(stop) === use) stop++;
        steps.push(...(this.reuse(use.target, i, stop) ?? this.layers(i, stop)));
        i = stop;
        continue;
      }
      steps.push(this.layer(i));
      i++;
    }
    return steps;
  }

  private usedBy(i: number): TreeNode | undefined {
    const { use } = must(this.entries[i], "layer");
    return use && outermost(use).node;
  }

  /** The level directly below `level` on the way to `to`. */
  private childOf(level: Level, to: Level): Level | undefined {
    for (let at: Level | undefined = to; at && at !== level; at = at.parent) if (at.parent === level) return at;
    return undefined;
  }

  private enter(level: Level, begin: number, end: number): Step[] {
    if (level.parent && !level.parent.children.some((c) => "level" in c && c.level === level))
      level.parent.children.push({ part: level.part, level });
    const steps = this.assemble(level, begin, end);
    if (level.inline) return steps;
    level.steps = steps;
    level.inputs = this.inputsOf(begin, end);
    level.outputs = this.outputsOf(begin, end);
    return [{ kind: "level", level, inputs: level.inputs, outputs: level.outputs, branch: this.branchOf(level.node), shared: false }];
  }

  private inputsOf(begin: number, end: number): Value[] {
    const made = new Set(this.entries.slice(begin, end).map((e) => e.node.output));
    return [...new Set(this.entries.slice(begin, end).flatMap((e) => e.node.inputs.filter((v) => !made.has(v))))];
  }

  private outputsOf(begin: number, end: number): Value[] {
    return this.entries
      .slice(begin, end)
      .map((e) => e.node.output)
      .filter((v) => this.given.has(v) || (this.consumers.get(v) ?? []).some((c) => c >= end));
  }

  /** `shared` of a level: its module is called again. Undefined when it is no module by itself. */
  private reuse(target: TreeNode, begin: number, end: number): Step[] | undefined {
    if (!isLevel(target)) return undefined;
    const level = this.levelOf(target);
    const inputs = this.inputsOf(begin, end);
    const [from, to] = level.range;
    if (level.inline || inputs.length !== 1 || level.inputs.length !== 1 || to - from !== end - begin) return undefined;
    const twin = (v: Value): number => this.entries.slice(begin, end).findIndex((e) => e.node.output === v) + from;
    const wanted = new Map(this.outputsOf(begin, end).map((v) => [must(this.entries[twin(v)], "twin").node.output, v]));
    for (const v of wanted.keys()) if (!level.outputs.includes(v)) level.outputs.push(v);
    const use = must(this.usedBy(begin), "use");
    return [{ kind: "level", level, inputs, outputs: level.outputs.map((v) => wanted.get(v)), branch: this.branchOf(use), shared: true }];
  }

  private layers(begin: number, end: number): Step[] {
    return Array.from({ length: end - begin }, (_, i) => this.layer(begin + i));
  }

  private layer(i: number): LayerStep {
    const { node, tree, use, level } = must(this.entries[i], "layer");
    const owner = ownerOf(node);
    const label = tree?.label ?? node.path.split(".").at(-1) ?? node.op;
    const isModule = needsModule(node.op);
    if (isModule && !this.holders.has(owner)) {
      const holder = tree ? { level, part: tree.part } : this.hold(owner);
      holder.level.children.push({ part: holder.part, layer: node });
      this.holders.set(owner, holder);
    }
    const home = { level, part: tree?.part ?? label };
    const shared = use !== undefined;
    // the sum or product of a labelled merge is the last step of the level that it makes
    const branch = this.branchOf(tree && isLevel(tree) ? undefined : use ? outermost(use).node : tree);
    return { kind: "layer", node, label, home, shared, holder: isModule ? this.holders.get(owner) : undefined, branch };
  }

  /** Without a tree: containers for the parts of a path. */
  private hold(owner: string): Holder {
    const parts = owner.split(".");
    let level = this.root;
    for (const part of parts.slice(0, -1)) {
      const found = level.children.find((c) => "level" in c && c.part === part);
      if (found && "level" in found) level = found.level;
      else {
        const made = newLevel(level, part, "group", part, undefined);
        made.inline = true;
        level.children.push({ part, level: made });
        level = made;
      }
    }
    return { level, part: parts.at(-1) ?? "" };
  }

  private branchOf(node: TreeNode | undefined): string | undefined {
    if (!node?.parent) return undefined;
    const stop = levelAround(node.parent);
    for (let at: TreeNode | undefined = node.parent; at && at !== stop; at = at.parent) if (at.kind === "branch") return at.name;
    return undefined;
  }
}

/** The children in order: one step each, one value through all of them; what nn.Sequential does. */
export function isChain(level: Level): boolean {
  if (level.inline || level.inputs.length !== 1 || level.outputs.length !== 1 || level.steps.length === 0) return false;
  let value = level.inputs[0];
  for (const step of level.steps) {
    const inputs = step.kind === "layer" ? step.node.inputs : step.inputs;
    const own = step.kind === "layer" ? step.home.level === level : step.level.parent === level;
    if (step.shared || !own || inputs.length !== 1 || inputs[0] !== value) return false;
    if (step.kind === "level" && step.outputs.length !== 1) return false;
    value = step.kind === "layer" ? step.node.output : step.outputs[0];
  }
  return value === level.outputs[0];
}
