/**
 * Sets of arenas under construction: values with live ranges get an arena and an offset so that no two that are alive together overlap.
 * Immutable, so that a search can keep several plans; an arena is shared until it changes.
 */
import type { LiveValue } from "./liveness.ts";

export interface Placed {
  readonly item: LiveValue;
  readonly offset: number;
}

export interface Arena {
  readonly placed: readonly Placed[];
  readonly bytes: number;
}

export interface Fit {
  readonly offset: number;
  /** Bytes the arena grows by. */
  readonly growth: number;
}

export const EMPTY_ARENA: Arena = { placed: [], bytes: 0 };

export const alignUp = (n: number, alignment: number): number => Math.ceil(n / alignment) * alignment;

const together = (a: LiveValue, b: LiveValue): boolean => a.live[0] <= b.live[1] && b.live[0] <= a.live[1];

/**
 * Where the item may go: the lowest gap that holds it, the tightest one, and the top of the arena; or on top of what is alive with it.
 * Offsets are multiples of `alignment` bytes; the same offset is given once.
 */
export function fitsInto(arena: Arena, item: LiveValue, alignment: number, neighbours: readonly Placed[] = arena.placed): Fit[] {
  const need = alignUp(item.bytes, alignment);
  const overlapping = neighbours.filter((p) => together(p.item, item)).sort((a, b) => a.offset - b.offset);
  const gaps: { readonly offset: number; readonly slack: number }[] = [];
  let free = 0;
  const gap = (end: number): void => {
    if (end - free >= need) gaps.push({ offset: free, slack: end - free - need });
  };
  for (const p of overlapping) {
    gap(p.offset);
    free = Math.max(free, alignUp(p.offset + p.item.bytes, alignment));
  }
  gap(arena.bytes);
  const [first] = gaps;
  if (!first) return [{ offset: free, growth: Math.max(0, free + need - arena.bytes) }];
  const tightest = gaps.reduce((a, b) => (b.slack < a.slack ? b : a));
  const last = gaps[gaps.length - 1] ?? first;
  const offsets = new Set([tightest.offset, first.offset, last.offset + last.slack]);
  return [...offsets].map((offset) => ({ offset, growth: 0 }));
}

export function placeAt(arena: Arena, item: LiveValue, { offset, growth }: Fit): Arena {
  return { placed: [...arena.placed, { item, offset }], bytes: arena.bytes + growth };
}
