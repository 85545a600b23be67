/** What kernels have in common that differ in their names, their weights and their places alone: deep nets repeat their blocks. */
import type { Kernel, Program } from "./kernel.ts";

/** Numbers that JSON has no form for must differ as well. */
const exactly = (_key: string, v: unknown): unknown =>
  typeof v === "number" && (!Number.isFinite(v) || Object.is(v, -0)) ? `${1 / v} ${v}` : v;

/** The form of a kernel, as a text: equal texts, the same computation on buffers of the same layouts. `storage`: of all its values. */
export type FormOf = (kernel: Kernel, storage?: Program["storage"]) => string;

export function kernelForms(program: Program): FormOf {
  const isWeight = new Set(program.weights.map((w) => w.value));
  return ({ name: _name, from, buffers, ...form }, storage = program.storage) => {
    const layouts = buffers.map(({ value, access }) => [access, value.type.shape, isWeight.has(value) ? "weight" : storage.get(value)]);
    // one value in two buffers may be read by one address
    const same = buffers.map(({ value }) => buffers.findIndex((b) => b.value === value));
    return JSON.stringify([form, layouts, same, from.map((node) => node.op)], exactly);
  };
}
