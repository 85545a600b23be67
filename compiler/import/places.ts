/**
 * Which module of a network a layer belongs to, from what its file calls it. Exporters leave the way in two places: names of tensors
 * ("layer1.0.conv1.weight"), and names of nodes ("/layer1/layer1.0/conv1/Conv"). A file that has neither is one flat level.
 */
import type { ImportedNet, ImportedNode } from "./imported.ts";

export interface NodePlace {
  /** Names of the modules around the layer, outermost first; undefined when nothing says where it belongs. */
  readonly scope: readonly string[] | undefined;
  /** What it is called there; undefined when it has no name of its own. */
  readonly own: string | undefined;
}

export type Places = ReadonlyMap<string, NodePlace>;
/** Names of modules, outermost first. */
export type Scope = readonly string[];

export const keyOf = (scope: Scope): string => JSON.stringify(scope);

export const common = (a: Scope, b: Scope): Scope => {
  const end = a.findIndex((p, i) => b[i] !== p);
  return end < 0 ? a : a.slice(0, end);
};

/** Deeper than networks are; names beyond that are taken as they are. */
const DEEPEST_NAME = 16;

const wayOf = (name: string): readonly string[] | undefined => {
  const parts = name.split(".");
  return parts.length <= DEEPEST_NAME && parts.every((p) => p !== "") ? parts : undefined;
};

/** The module of a node whose name is PyTorch's: each step may repeat the name of the one before it. */
function moduleOf(label: string): readonly string[] | undefined {
  if (!label.startsWith("/")) return undefined;
  const steps = label.slice(1).split("/").slice(0, -1);
  const parts = steps.flatMap((step, i) => {
    const before = `${steps[i - 1]}.`;
    return (i > 0 && step.startsWith(before) ? step.slice(before.length) : step).split(".");
  });
  return parts.length <= DEEPEST_NAME && parts.every((p) => p !== "") ? parts : undefined;
}

/** "layer1.0.conv1" when that is what comes before ".weight". */
function prefixOf(node: ImportedNode, isTaken: (name: string) => boolean): string | undefined {
  const found = Object.entries(node.tensors).find(
    ([role, name]) => isTaken(name) && name.endsWith(`.${role}`) && name.length > role.length + 1,
  );
  return found?.[1].slice(0, -found[0].length - 1);
}

/** Without the operation that our own files put behind the path of a layer of several. */
const labelWithoutOp = (label: string): string => label.replace(/\/[A-Za-z]+(?:_\d+)?$/, "") || label;

const placed = (parts: readonly string[] | undefined): NodePlace | undefined =>
  parts && parts.length > 0 ? { scope: parts.slice(0, -1), own: parts.at(-1) } : undefined;

const hasTensors = (node: ImportedNode): boolean => Object.keys(node.tensors).length > 0;

/** By the value that a node makes. Undefined when the file's names say nothing of modules. */
export function placesOf(net: ImportedNet): Places | undefined {
  const weighted = net.nodes.filter(hasTensors);
  const { fileNames } = net;
  const ofFile = (name: string): boolean => fileNames?.has(name) ?? true;
  // where the layers are called as their tensors, dots mean modules in all names of layers
  const ownNames = weighted.every((n) => prefixOf(n, () => true) === labelWithoutOp(n.label));
  const places = new Map<string, NodePlace>();
  for (const node of weighted) {
    const prefix = prefixOf(node, ofFile);
    const isName = fileNames !== undefined || ownNames || prefix !== node.label;
    const named = prefix !== undefined && isName ? placed(wayOf(prefix)) : undefined;
    places.set(node.output, named ?? placed(moduleOf(node.label)) ?? { scope: undefined, own: node.label });
  }
  // names of layers alone say something only by their dots
  const isNamed = weighted.some((n) => fileNames !== undefined && places.get(n.output)?.scope && prefixOf(n, ofFile) !== undefined);
  if (!isNamed && ![...places.values()].some((p) => p.scope !== undefined && p.scope.length > 0)) return undefined;
  placeOthers(net, places, ownNames);
  return places;
}

/** "relu_1" of a relu: its attribute in a PyTorch class, with a number for every further use. */
const saysNoMore = (name: string, op: string): boolean => /^(act|activation|nonlinearity)$/.test(name) || name.replace(/_?\d+$/, "") === op;

/** Also with the number that further layers of one node get, or the operation behind it. */
const isMadeUp = (label: string, madeUp: ReadonlySet<string>): boolean =>
  label.includes("/") || madeUp.has(label) || madeUp.has(label.replace(/_\d+$/, ""));

/** Layers without tensors: by the modules that the others have shown to exist. */
function placeOthers(net: ImportedNet, places: Map<string, NodePlace>, ownNames: boolean): void {
  const others = net.nodes.filter((n) => !hasTensors(n));
  const levels = new Set<string>();
  const layers = new Set<string>();
  const key = (parts: readonly string[]): string => JSON.stringify(parts);
  const open = (parts: readonly string[]): void => {
    for (let n = parts.length; n > 0; n--) levels.add(key(parts.slice(0, n)));
  };
  for (const { scope, own } of places.values()) {
    if (!scope) continue;
    open(scope);
    if (own !== undefined) layers.add(key([...scope, own]));
  }
  for (const { label } of others) open(moduleOf(label)?.slice(0, -1) ?? []);
  const shared = new Map<string, number>();
  for (const { label } of others) {
    const module = moduleOf(label);
    if (module) shared.set(key(module), (shared.get(key(module)) ?? 0) + 1);
  }
  for (const node of others) {
    if (net.madeUp && !labelWithoutOp(node.label).includes(".")) {
      places.set(node.output, { scope: undefined, own: isMadeUp(node.label, net.madeUp) ? undefined : node.label });
      continue;
    }
    const module = moduleOf(node.label);
    if (module) {
      if (module.length === 0 || levels.has(key(module))) places.set(node.output, { scope: module, own: undefined });
      else {
        const isNamed = shared.get(key(module)) === 1 && !layers.has(key(module)) && !saysNoMore(module.at(-1) as string, node.op);
        places.set(node.output, { scope: module.slice(0, -1), own: isNamed ? module.at(-1) : undefined });
      }
      continue;
    }
    const way = ownNames ? wayOf(labelWithoutOp(node.label)) : undefined;
    if (!way) {
      places.set(node.output, { scope: undefined, own: undefined });
      continue;
    }
    let scope = way.slice(0, -1);
    while (scope.length > 0 && !levels.has(key(scope))) scope = scope.slice(0, -1);
    const isWhole = scope.length === way.length - 1 && !layers.has(key(way));
    const isOwn = isWhole && !(net.madeUp && isMadeUp(node.label, net.madeUp));
    places.set(node.output, { scope, own: isOwn ? way.at(-1) : undefined });
  }
}
