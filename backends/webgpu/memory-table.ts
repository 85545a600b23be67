/** The comment table of arenas in emitted modules: what lies where and when, and how far the plan is from the least possible. */
import type { Program } from "../../compiler/ir/kernel.ts";
import { commentText } from "../module/text.ts";

export function memoryTable(program: Program): string {
  const { arenas, places, lowerBound, mixed } = program.memory;
  const total = arenas.reduce((a, b) => a + b, 0);
  const ratio = lowerBound > 0 ? (total / lowerBound).toFixed(3) : "1.000";
  const rows = [...places]
    .sort(([, a], [, b]) => a.arena - b.arena || a.offset - b.offset || a.live[0] - b.live[0])
    .map(
      ([value, p]) =>
        `//   ${p.arena}  ${String(p.offset).padStart(10)}  ${String(p.bytes).padStart(10)}  ${`${p.live[0]}-${p.live[1]}`.padStart(8)}  ${commentText(value.name)}`,
    );
  const mixedKernels = [...mixed].sort((a, b) => a - b).join(", ");
  const mixing =
    mixed.size === 1
      ? `Kernel ${mixedKernels} reads and writes one arena: it binds what it reads there for writing too.`
      : `Kernels ${mixedKernels} read and write one arena: they bind what they read there for writing too.`;
  return [
    `// Activations: ${total} bytes in ${arenas.length} arenas (${arenas.join(", ")}); at least ${lowerBound} are alive at one time: ${ratio} x the lower bound.`,
    ...(mixed.size > 0 ? [`// ${mixing}`] : []),
    "//   arena  offset       bytes   kernels  value",
    ...rows,
  ].join("\n");
}
