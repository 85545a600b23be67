/** Kernels of one net that differ in their weights and places alone share their code: deep nets repeat their blocks. */
import type { Weight } from "../../compiler/ir/graph.ts";
import type { Kernel, Program } from "../../compiler/ir/kernel.ts";
import type { KernelCode, PackedTensor } from "./kernel-code.ts";

interface Known {
  /** By buffer. */
  readonly weights: readonly (Weight | undefined)[];
  readonly codes: readonly KernelCode[] | undefined;
}

/** Numbers that JSON has no form for must differ as well. */
const exactly = (_key: string, v: unknown): unknown =>
  typeof v === "number" && (!Number.isFinite(v) || Object.is(v, -0)) ? `${1 / v} ${v}` : v;

export class CodeCache {
  readonly #known = new Map<string, Known>();
  readonly #weights: ReadonlyMap<unknown, Weight>;

  constructor(program: Program) {
    this.#weights = new Map(program.weights.map((w) => [w.value, w]));
  }

  /** What `make` gives for `kernel`, or gave for one of the same form; `storage` is that of all values of the kernel. */
  of(kernel: Kernel, storage: Program["storage"], make: () => readonly KernelCode[] | undefined): readonly KernelCode[] | undefined {
    const weights = kernel.buffers.map((b) => this.#weights.get(b.value));
    const { name: _name, from, buffers, ...form } = kernel;
    const layouts = buffers.map(({ value, access }, i) => [access, value.type.shape, weights[i] ? "weight" : storage.get(value)]);
    // one value in two buffers may be read by one address
    const same = buffers.map(({ value }) => buffers.findIndex((b) => b.value === value));
    const key = JSON.stringify([form, layouts, same, from.map((node) => node.op)], exactly);
    const known = this.#known.get(key);
    if (!known) {
      const codes = make();
      this.#known.set(key, { weights, codes });
      return codes;
    }
    const own = new Map(known.weights.map((w, i) => [w, weights[i]]));
    const of = (w: Weight): Weight => own.get(w) ?? w;
    const rebound = (p: PackedTensor): PackedTensor => ({ ...p, weight: of(p.weight), ...(p.others ? { others: p.others.map(of) } : {}) });
    return known.codes?.map((code) => (code.packed.length === 0 ? code : { ...code, packed: code.packed.map(rebound) }));
  }
}
