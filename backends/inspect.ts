/** What a target would run, without emitting it: the rows of `sec inspect --target`. */
import type { Diagnostics } from "../compiler/diagnostics/diagnostic.ts";
import { must } from "../compiler/invariant.ts";
import type { Graph, Value } from "../compiler/ir/graph.ts";
import type { Kernel } from "../compiler/ir/kernel.ts";
import { numel } from "../compiler/ir/type.ts";
import type { OptimizeLevel } from "../compiler/passes/pass.ts";
import type { Backend } from "./backend.ts";
import { programFor } from "./emit.ts";

export interface KernelRow {
  readonly name: string;
  readonly kind: string;
  readonly algorithm: string;
  readonly tile?: string;
  /** Layer paths fused into the kernel. */
  readonly ops: readonly string[];
  /** Multiplications and additions. */
  readonly flops: number;
  /** Read and written once each, f32. */
  readonly bytes: number;
}

/** Multiply-adds count as two; loops count their body once a point. */
export function flopsOf(k: Kernel): number {
  switch (k.kind) {
    case "contract":
    case "depthwise": {
      const w = k.window;
      return 2 * w.batch * w.out[0] * w.out[1] * w.out[2] * (w.in[0] / w.groups) * w.kernel[0] * w.kernel[1];
    }
    case "excite":
      return k.batch * k.layers.reduce((n, l) => n + 2 * (l.kind === "dense" ? l.in * l.out : l.in), k.tiles * k.channels);
    case "loop":
      return [...k.space, ...(k.reduce?.over ?? [])].reduce((n, a) => n * a.size, 1);
  }
}

/** Graph targets have no kernels: an empty list. */
export function emitlessProgram(
  backend: Backend,
  graph: Graph,
  request: { readonly batch: number; readonly level: OptimizeLevel; readonly diagnostics: Diagnostics },
): readonly KernelRow[] {
  if (backend.level === "graph") return [];
  const program = programFor(backend, graph, request);
  return program.kernels.map((k) => {
    const schedule = "schedule" in k ? k.schedule : undefined;
    const distinct = new Set<Value>(k.buffers.map((b) => must(b, "buffer").value));
    return {
      name: k.name,
      kind: k.kind,
      algorithm: schedule?.algorithm ?? k.kind,
      ...(schedule?.tile === undefined ? {} : { tile: schedule.tile }),
      ops: k.from.map((n) => n.path),
      flops: flopsOf(k),
      bytes: [...distinct].reduce((n, v) => n + 4 * numel(v.type.shape), 0),
    };
  });
}
