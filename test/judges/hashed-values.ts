/** The numbers of test/python/judge.py in TypeScript: weights and inputs by name, so that committed PyTorch outputs can be checked without Python. */
import type { Graph } from "../../compiler/ir/graph.ts";
import { numel } from "../../compiler/ir/type.ts";
import { writeSafetensors } from "../../compiler/weights/safetensors.ts";

function keyOf(name: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) h = Math.imul(h ^ name.charCodeAt(i), 0x01000193);
  return h;
}

/** `count` f32 numbers in [low, high): a hash of (name, index). */
export function hashedValues(name: string, count: number, low: number, high: number): Float32Array {
  const key = keyOf(name);
  const out = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    let x = (Math.imul(i, 0x9e3779b1) + key) | 0;
    x ^= x >>> 16;
    x = Math.imul(x, 0x21f0aaad);
    x ^= x >>> 15;
    x = Math.imul(x, 0x735a2d97);
    x ^= x >>> 15;
    out[i] = low + (high - low) * ((x >>> 8) / 2 ** 24);
  }
  return out;
}

/** Norms of MobileNetV3's blocks: 45 of them with a mean gain over 1 would make rounding errors a thousand times larger. */
const INVERTED = /^features\.\d+\.block\.\d+\.1\.weight$/;

/** The value of one tensor of a state dict, by the kind its name tells: the rules of `tensor` in judge.py. */
function tensorValues(name: string, shape: readonly number[]): Float32Array {
  const count = numel(shape);
  if (name.endsWith("running_var")) return hashedValues(name, count, 0.5, 1.5);
  if (name.endsWith("running_mean")) return hashedValues(name, count, -0.2, 0.2);
  if (INVERTED.test(name)) return hashedValues(name, count, 0.5, 1.1);
  if (shape.length === 1 && name.endsWith("weight"))
    return name.endsWith("bn3.weight") ? hashedValues(name, count, 0.2, 0.4) : hashedValues(name, count, 0.5, 1.5);
  if (shape.length === 1) return hashedValues(name, count, -0.2, 0.2);
  const bound = Math.sqrt(6 / numel(shape.slice(1)));
  return hashedValues(name, count, -bound, bound);
}

export interface StoredAs {
  readonly name: string;
  readonly shape: readonly number[];
}

/** A safetensors file of every f32 tensor of the net, under the names (and shapes) that `stored` gives (torch's own, before any --rename). `given` has values of its own for some paths. */
export function hashedWeights(
  graph: Graph,
  stored: (path: string, shape: readonly number[]) => string | StoredAs = (path) => path,
  given: (path: string) => Float32Array | undefined = () => undefined,
): Uint8Array {
  return writeSafetensors(
    graph.weights
      .filter((w) => w.value.type.dtype === "f32")
      .map((w) => {
        const own = w.value.type.shape as readonly number[];
        const as = stored(w.path, own);
        const { name, shape } = typeof as === "string" ? { name: as, shape: own } : as;
        return { name, shape, data: given(w.path) ?? tensorValues(name, shape) };
      }),
  );
}
