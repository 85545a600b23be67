/** One kernel alone: its wasm steps on canary-filled memory, any split of the units, against the f64 loops of the same kernel. */
import { expect } from "vitest";
import { encodeModule } from "../../backends/wasm/encoder.ts";
import type { Address, KernelCode, PackedTensor } from "../../backends/wasm/kernel-code.ts";
import { mapIn, sizesOf } from "../../backends/wasm/layout.ts";
import { storedBytes } from "../../compiler/analysis/liveness.ts";
import { must } from "../../compiler/invariant.ts";
import type { Value, Weight } from "../../compiler/ir/graph.ts";
import type { Program } from "../../compiler/ir/kernel.ts";
import { numel } from "../../compiler/ir/type.ts";
import { runFast } from "../kernels/jit.ts";
import { numbers } from "../kernels/run.ts";
import { engine } from "./engine.ts";
import { type Built, build, type Case } from "./kernel-case.ts";

/** Numbers of every value, row-major; those the kernel writes are missing. */
export function inputsOf({ kernel }: Built, seed = 1): Map<Value, Float32Array> {
  return new Map(
    kernel.buffers.flatMap(({ value, access }, i) =>
      access === "write" ? [] : [[value, Float32Array.from(numbers(seed + i, numel(value.type.shape)))] as const],
    ),
  );
}

/** Places of a row-major tensor's elements in its stored form, in floats. */
function places(program: Program, value: Value): Int32Array {
  const sizes = sizesOf(value);
  const storage = must(program.storage.get(value), value.name);
  if (sizes.length === 4) {
    const m = must(mapIn(program, value), value.name);
    const [n, c, h, w] = sizes as [number, number, number, number];
    return Int32Array.from({ length: n * c * h * w }, (_, i) => {
      const [xx, yy, cc, nn] = [i % w, Math.floor(i / w) % h, Math.floor(i / (w * h)) % c, Math.floor(i / (w * h * c))];
      return (m.base + nn * m.image + yy * m.row + xx * m.pixel) / 4 + cc;
    });
  }
  const last = sizes[sizes.length - 1] as number;
  return Int32Array.from({ length: numel(sizes) }, (_, i) => Math.floor(i / last) * storage.channels + (i % last));
}

const align = (n: number): number => Math.ceil(n / 256) * 256 + 256;

export interface Loaded {
  readonly memory: Float32Array;
  run(split?: (units: number) => readonly number[]): void;
  read(value: Value): Float32Array;
}

/** Instantiates the steps with values, weights, shared and scratch memory in place; all other memory is not a number. */
export function instantiate({ program }: Built, steps: readonly KernelCode[], values: ReadonlyMap<Value, Float32Array>): Loaded {
  let top = 256;
  const take = (bytes: number): number => {
    const at = top;
    top += align(bytes);
    return at;
  };
  const placeOf = new Map([...program.storage].map(([v, s]) => [v, take(storedBytes(v, s))]));
  const packedAt = steps.map((s) => s.packed.map((p) => take((p.expansion?.elements ?? p.elements) * 4)));
  const filesAt = steps.map((s) => s.packed.map((p) => (p.expansion ? take(p.elements * 4) : 0)));
  const shared = take(Math.max(0, ...steps.map((s) => s.sharedBytes ?? 0)));
  const scratch = take(Math.max(0, ...steps.map((s) => s.scratchBytes ?? 0)));
  const bytes = encodeModule({
    imports: [],
    memory: { pages: Math.ceil(top / 65536), shared: false },
    exports: steps.flatMap((s, i) => [
      { name: `step${i}`, body: s.body },
      ...s.packed.flatMap((p, j) => (p.expansion ? [{ name: `expand${i}.${j}`, body: p.expansion.body }] : [])),
    ]),
    exportMemory: "memory",
  });
  expect(engine.validate(bytes)).toBe(true);
  const exports = new engine.Instance(new engine.Module(bytes)).exports as Record<string, (...a: number[]) => void> & {
    memory: { buffer: ArrayBuffer };
  };
  const memory = new Float32Array(exports.memory.buffer);
  memory.fill(Number.NaN);
  for (const [value, storage] of program.storage) {
    const at = (placeOf.get(value) as number) / 4;
    const from = values.get(value);
    if (!from) continue;
    memory.fill(0, at, at + storedBytes(value, storage) / 4);
    places(program, value).forEach((p, i) => {
      memory[at + p] = from[i] as number;
    });
  }
  const valueOfWeight = (w: Weight): Float32Array => must(values.get(w.value), w.path);
  const pack = (p: PackedTensor, at: number): void => {
    const into = memory.subarray(at / 4, at / 4 + p.elements);
    into.fill(0);
    p.fill(valueOfWeight(p.weight), into, ...(p.others ?? []).map(valueOfWeight));
  };
  steps.forEach((s, i) => {
    s.packed.forEach((p, j) => {
      const [at, file] = [packedAt[i]?.[j] as number, filesAt[i]?.[j] as number];
      pack(p, p.expansion ? file : at);
      if (p.expansion) exports[`expand${i}.${j}`]?.(0, p.expansion.parts, file, at);
    });
  });
  const buffers = must(program.kernels[0], "kernel").buffers;
  const addressOf = (a: Address, step: number): number => {
    const offset = a.offset ?? 0;
    if (a.kind === "value") return offset + (placeOf.get(must(buffers[a.buffer], "buffer").value) as number);
    if (a.kind === "packed") return offset + (packedAt[step]?.[a.index] as number);
    return offset + (a.kind === "shared" ? shared : scratch);
  };
  return {
    memory,
    run(split = (units) => [0, units]) {
      steps.forEach((s, i) => {
        const cuts = split(s.units);
        for (let k = 1; k < cuts.length; k++)
          exports[`step${i}`]?.(cuts[k - 1] as number, cuts[k] as number, ...s.addresses.map((a) => addressOf(a, i)));
      });
    },
    read(value) {
      const at = (placeOf.get(value) as number) / 4;
      return Float32Array.from(places(program, value), (p) => memory[at + p] as number);
    },
  };
}

/** Largest ratio of error to bound over the outputs of the kernel; NaN counts as infinite. */
export function worst(built: Built, c: Case, steps: readonly KernelCode[], factor = 1): number {
  const { kernel } = built;
  const values = inputsOf(built);
  const loaded = instantiate(built, steps, values);
  loaded.run();
  const outputs = kernel.buffers.filter((b) => b.access === "write").map((b) => b.value);
  const first = outputs.map((v) => loaded.read(v));
  // threads take other cuts, some of them empty; the bits stay
  for (const cut of [
    (n: number) => [0, n >> 1, n],
    (n: number) => Array.from({ length: n + 1 }, (_, i) => i),
    (n: number) => [0, 0, Math.ceil(n / 3), n],
  ]) {
    loaded.run(cut);
    outputs.forEach((v, i) => {
      expect(Buffer.from(loaded.read(v).buffer).equals(Buffer.from((first[i] as Float32Array).buffer))).toBe(true);
    });
  }
  const doubles = (of: (v: number) => number): Map<number, Float64Array> =>
    new Map([...values].map(([v, data]) => [v.id, Float64Array.from(data, of)]));
  const exact = runFast(
    [kernel],
    doubles((v) => v),
  );
  const { bias: _, act, ...plain } = c;
  const sum = build({ ...plain, bias: c.bias ?? false });
  const byName = new Map([...values].map(([v, data]) => [v.name, Float64Array.from(data, Math.abs)]));
  const magnitude = runFast(
    [sum.kernel],
    new Map(sum.kernel.buffers.filter((b) => b.access === "read").map((b) => [b.value.id, must(byName.get(b.value.name), b.value.name)])),
  );
  const [w, epsilon] = [kernel.window, 2 ** -23];
  const products = (w.in[0] / w.groups) * w.kernel[0] * w.kernel[1] + 1;
  let most = 0;
  outputs.forEach((value, o) => {
    const [y, a] = [
      must(exact.get(value.id), value.name),
      must(magnitude.get(sum.kernel.buffers.filter((b) => b.access === "write")[o]?.value.id as number), "magnitude"),
    ];
    const pixels = value.name === "sums" ? w.out[1] * w.out[2] : 1;
    (first[o] as Float32Array).forEach((got, i) => {
      const own = act ? 8 * epsilon * (1 + Math.abs(y[i] as number)) * pixels : 2 * epsilon * Math.abs(y[i] as number);
      const bound =
        factor *
          4 *
          Math.sqrt(products * (value.name === "sums" ? 1 + Math.sqrt(pixels) : 1)) *
          epsilon *
          (a[i] as number) *
          (act ? 1.5 : 1) +
        own;
      const ratio = Math.abs(got - (y[i] as number)) / bound;
      most = Math.max(most, Number.isNaN(ratio) ? Number.POSITIVE_INFINITY : ratio);
    });
  });
  return most;
}
