/** THE list of kernel passes, in order (kernels.md section 4, architecture.md section 5). A new pass is one file and one line here. */
import { chooseAlgorithm } from "./kernel/choose-algorithm.ts";
import { chooseLayout } from "./kernel/choose-layout.ts";
import { fuseEpilogue, fuseSqueezed } from "./kernel/fuse-epilogue.ts";
import { hoistGates } from "./kernel/hoist-gates.ts";
import { inlineMaps } from "./kernel/inline-maps.ts";
import { planHalo } from "./kernel/plan-halo.ts";
import { planMemory } from "./kernel/plan-memory.ts";
import { simplifyIndex } from "./kernel/simplify-index.ts";
import { sinkGates } from "./kernel/sink-gates.ts";
import { splitDeconv } from "./kernel/split-deconv.ts";
import { squeezeSums } from "./kernel/squeeze-sums.ts";
import type { KernelPass } from "./pass.ts";

/**
 * Transposed convolutions become convolutions before anything is fused to them.
 * Gates are placed while scales are still kernels of their own: first out of the way of their producer, then down to their readers.
 * Epilogues are fused before sums are taken, so that the value added up is the value stored, and again after: a value whose sums are taken
 * by its producer has one reader less.
 */
export const kernelPasses: readonly KernelPass[] = [
  splitDeconv,
  hoistGates,
  sinkGates,
  fuseEpilogue,
  squeezeSums,
  fuseSqueezed,
  inlineMaps,
  simplifyIndex,
  chooseLayout,
  planHalo,
  chooseAlgorithm,
  planMemory,
];
