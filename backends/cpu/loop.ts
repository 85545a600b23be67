/** Loop kernels as nested loops over flat arrays: everything that is not a contraction, and at -O0 contractions too. */
import * as x from "../../compiler/ir/expr.ts";
import type { Value } from "../../compiler/ir/graph.ts";
import type { Axis, Expr, LoopKernel } from "../../compiler/ir/kernel.ts";
import { numberLiteral } from "../module/text.ts";
import { type Address, addressExpr, addressOf, axesIn, collectAddresses, mergeAxes } from "./address.ts";
import { type Call, type Functions, parameterNames, shapeOf } from "./functions.ts";
import { type ExprNames, printExpr } from "./print-expr.ts";

export function emitLoop(kernel: LoopKernel, functions: Functions, isWeight: (value: Value) => boolean): Call {
  const reduceAxes = kernel.reduce?.over ?? [];
  const single = new Set([...kernel.space, ...reduceAxes].filter((a) => a.size === 1).map((a) => a.name));
  // an axis of size 1 is always 0
  const settle = (e: Expr): Expr => x.rewrite(e, (part) => (part.kind === "index" && single.has(part.name) ? x.int(0) : undefined));
  const body = settle(kernel.body);
  const epilogue = kernel.epilogue && settle(kernel.epilogue);
  const store = kernel.store.map(settle);
  const shape = (buffer: number): readonly number[] => shapeOf(kernel.buffers[buffer]!.value);
  const target = addressOf(shape(kernel.output), store);

  // the axes that something reads other than as a plain coordinate of an address
  const fixed = new Set<string>();
  const addresses: Address[] = [target];
  axesIn(target.rest, fixed);
  for (const e of epilogue ? [body, epilogue] : [body]) collectAddresses(e, shape, addresses, fixed);
  const space = mergeAxes(
    kernel.space.filter((a) => a.size !== 1),
    addresses,
    fixed,
  );
  const over = mergeAxes(
    reduceAxes.filter((a) => a.size !== 1),
    addresses,
    fixed,
  );
  const gone = new Set([...space.gone, ...over.gone]);

  const axisNames = [...kernel.space, ...reduceAxes].map((a) => a.name);
  const parameters = parameterNames(kernel, isWeight, new Map(), [...axisNames, "acc"]);
  const where = (address: Address): string => {
    const strides = new Map([...address.strides].filter(([axis]) => !gone.has(axis)));
    return printExpr(addressExpr({ strides, rest: address.rest }), names);
  };
  const names: ExprNames = {
    load: (buffer, at) => `${parameters[buffer]}[${where(addressOf(shape(buffer), at))}]`,
    index: (name) => name,
    acc: { text: "acc", rounded: kernel.reduce?.fn === "max" },
  };
  const place = `${parameters[kernel.output]}[${where(target)}]`;
  const lines: string[] = [];
  if (kernel.reduce) {
    const { fn, init } = kernel.reduce;
    lines.push(`let acc = ${numberLiteral(init)};`);
    // outside of the map there is often a term that changes nothing: a test reads better than adding it
    const neutral = fn === "add" ? 0 : init;
    const skips = body.kind === "select" && body.no.kind === "const" && body.no.value === neutral;
    const exact =
      fn === "add" && isProductWithWeight(body, new Set(reduceAxes.map((a) => a.name)), (b) => isWeight(kernel.buffers[b]!.value));
    const term = printExpr(skips ? body.yes : body, names, exact);
    const step = fn === "add" ? `acc += ${term};` : `acc = Math.max(acc, ${term});`;
    lines.push(...nest(over.axes, [skips ? `if (${printExpr(body.cond, names)}) ${step}` : step]));
    lines.push(`${place} = ${epilogue ? printExpr(epilogue, names) : "acc"};`);
  } else {
    lines.push(`${place} = ${printExpr(body, names)};`);
  }
  const text = nest(space.axes, lines).map((line) => `  ${line}`);
  // of a mean whose division comes later, the sums
  const nameOf = (op: string): string => (op === "gap" && kernel.reduce && !epilogue ? "sum" : op);
  const ops = [...new Set(kernel.from.map((node) => nameOf(node.op)))].join("_") || "map";
  const sizes = kernel.space.map((a) => a.size).join("×");
  return functions.add(
    `${ops}_${shapeOf(kernel.buffers[kernel.output]!.value).slice(1).join("x")}`,
    kernel,
    parameters,
    [],
    text.join("\n"),
    `${ops.replaceAll("_", ", ")}: ${sizes} results${reduceAxes.length ? ` from ${reduceAxes.map((a) => a.size).join("×")} terms each` : ""}.`,
  );
}

/**
 * Whether a sum's term is a product with a weight that the sum walks along: a contraction, whose products keep all digits.
 * Any other term is a layer's value that was inlined here, and is rounded as if it had been stored.
 */
function isProductWithWeight(e: Expr, walked: ReadonlySet<string>, isWeight: (buffer: number) => boolean): boolean {
  if (e.kind !== "binary" || e.fn !== "mul") return false;
  return [e.a, e.b].some(
    (f) => f.kind === "load" && isWeight(f.buffer) && f.at.some((c) => [...axesIn(c)].some((axis) => walked.has(axis))),
  );
}

/** `lines` inside one loop per axis. */
export function nest(axes: readonly Axis[], lines: readonly string[]): string[] {
  return axes.reduceRight<string[]>(
    (inner, axis) => [
      `for (let ${axis.name} = 0; ${axis.name} < ${axis.size}; ${axis.name}++) {`,
      ...inner.map((line) => `  ${line}`),
      "}",
    ],
    [...lines],
  );
}
