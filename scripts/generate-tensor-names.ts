/**
 * specs/nets/* -> specs/tensor-names.json: the nets that ship, by a hash of their tensors' names. `sec weights` looks a file up there that
 * does not fit the net it was given for; expanding every net then would take seconds.
 */
import { tensorNamesKey } from "../compiler/weights/fitting.ts";
import { everyNet, shippedGraph } from "../test/judges/whole-nets.ts";

export function generateTensorNames(): string {
  const nets = new Map<string, string[]>();
  for (const { file, net } of everyNet()) {
    const key = tensorNamesKey(shippedGraph(file, net).weights.map((w) => w.path));
    nets.set(key, [...(nets.get(key) ?? []), net]);
  }
  const lines = [...nets].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, names]) => `  ${JSON.stringify(key)}: ${JSON.stringify(names)}`);
  return `{\n${lines.join(",\n")}\n}\n`;
}
