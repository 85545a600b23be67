/**
 * Where packed weights lie: in the file, and in the memory.
 *
 * Small ones are copied to their places while a net is loaded. Of large ones, memory is touched for the first time when they get there, and on
 * many machines that takes several times as long as the copy. So they are brought late: for the first run, one after another into one window,
 * and to their places before the second. The window is the place of the largest of them.
 */
import { invariant, must } from "../../compiler/invariant.ts";
import { ALIGNMENT } from "../module/weights-file.ts";
import type { Expansion, PackedTensor } from "./kernel-code.ts";
import { packingKey } from "./memory.ts";
import type { Step, StepList } from "./steps.ts";

/** Smaller packings are not worth a stop between two steps. */
const LATE_BYTES = 2 ** 17;

type Expanded = PackedTensor & { readonly expansion: Expansion };
export const isExpanded = (p: PackedTensor): p is Expanded => p.expansion !== undefined;

export interface WeightsLayout {
  /** In the order of the file: those that are copied while loading, then the late ones. */
  readonly packings: readonly PackedTensor[];
  readonly late: readonly PackedTensor[];
  /** By key of the packing: bytes from the start of the weights in memory. */
  readonly offsets: ReadonlyMap<string, number>;
  /** Bytes of all in memory. */
  readonly bytes: number;
  /** Index of the late packing that has the largest place; -1 when none is late. */
  readonly window: number;
}

const packingsIn = ({ addresses }: Step): PackedTensor[] => [
  ...new Map(addresses.flatMap((a) => (a.region === "packed" ? [[packingKey(a.packing), a.packing]] : []))).values(),
];

const placeBytes = (p: PackedTensor): number => Math.ceil(((p.expansion?.elements ?? p.elements) * 4) / ALIGNMENT) * ALIGNMENT;

/** Distinct packings of both binaries in order of first use, large ones late: of each step at most one, since there is one window. */
export function weightsLayout(lists: readonly StepList[]): WeightsLayout {
  const steps = lists.flatMap((l) => l.steps.map(packingsIn));
  const all = new Map(steps.flat().map((p) => [packingKey(p), p]));
  const late = new Map([...all].filter(([, p]) => isExpanded(p) || placeBytes(p) >= LATE_BYTES));
  for (const packings of steps) {
    const large = packings
      .filter((p) => late.has(packingKey(p)))
      .sort((a, b) => Number(isExpanded(b)) - Number(isExpanded(a)) || placeBytes(b) - placeBytes(a));
    for (const p of large.slice(1)) {
      invariant(!isExpanded(p), "two expanded weights in one step");
      late.delete(packingKey(p));
    }
  }
  const last = [...late.values()];
  const packings = [...[...all.values()].filter((p) => !late.has(packingKey(p))), ...last];
  const offsets = new Map<string, number>();
  let bytes = 0;
  for (const p of packings) {
    offsets.set(packingKey(p), bytes);
    bytes += placeBytes(p);
  }
  const largest = Math.max(0, ...last.map(placeBytes));
  return { packings, late: last, offsets, bytes, window: last.findIndex((p) => placeBytes(p) === largest) };
}

/** The late packing that a step reads: its index, or -1. */
export function lateOf(step: Step, { late }: WeightsLayout): number {
  const keys = new Set(packingsIn(step).map(packingKey));
  return late.findIndex((p) => keys.has(packingKey(p)));
}

export const placeOf = (p: PackedTensor, { offsets }: WeightsLayout): number => must(offsets.get(packingKey(p)), "place of a packing");
