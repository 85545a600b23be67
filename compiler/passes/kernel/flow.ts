/**
 * The working form of a Program inside a pass: kernels in numbered slots with the slots that write and read every value.
 * A pass replaces or empties slots; `closeFlow` makes a Program again. Everything is linear in the number of kernels.
 */
import type { Attrs, Value, Weight } from "../../ir/graph.ts";
import type { BufferUse, Kernel, Program, Storage } from "../../ir/kernel.ts";

export interface Flow {
  /** Slots stay topological: a kernel's inputs are written in lower slots. */
  readonly slots: (Kernel | undefined)[];
  readonly writers: ReadonlyMap<Value, readonly number[]>;
  readonly readers: ReadonlyMap<Value, readonly number[]>;
  /** Values the caller of the net gets: they must stay stored as they are. */
  readonly outputs: ReadonlySet<Value>;
  /** Puts a kernel into a slot, or empties it. */
  replace(slot: number, kernel: Kernel | undefined): void;
  /** A value that no kernel knows yet. */
  newValue(name: string, shape: readonly number[]): Value;
  /**
   * A weight computed by `recipe` from others; becomes part of the program when a kernel reads it. Layers that share a tensor share what is
   * derived from it: the same recipe gives the same weight. `path` is made unique.
   */
  derive(path: string, shape: readonly number[], recipe: string, from: readonly Weight[], attrs?: Attrs): Value;
  weightOf(value: Value): Weight | undefined;
  /** Whether anything was replaced. */
  readonly changed: () => boolean;
}

/** Each once, in order. Every pass asks it of every kernel: nothing is made but the list. */
function valuesOf(k: Kernel, access: BufferUse["access"]): Value[] {
  const values: Value[] = [];
  for (const use of k.buffers) if (use.access === access && !values.includes(use.value)) values.push(use.value);
  return values;
}

export const readsOf = (k: Kernel): Value[] => valuesOf(k, "read");
export const writesOf = (k: Kernel): Value[] => valuesOf(k, "write");

const formulaOf = (shape: readonly number[], recipe: string, from: readonly Weight[], attrs: Attrs): string =>
  JSON.stringify([recipe, from.map((w) => w.value.id), attrs, shape]);

export function openFlow(program: Program): Flow & { readonly weights: ReadonlyMap<Value, Weight> } {
  const slots: (Kernel | undefined)[] = [...program.kernels];
  const writers = new Map<Value, number[]>();
  const readers = new Map<Value, number[]>();
  const weights = new Map<Value, Weight>(program.weights.map((w) => [w.value, w]));
  let changed = false;
  let id = 0;
  const link = (map: Map<Value, number[]>, value: Value, slot: number): void => {
    const list = map.get(value);
    if (list) list.push(slot);
    else map.set(value, [slot]);
  };
  const unlink = (map: Map<Value, number[]>, value: Value, slot: number): void => {
    const list = map.get(value) ?? [];
    const at = list.indexOf(slot);
    if (at >= 0) list.splice(at, 1);
  };
  const attach = (slot: number, k: Kernel): void => {
    for (const v of readsOf(k)) link(readers, v, slot);
    for (const v of writesOf(k)) link(writers, v, slot);
  };
  slots.forEach((k, slot) => {
    attach(slot, k as Kernel);
    for (const { value } of (k as Kernel).buffers) id = Math.max(id, value.id + 1);
  });
  for (const { value } of [...program.inputs, ...program.outputs, ...program.weights]) id = Math.max(id, value.id + 1);
  const newValue = (name: string, shape: readonly number[]): Value => ({ id: id++, type: { dtype: "f32", shape }, name });
  const derived = new Map<string, Value>();
  const paths = new Set(program.weights.map((w) => w.path));
  return {
    slots,
    writers,
    readers,
    weights,
    outputs: new Set(program.outputs.map((o) => o.value)),
    replace(slot, kernel) {
      const old = slots[slot];
      if (old) {
        for (const v of readsOf(old)) unlink(readers, v, slot);
        for (const v of writesOf(old)) unlink(writers, v, slot);
      }
      slots[slot] = kernel;
      if (kernel) attach(slot, kernel);
      changed = true;
    },
    newValue,
    derive(wanted, shape, recipe, from, attrs = {}) {
      const formula = formulaOf(shape, recipe, from, attrs);
      const known = derived.get(formula);
      if (known) return known;
      let path = wanted;
      for (let i = 2; paths.has(path); i++) path = `${wanted}~${i}`;
      paths.add(path);
      const value = newValue(path, shape);
      weights.set(value, { value, path, trainable: false, init: { kind: "derived", recipe, from, attrs } });
      derived.set(formula, value);
      return value;
    },
    weightOf: (v) => weights.get(v),
    changed: () => changed,
  };
}

/** NCHW without padding: how every value lies until `choose-layout` decides. */
export const plainStorage = (value: Value): Storage => ({
  order: "nchw",
  channels: Number(value.type.shape[value.type.shape.length === 4 ? 1 : value.type.shape.length - 1] ?? 1),
  halo: 0,
});

/** The program with these kernels: weights in order of first use, storage of exactly the values that occur. */
export function withKernels(program: Program, kernels: readonly Kernel[], known: ReadonlyMap<Value, Weight>): Program {
  const weights = new Set<Weight>();
  const storage = new Map<Value, Storage>();
  const store = (value: Value): void => {
    if (!storage.has(value)) storage.set(value, program.storage.get(value) ?? plainStorage(value));
  };
  for (const { value } of program.inputs) store(value);
  for (const k of kernels) {
    for (const { value } of k.buffers) {
      const weight = known.get(value);
      if (weight) weights.add(weight);
      else store(value);
    }
  }
  for (const { value } of program.outputs) if (!known.has(value)) store(value);
  return { ...program, kernels, weights: [...weights], storage };
}

/** The program after the pass; the same object when nothing was replaced. */
export function closeFlow(program: Program, flow: ReturnType<typeof openFlow>): Program {
  if (!flow.changed()) return program;
  return withKernels(
    program,
    flow.slots.filter((k) => k !== undefined),
    flow.weights,
  );
}

/** The slot of the kernel that alone writes `value`; undefined for inputs, weights and joined values. */
export function soleWriter(flow: Flow, value: Value): number | undefined {
  const list = flow.writers.get(value);
  return list?.length === 1 ? list[0] : undefined;
}

export const readersOf = (flow: Flow, value: Value): readonly number[] => flow.readers.get(value) ?? [];
/** The last slot that writes `value`; -1 when it is there from the start. */
export const readyAt = (flow: Flow, value: Value): number => Math.max(-1, ...(flow.writers.get(value) ?? []));
