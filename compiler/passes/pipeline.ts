/** THE list of passes, in order. A new pass is one file and one line here. */
import { InternalError } from "../invariant.ts";
import type { Graph } from "../ir/graph.ts";
import type { Program } from "../ir/kernel.ts";
import { type Fault, faultText, verifyGraph } from "../ir/verify.ts";
import { verifyProgram } from "../ir/verify-program.ts";
import { opRules } from "../ops/rules.ts";
import { canonicalize } from "./graph/canonicalize.ts";
import { eliminateDeadNodes } from "./graph/eliminate-dead-nodes.ts";
import { eliminateIdentity } from "./graph/eliminate-identity.ts";
import { foldBatchNorm } from "./graph/fold-batch-norm.ts";
import { foldConstants } from "./graph/fold-constants.ts";
import { mergeDuplicates } from "./graph/merge-duplicates.ts";
import type { GraphPass, KernelPass, KernelPassContext, PassContext } from "./pass.ts";

/**
 * A dead reader, a dropout between a convolution and its batch norm, two equal batch norms of one value: each would keep the pair apart,
 * so those passes stand before fold-batch-norm. Constants are folded before it too, so that imported scales are tensors by then.
 */
export const graphPasses: readonly GraphPass[] = [
  eliminateDeadNodes,
  eliminateIdentity,
  canonicalize,
  foldConstants,
  mergeDuplicates,
  foldBatchNorm,
  eliminateDeadNodes,
];

/** What one pass did; given to `onPass` right after it ran. */
export interface PassReport<IR> {
  readonly pass: string;
  readonly before: IR;
  readonly after: IR;
  /** By identity: a pass returns the object it was given when it did nothing. */
  readonly changed: boolean;
  /** Milliseconds by the caller's clock; 0 without one. */
  readonly ms: number;
}

export interface RunOptions<IR> {
  readonly onPass?: ((report: PassReport<IR>) => void) | undefined;
  /** Check the IR before the first and after every pass; a fault is a bug of the pass and throws. */
  readonly verify?: boolean | undefined;
  /** Milliseconds, e.g. `performance.now`: the core itself reads no clock. */
  readonly now?: (() => number) | undefined;
}

interface Pass<IR, C> {
  readonly name: string;
  readonly minLevel: number;
  readonly run: (ir: IR, context: C) => IR;
}

function run<IR, C extends PassContext>(
  ir: IR,
  passes: readonly Pass<IR, C>[],
  context: C,
  options: RunOptions<IR>,
  faultsOf: (ir: IR) => readonly Fault[],
): IR {
  const now = options.now ?? (() => 0);
  const check = (value: IR, when: string): void => {
    if (!options.verify) return;
    const faults = faultsOf(value);
    if (faults.length) throw new InternalError([`illegal IR ${when}:`, ...faults.map((f) => `  ${faultText(f)}`)].join("\n"));
  };
  check(ir, "before the first pass");
  let current = ir;
  for (const pass of passes) {
    if (context.level < pass.minLevel) continue;
    const before = current;
    const start = now();
    current = pass.run(before, context);
    const ms = now() - start;
    check(current, `after ${pass.name}`);
    options.onPass?.({ pass: pass.name, before, after: current, changed: current !== before, ms });
  }
  return current;
}

export function runGraphPasses(graph: Graph, context: PassContext, options: RunOptions<Graph> = {}): Graph {
  return run(graph, graphPasses, context, options, (g) => verifyGraph(g, opRules));
}

/** `passes` is the kernel list of `kernel-pipeline.ts`, or part of it in tests. */
export function runKernelPasses(
  program: Program,
  passes: readonly KernelPass[],
  context: KernelPassContext,
  options: RunOptions<Program> = {},
): Program {
  return run(program, passes, context, options, (p) => verifyProgram(p, context.capabilities));
}

export type OptimizeOptions = PassContext & RunOptions<Graph>;

/** All graph passes of the level, in order. */
export function optimizeGraph(graph: Graph, options: OptimizeOptions): Graph {
  return runGraphPasses(graph, options, options);
}
