/** The excitation of a squeeze-and-excitation block: channel sums to gate, all in one function (kernels.md section 4). */
import type { Value } from "../../compiler/ir/graph.ts";
import type { ExciteKernel } from "../../compiler/ir/kernel.ts";
import { indent } from "../module/text.ts";
import { type Call, type Functions, parameterNames } from "./functions.ts";
import { printExpr } from "./print-expr.ts";

export function emitExcite(kernel: ExciteKernel, functions: Functions, isWeight: (value: Value) => boolean): Call {
  const roles = new Map<number, string>([
    [kernel.sums, "sums"],
    [kernel.output, "gate"],
  ]);
  kernel.layers.forEach((layer, i) => {
    roles.set(layer.weight, `weight${i + 1}`);
    if (layer.bias !== undefined) roles.set(layer.bias, `bias${i + 1}`);
  });
  const names = parameterNames(kernel, isWeight, roles, ["n", "c", "o", "i", "t", "acc", "mean", "sum", "at"]);
  const { batch, tiles, channels, pixels } = kernel;
  const image = batch === 1 ? "" : `n * ${tiles * channels} + `;
  const sums = names[kernel.sums];
  const lines = [
    `const mean = new Float32Array(${channels});`,
    `for (let c = 0; c < ${channels}; c++) {`,
    ...(tiles === 1
      ? [`  mean[c] = ${sums}[${image}c] / ${pixels};`]
      : [
          "  let sum = 0;",
          `  for (let t = 0; t < ${tiles}; t++) sum += ${sums}[${image}t * ${channels} + c];`,
          `  mean[c] = sum / ${pixels};`,
        ]),
    "}",
  ];
  let input = "mean";
  kernel.layers.forEach((layer, i) => {
    const last = i === kernel.layers.length - 1;
    const weight = names[layer.weight];
    const target = last ? (names[kernel.output] as string) : `hidden${kernel.layers.length > 2 ? i + 1 : ""}`;
    const at = last && batch !== 1 ? `n * ${layer.out} + o` : "o";
    const bias = layer.bias === undefined ? undefined : names[layer.bias];
    const act = printExpr(layer.act, {
      load: () => "",
      index: (name) => name,
      acc: { text: bias === undefined ? "acc" : `acc + ${bias}[${layer.kind === "chanconv" ? 0 : "o"}]`, rounded: false },
    });
    if (!last) lines.push(`const ${target} = new Float32Array(${layer.out});`);
    lines.push(`for (let o = 0; o < ${layer.out}; o++) {`, "  let acc = 0;");
    if (layer.kind === "dense") {
      lines.push(`  for (let i = 0; i < ${layer.in}; i++) acc += ${weight}[o * ${layer.in} + i] * ${input}[i];`);
    } else {
      const taps = kernel.buffers[layer.weight]!.value.type.shape[2] as number;
      lines.push(`  for (let i = 0; i < ${taps}; i++) {`);
      if (layer.circular) lines.push(`    const at = (o + i + ${layer.in - Math.floor(taps / 2)}) % ${layer.in};`);
      else lines.push(`    const at = o + i - ${Math.floor(taps / 2)};`, `    if (at < 0 || at >= ${layer.in}) continue;`);
      lines.push(`    acc += ${weight}[i] * ${input}[at];`, "  }");
    }
    lines.push(`  ${target}[${at}] = ${act};`, "}");
    input = target;
  });
  const body = batch === 1 ? lines : [`for (let n = 0; n < ${batch}; n++) {`, ...lines.map((l) => `  ${l}`), "}"];
  const widths = [channels, ...kernel.layers.map((l) => l.out)].join("_");
  return functions.add(
    `excite_${widths}`,
    kernel,
    names,
    [],
    indent(body.join("\n"), 2),
    `Excitation: mean over ${pixels} pixels, then ${kernel.layers.map((l) => `${l.kind === "dense" ? "dense" : "channel convolution"} ${l.in} to ${l.out}`).join(", then ")}.`,
  );
}
