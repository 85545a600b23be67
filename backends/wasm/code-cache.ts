/** Kernels of one net that differ in their weights and places alone share their code: deep nets repeat their blocks. */
import type { Weight } from "../../compiler/ir/graph.ts";
import type { Kernel, Program } from "../../compiler/ir/kernel.ts";
import { type FormOf, kernelForms } from "../../compiler/ir/kernel-form.ts";
import type { KernelCode, PackedTensor } from "./kernel-code.ts";

interface Known {
  /** By buffer. */
  readonly weights: readonly (Weight | undefined)[];
  readonly codes: readonly KernelCode[] | undefined;
}

export class CodeCache {
  readonly #known = new Map<string, Known>();
  readonly #weights: ReadonlyMap<unknown, Weight>;
  readonly #formOf: FormOf;

  constructor(program: Program) {
    this.#formOf = kernelForms(program);
    this.#weights = new Map(program.weights.map((w) => [w.value, w]));
  }

  /** What `make` gives for `kernel`, or gave for one of the same form; `storage` is that of all values of the kernel. */
  of(kernel: Kernel, storage: Program["storage"], make: () => readonly KernelCode[] | undefined): readonly KernelCode[] | undefined {
    const weights = kernel.buffers.map((b) => this.#weights.get(b.value));
    const key = this.#formOf(kernel, storage);
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
