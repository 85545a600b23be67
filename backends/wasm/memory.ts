/** The one memory of a module, sized at compile time: control words, weights, arena, what the caller gives and gets, shared and scratch memory. */
import { must } from "../../compiler/invariant.ts";
import type { Program } from "../../compiler/ir/kernel.ts";
import type { PackedTensor } from "./kernel-code.ts";
import type { Place, StepList } from "./steps.ts";

export const PAGE = 65_536;
/** Bytes a WebAssembly memory of 32-bit addresses can have. */
export const MOST_BYTES = 65_536 * PAGE;
export const MOST_THREADS = 64;
/**
 * Words that threads share, each in a cache line of its own: those of the barrier, and the next part of the present step. The lanes of the
 * weights' digest are used while loading.
 */
export const CONTROL = { arrived: 64, generation: 128, next: 192, digest: 256, end: 1024 } as const;
/** Vectors may be read past the end of a value by less than this. */
const GUARD = 256;

export interface MemoryPlan {
  readonly weights: number;
  readonly arena: number;
  readonly staging: number;
  readonly shared: number;
  readonly scratch: number;
  /** Of one thread, whole pages. */
  readonly scratchBytes: number;
  /** With the scratch memory of one thread. */
  readonly bytes: number;
}

/** Both binaries share one plan: regions are as large as either wants. */
/** `weightBytes`: packed weights as the kernels read them. */
export function memoryPlan(program: Program, weightBytes: number, lists: readonly StepList[]): MemoryPlan {
  const most = (of: (list: StepList) => number): number => Math.max(0, ...lists.map(of));
  const weights = CONTROL.end;
  const arena = weights + weightBytes;
  const staging = arena + program.memory.arenas.reduce((sum, bytes) => sum + bytes, 0) + GUARD;
  const shared = staging + most((l) => l.stagingBytes);
  const scratch = Math.ceil((shared + most((l) => l.sharedBytes) + GUARD) / PAGE) * PAGE;
  const scratchBytes = Math.ceil(most((l) => l.scratchBytes) / PAGE) * PAGE;
  return { weights, arena, staging, shared, scratch, scratchBytes, bytes: scratch + scratchBytes };
}

/** Bytes from the start of the memory, or of the thread's scratch memory. */
export function addressOf(place: Place, plan: MemoryPlan, program: Program, offsets: ReadonlyMap<string, number>): number {
  switch (place.region) {
    case "value": {
      const { arena, offset } = must(program.memory.places.get(place.value), `place of ${place.value.name}`);
      const before = program.memory.arenas.slice(0, arena).reduce((sum, bytes) => sum + bytes, 0);
      return plan.arena + before + offset + place.offset;
    }
    case "packed":
      return plan.weights + must(offsets.get(packingKey(place.packing)), "packed weight") + place.offset;
    case "staging":
      return plan.staging + place.offset;
    case "shared":
      return plan.shared + place.offset;
    case "scratch":
      return place.offset;
  }
}

export const packingKey = ({ weight, key, others = [] }: PackedTensor): string =>
  [weight.value.id, ...others.map((w) => w.value.id), key].join(" ");
