/** What happens to the finished sums of a contraction: bias, gate, residual, activation, store, and channel sums for a later gate. */
import * as x from "../../compiler/ir/expr.ts";
import type { ContractKernel, DepthwiseKernel, Expr } from "../../compiler/ir/kernel.ts";
import { addressExpr, addressOf, axesIn } from "./address.ts";
import type { Plan } from "./contract.ts";
import { shapeOf } from "./functions.ts";
import { type ExprNames, printExpr } from "./print-expr.ts";

export interface Epilogue {
  /** Around the loop over runs, for one block of channels. */
  readonly before: readonly string[];
  readonly after: readonly string[];
  /** After the sums of one run. */
  readonly lines: readonly string[];
  /** "output = max(sum + bias, 0)", for the function's comment. */
  readonly text: string;
}

export function emitEpilogue(kernel: ContractKernel | DepthwiseKernel, plan: Plan, parameters: readonly string[]): Epilogue {
  const w = kernel.window;
  const sizes: Readonly<Record<string, number>> = { n: w.batch, c: w.out[0], y: w.out[1], x: w.out[2] };
  const settle = (e: Expr): Expr => x.rewrite(e, (part) => (part.kind === "index" && sizes[part.name] === 1 ? x.int(0) : undefined));
  const shape = (buffer: number): readonly number[] => shapeOf(kernel.buffers[buffer]!.value);
  const output = shape(kernel.output);

  /** Text of an address; merged runs know p (start) and x (distance), not y. */
  const where = (buffer: number, at: readonly Expr[]): { readonly text: string; readonly perPixel: boolean } => {
    const address = addressOf(shape(buffer), at);
    const strides = new Map(address.strides);
    if (plan.merged) {
      // an axis of size 1 has no stride: in a map one pixel wide it is y that walks along the run
      const pixel = strides.get(w.out[2] === 1 ? "y" : "x");
      strides.delete("y");
      strides.delete("x");
      if (pixel !== undefined) {
        strides.set("p", pixel);
        strides.set("x", pixel);
      }
    }
    const axes = axesIn(address.rest, new Set(strides.keys()));
    return { text: printExpr(addressExpr({ strides, rest: address.rest }), names), perPixel: ["x", "y", "p"].some((a) => axes.has(a)) };
  };
  // loads that do not depend on the pixel are read once per channel
  const perChannel = new Map<string, string>();
  const names: ExprNames = {
    load(buffer, at) {
      const { text, perPixel } = where(buffer, at);
      const load = `${parameters[buffer]}[${text}]`;
      if (perPixel) return load;
      const known = [...perChannel].find(([, l]) => l === load)?.[0];
      if (known) return known;
      let name = `${parameters[buffer]}_c`;
      for (let i = 2; perChannel.has(name); i++) name = `${parameters[buffer]}_c${i}`;
      perChannel.set(name, load);
      return name;
    },
    index: (name) => name,
    acc: { text: plan.run === 1 ? "row[0]" : "row[x]", rounded: false },
  };
  const plain: ExprNames = {
    load: (buffer) => parameters[buffer] as string,
    index: (name) => name,
    acc: { text: "sum", rounded: false },
    plain: true,
  };

  const epilogue = settle(kernel.epilogue);
  const stored = printExpr(epilogue, names);
  // summed as the f32 values that are stored, pixel after pixel: the same bits as a pooling layer would give
  const squeeze = kernel.squeeze && printExpr(settle(kernel.squeeze.of), names, false);
  const target = `${parameters[kernel.output]}[${
    where(
      kernel.output,
      ["n", "c", "y", "x"].slice(0, output.length).map((a) => x.add(settle(x.index(a)), a === "c" ? (kernel.firstChannel ?? 0) : 0)),
    ).text
  }]`;
  const pixel = [
    ...(squeeze === undefined
      ? [`${target} = ${stored};`]
      : squeeze === printExpr(epilogue, names, false)
        ? [`const value = ${squeeze};`, `${target} = value;`, "sum += value;"]
        : [`${target} = ${stored};`, `sum += ${squeeze};`]),
  ];
  const lines = [
    `for (let k = 0; k < ${plan.block}; k++) {`,
    "  const row = rows[k];",
    "  const c = c0 + k;",
    ...[...perChannel].map(([name, load]) => `  const ${name} = ${load};`),
    ...(squeeze === undefined ? [] : ["  let sum = totals[k];"]),
    ...(plan.run === 1
      ? pixel.map((line) => `  ${line}`)
      : [`  for (let x = 0; x < ${plan.run}; x++) {`, ...pixel.map((line) => `    ${line}`), "  }"]),
    ...(squeeze === undefined ? [] : ["  totals[k] = sum;"]),
    "}",
  ];
  const text = `${printExpr(epilogue, plain).replaceAll("Math.", "")}.`;
  if (!kernel.squeeze || squeeze === undefined) return { before: [], after: [], lines, text };
  const { buffer, tiles } = kernel.squeeze;
  const n = w.batch === 1 ? "" : `n * ${tiles * w.out[0]} + `;
  return {
    before: [`const totals = [${Array.from({ length: plan.block }, () => "0").join(", ")}];`],
    after: [`for (let k = 0; k < ${plan.block}; k++) ${parameters[buffer]}[${n}c0 + k] = totals[k];`],
    lines,
    text,
  };
}
