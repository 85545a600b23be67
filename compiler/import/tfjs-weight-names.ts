/** Which tensor of the file a layer means: names differ with the version of Keras that wrote it. */
import type { Constant } from "./onnx-file.ts";
import { refuse } from "./reading.ts";

/** `roles`: names that the tensor may have ("kernel"); `index`: its place among the tensors of the layer. */
export type FindWeight = (layer: string, roles: readonly string[], index: number) => Constant | undefined;

export function weightFinder(weights: ReadonlyMap<string, Constant>): FindWeight {
  const ends = new Map<string, string[]>();
  const add = (end: string, name: string): void => {
    const list = ends.get(end);
    if (list) list.push(name);
    else ends.set(end, [name]);
  };
  for (const name of weights.keys()) {
    const parts = name.replace(/:0$/, "").split("/");
    // the layer is what comes before the last part, whatever lies around it: "model/conv/kernel"
    for (let i = Math.max(parts.length - 8, 0); i < parts.length - 1; i++) add(parts.slice(i).join("/"), name);
    // the layer's name once more, or that of a cell: "conv/conv/kernel"
    if (parts.length > 2) add([...parts.slice(0, -2), parts.at(-1)].join("/"), name);
  }
  return (layer, roles, index) => {
    for (const end of [...roles.map((role) => `${layer}/${role}`), `${layer}/${index}`, `${layer}/vars/${index}`]) {
      const exact = weights.get(end);
      if (exact) return exact;
      const found = new Set(ends.get(end) ?? []);
      if (found.size > 1) refuse(`both \`${[...found].slice(0, 2).join("` and `")}\` may be its ${roles[0]}`);
      const [name] = found;
      if (name !== undefined) return weights.get(name);
    }
    return undefined;
  };
}
