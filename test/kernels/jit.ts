/** Kernels as JavaScript loops in f64: the same meaning as reference/run-kernels.ts, fast enough for grids of nets. Test code only. */
import { must } from "../../compiler/invariant.ts";
import type { Value } from "../../compiler/ir/graph.ts";
import type { Expr, Kernel, LoopKernel } from "../../compiler/ir/kernel.ts";
import { numel } from "../../compiler/ir/type.ts";
import { expandToLoop } from "../../compiler/ops/expand-kernel.ts";

const address = (value: Value, at: readonly string[]): string =>
  at.reduce((flat, c, i) => `(${flat} * ${value.type.shape[i]} + ${c})`, "0");

function text(e: Expr, kernel: LoopKernel): string {
  const go = (child: Expr): string => text(child, kernel);
  switch (e.kind) {
    case "const":
      return `(${e.value})`;
    case "index":
      return e.name;
    case "acc":
      return "acc";
    case "load":
      return `b${e.buffer}[${address(must(kernel.buffers[e.buffer], "buffer").value, e.at.map(go))}]`;
    case "select":
      return `(${go(e.cond)} ? ${go(e.yes)} : ${go(e.no)})`;
    case "unary": {
      const v = go(e.x);
      if (e.fn === "neg") return `(-${v})`;
      if (e.fn === "float") return v;
      if (e.fn === "int") return `Math.trunc(${v})`;
      if (e.fn === "not") return `(!${v})`;
      return e.fn === "rsqrt" ? `(1 / Math.sqrt(${v}))` : `Math.${e.fn}(${v})`;
    }
    case "binary": {
      const [a, b] = [go(e.a), go(e.b)];
      const infix = { add: "+", sub: "-", mul: "*", div: "/", lt: "<", le: "<=", eq: "===", and: "&&" } as const;
      if (e.fn === "idiv") return `Math.floor(${a} / ${b})`;
      if (e.fn === "imod") return `(${a} - ${b} * Math.floor(${a} / ${b}))`;
      if (e.fn === "min" || e.fn === "max" || e.fn === "pow") return `Math.${e.fn}(${a}, ${b})`;
      return `(${a} ${infix[e.fn]} ${b})`;
    }
  }
}

function source(k: LoopKernel): string {
  const loops = (axes: LoopKernel["space"], inner: string): string =>
    axes.reduceRight((body, a) => `for (let ${a.name} = 0; ${a.name} < ${a.size}; ${a.name}++) { ${body} }`, inner);
  const body = text(k.body, k);
  const store = `b${k.output}[${address(
    must(k.buffers[k.output], "output").value,
    k.store.map((e) => text(e, k)),
  )}]`;
  if (!k.reduce) return loops(k.space, `${store} = ${body};`);
  const step = k.reduce.fn === "add" ? `acc += ${body};` : `acc = Math.max(acc, ${body});`;
  const result = k.epilogue ? text(k.epilogue, k) : "acc";
  return loops(k.space, `let acc = ${k.reduce.init}; ${loops(k.reduce.over, step)} ${store} = ${result};`);
}

type Run = (...arrays: (Float64Array | undefined)[]) => void;

/** By text: most layers of a grid of nets are the same, and what has run before is compiled already. */
const compiled = new Map<string, Run>();

function compile(loop: LoopKernel): Run {
  const code = source(loop);
  const names = loop.buffers.map((_, i) => `b${i}`);
  const key = `${names.length} ${code}`;
  const known = compiled.get(key);
  if (known) return known;
  const made = new Function(...names, code) as Run;
  compiled.set(key, made);
  return made;
}

/** Runs the kernels in order on `given` (by value id); returns every value. An element nobody wrote is NaN. */
export function runFast(kernels: readonly Kernel[], given: ReadonlyMap<number, Float64Array>): ReadonlyMap<number, Float64Array> {
  const memory = new Map(given);
  let id = -1;
  const temp = (shape: readonly number[]): Value => ({ id: id--, type: { dtype: "f32", shape }, name: `temp${-id}` });
  for (const kernel of kernels)
    for (const loop of kernel.kind === "loop" ? [kernel] : expandToLoop(kernel, temp)) {
      const output = must(loop.buffers[loop.output], "output").value;
      if (!memory.has(output.id)) memory.set(output.id, new Float64Array(numel(output.type.shape)).fill(Number.NaN));
      // a buffer the loop lists and never touches may have no numbers yet
      const arrays = loop.buffers.map(({ value }) => memory.get(value.id));
      compile(loop)(...arrays);
    }
  return memory;
}
