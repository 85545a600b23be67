/** What readers of all foreign formats share: a value as the file sees it, and how a layer without an equivalent is refused. */
import type { Message } from "../diagnostics/diagnostic.ts";
import type { NetDraft } from "./net-draft.ts";

/**
 * A value of the net as the file sees it. `dims` are its sizes without the batch; they may differ from those of `value` in the draft as
 * long as the order of elements is the same, so squeezing and flattening cost no layer until one is needed.
 */
export interface SeenValue {
  readonly value: string;
  readonly dims: readonly number[];
}

/** Why a layer has no equivalent; caught by the driver, which goes on with the next one. */
export class Refusal extends Error {}

export function refuse(why: string): never {
  throw new Refusal(why);
}

/** The shortest decimal that is the same f32: 0.1 was written, not 0.10000000149. */
export function shortest(x: number): number {
  const single = Math.fround(x);
  if (!Number.isFinite(single)) return x;
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(single.toPrecision(digits));
    if (Math.fround(short) === single) return short;
  }
  return single;
}

export const sizeOf = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1);

export const sameDims = (a: readonly number[], b: readonly number[]): boolean => a.length === b.length && a.every((d, i) => d === b[i]);

/** Sizes of the draft's value, without the batch. */
export const dimsIn = (draft: NetDraft, value: string): readonly number[] => draft.typeOf(value).shape.slice(1) as readonly number[];

export function added(value: string | Message): string {
  return typeof value === "string" ? value : refuse(value.title);
}

/** The value with the sizes that the file gives it: a flatten or a reshape is added when the draft has others. */
export function settled(draft: NetDraft, seen: SeenValue, label: string): string {
  const have = dimsIn(draft, seen.value);
  if (sameDims(have, seen.dims)) return seen.value;
  if (seen.dims.length === 1 && have.length === 3) return added(draft.add({ label, op: "flatten", inputs: [seen.value] }));
  if (seen.dims.length !== 1 && seen.dims.length !== 3) return refuse(`it reads a value of rank ${seen.dims.length + 1}`);
  return added(draft.add({ label, op: "reshape", inputs: [seen.value], attrs: { dims: seen.dims } }));
}

/** A number or a pair, as short as it can be said. */
export const pair = (v: readonly number[]): number | readonly number[] => (v.every((x) => x === v[0]) ? (v[0] as number) : v);

/** [top, left, bottom, right] as short as it can be said. */
export function border(pads: readonly number[]): number | readonly number[] {
  const [t, l, b, r] = pads as [number, number, number, number];
  return t === b && l === r ? pair([t, l]) : pads;
}

/** Names of inputs or outputs in the language, from any text: identifiers, each once. */
export function portNames(): (text: string) => string {
  const taken = new Set<string>();
  return (text) => {
    const bare = text.replace(/[^A-Za-z0-9_]+/g, "_").slice(0, 100);
    const base = /^[A-Za-z_]/.test(bare) ? bare : `_${bare}`;
    let name = base;
    for (let n = 2; taken.has(name); n++) name = `${base}_${n}`;
    taken.add(name);
    return name;
  };
}
