/** Tensors under the names that the file gives them, and layers that read the same ones. */
import type { TensorValues } from "../ir/values.ts";
import type { ImportedNet, ImportedNode, ImportedTensor } from "./imported.ts";
import { accessor } from "./stored-values.ts";

function every(data: TensorValues, test: (x: number, i: number) => boolean): boolean {
  const at = accessor(data);
  for (let i = 0; i < data.length; i++) if (!test(at(i), i)) return false;
  return true;
}

const isUniform = (data: TensorValues): boolean => data.length === 0 || every(data, (x) => x === accessor(data)(0));

function isSame(a: TensorValues, b: TensorValues): boolean {
  const other = accessor(b);
  return a === b || (a.length === b.length && every(a, (x, i) => Object.is(x, other(i))));
}

/**
 * `names`: "label.role" to the name in the file. Layers of one kind that read the same tensors of the file are the same layer used again.
 * Not so when the tensors hold one number each: untrained norms are all alike, and exporters keep one of them for all. Layers that have only
 * some tensors in common, or other strides, get copies: the language shares layers, not tensors.
 */
export function nameTensors(net: ImportedNet, names: ReadonlyMap<string, string>): ImportedNet {
  const weights = new Map<string, ImportedTensor>();
  const fileNames = new Set<string>();
  const first = new Map<string, ImportedNode>();
  /** Whether a layer that others may be has tensors that are not one number each. */
  const patterned = new Map<ImportedNode, boolean>();
  const dataOf = (key: string): TensorValues => (net.weights.get(key) as ImportedTensor).data;
  const nodes = net.nodes.map((node): ImportedNode => {
    const own = Object.entries(node.tensors);
    if (own.length === 0) return node;
    const wanted = own.map(([role, key]) => [role, names.get(key)] as const);
    const use = JSON.stringify([node.op, node.attrs, wanted]);
    const known = wanted.every(([, name]) => name !== undefined) ? first.get(use) : undefined;
    if (known) {
      const isTied = own.every(([role, key]) => isSame(dataOf(key), dataOf(known.tensors[role] as string)));
      const hasPattern = patterned.get(known) ?? own.some(([, key]) => !isUniform(dataOf(key)));
      patterned.set(known, hasPattern);
      if (isTied && hasPattern) return { ...node, tensors: {}, same: known.output };
    }
    const tensors: Record<string, string> = {};
    for (const [role, key] of own) {
      const name = names.get(key);
      const isFree = name !== undefined && !weights.has(name) && (name === key || !net.weights.has(name));
      const kept = isFree ? name : key;
      if (isFree) fileNames.add(kept);
      tensors[role] = kept;
      weights.set(kept, net.weights.get(key) as ImportedTensor);
    }
    if (!known) first.set(use, node);
    return { ...node, tensors };
  });
  return { ...net, nodes, weights, fileNames };
}
