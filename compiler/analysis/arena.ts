/** One arena of memory: values with live ranges get offsets so that no two that are alive together overlap. */
import type { LiveValue } from "./liveness.ts";

export interface Placed {
  readonly item: LiveValue;
  readonly offset: number;
}

export interface Arena {
  /** Where the value fits best and how many bytes the arena grows by. */
  fit(item: LiveValue): { readonly offset: number; readonly growth: number };
  place(item: LiveValue, offset: number): void;
  readonly bytes: () => number;
  readonly placed: readonly Placed[];
}

export const alignUp = (n: number, alignment: number): number => Math.ceil(n / alignment) * alignment;

/** Offsets are multiples of `alignment` (bytes). */
export function makeArena(alignment: number): Arena {
  const placed: Placed[] = [];
  const aliveAt = new Map<number, Placed[]>();
  let bytes = 0;
  const overlapping = ({ live: [first, last] }: LiveValue): Placed[] => {
    const found = new Set<Placed>();
    for (let at = first; at <= last; at++) for (const p of aliveAt.get(at) ?? []) found.add(p);
    return [...found].sort((a, b) => a.offset - b.offset);
  };
  return {
    placed,
    bytes: () => bytes,
    fit(item) {
      const need = alignUp(item.bytes, alignment);
      let best = { offset: -1, slack: Number.POSITIVE_INFINITY };
      let free = 0;
      for (const p of overlapping(item)) {
        const slack = p.offset - free - need;
        if (slack >= 0 && slack < best.slack) best = { offset: free, slack };
        free = Math.max(free, alignUp(p.offset + p.item.bytes, alignment));
      }
      // the space above the last neighbour counts as a gap up to the arena's present end
      const slack = bytes - free - need;
      if (best.offset < 0 || (slack >= 0 && slack < best.slack)) best = { offset: free, slack };
      return { offset: best.offset, growth: Math.max(0, best.offset + need - bytes) };
    },
    place(item, offset) {
      const p = { item, offset };
      placed.push(p);
      bytes = Math.max(bytes, offset + alignUp(item.bytes, alignment));
      for (let at = item.live[0]; at <= item.live[1]; at++) {
        const list = aliveAt.get(at);
        if (list) list.push(p);
        else aliveAt.set(at, [p]);
      }
    },
  };
}
