/** The text form of a Program: kernels as loops over infix expressions, then where values lie. What `--emit kernels` shows. */
import { exprText } from "./expr-text.ts";
import type { Value, Weight } from "./graph.ts";
import type { Axis, ContractKernel, DepthwiseKernel, ExciteKernel, Kernel, LoopKernel, Program } from "./kernel.ts";
import { nameText, type Refer, referTo, typeText, weightText } from "./text.ts";

/** One spelling per buffer of the kernel. */
export function bufferNames(kernel: Kernel, refer: Refer): string[] {
  const uses = new Map<Value, number>();
  return kernel.buffers.map(({ value }) => {
    const use = (uses.get(value) ?? 0) + 1;
    uses.set(value, use);
    return use === 1 ? refer(value) : `${refer(value)}'${use}`;
  });
}

const axesText = (axes: readonly Axis[]): string => axes.map((a) => `${a.name} < ${a.size}`).join(", ") || "nothing";
const list = (sizes: readonly number[]): string => `[${sizes.join(", ")}]`;

function loopLines(k: LoopKernel, names: readonly string[]): string[] {
  const store = `${names[k.output]}[${k.store.map((e) => exprText(e, names)).join(", ")}]`;
  const head = `for ${axesText(k.space)}`;
  if (!k.reduce) return [head, `  ${store} = ${exprText(k.body, names)}`];
  const { over, fn, init } = k.reduce;
  const start = exprText({ kind: "const", type: "f32", value: init }, names);
  return [
    head,
    `  acc = ${fn} from ${start} over ${axesText(over)} of`,
    `    ${exprText(k.body, names)}`,
    `  ${store} = ${k.epilogue ? exprText(k.epilogue, names) : "acc"}`,
  ];
}

function windowLines(k: ContractKernel | DepthwiseKernel, names: readonly string[]): string[] {
  const w = k.window;
  const gate = k.kind === "contract" && k.gate !== undefined ? ` gated by ${names[k.gate]}` : "";
  const { squeeze, schedule } = k;
  return [
    `window ${list(w.in)} to ${list(w.out)}, kernel ${list(w.kernel)}, stride ${list(w.stride)}, dilation ${list(w.dilation)}, pad ${list(w.pad)}, groups ${w.groups}, batch ${w.batch}`,
    `acc = ${names[k.input]} conv ${names[k.weight]}${gate}`,
    `${names[k.output]}${k.firstChannel === undefined ? "" : ` from channel ${k.firstChannel}`} = ${exprText(k.epilogue, names)}`,
    ...(squeeze ? [`squeeze ${names[squeeze.buffer]} by ${squeeze.tiles} of ${exprText(squeeze.of, names)}`] : []),
    ...(schedule
      ? [
          `schedule ${[schedule.algorithm, ...(schedule.tile === undefined ? [] : [schedule.tile]), schedule.why].map((s) => JSON.stringify(s)).join(", ")}`,
        ]
      : []),
  ];
}

function exciteLines(k: ExciteKernel, names: readonly string[]): string[] {
  return [
    `mean of ${names[k.sums]} over ${k.pixels} pixels in ${k.tiles} tiles, batch ${k.batch}, channels ${k.channels}`,
    ...k.layers.map((l) => {
      const bias = l.bias === undefined ? "" : ` + ${names[l.bias]}`;
      const circular = l.circular === undefined ? "" : l.circular ? " circular" : " zeros";
      return `${l.kind} ${names[l.weight]}${bias}${circular}, ${l.in} to ${l.out}, ${exprText(l.act, names)}`;
    }),
    `${names[k.output]} = gate`,
  ];
}

function kernelLines(k: Kernel, refer: Refer): string[] {
  const names = bufferNames(k, refer);
  const body = k.kind === "loop" ? loopLines(k, names) : k.kind === "excite" ? exciteLines(k, names) : windowLines(k, names);
  const buffers = k.buffers.map((b, i) => (b.access === "write" ? `out ${names[i]}` : names[i]));
  return [
    `${k.kind} ${nameText(k.name)}`,
    ...(k.from.length ? [`  from ${k.from.map((n) => `${n.op} ${nameText(n.path)}`).join(", ")}`] : []),
    `  buffers ${buffers.join(", ")}`,
    ...body.map((line) => `  ${line}`),
  ];
}

/** Values that are not tensors, in the order in which the program first names them. */
export function programValues(program: Program): Value[] {
  const weights = new Set(program.weights.map((w) => w.value));
  const values = new Set<Value>();
  for (const { value } of program.inputs) values.add(value);
  for (const k of program.kernels) for (const { value } of k.buffers) if (!weights.has(value)) values.add(value);
  for (const { value } of program.outputs) values.add(value);
  for (const value of [...program.storage.keys(), ...program.memory.places.keys()]) if (!weights.has(value)) values.add(value);
  return [...values];
}

function valueLine(program: Program, value: Value): string {
  const storage = program.storage.get(value);
  const place = program.memory.places.get(value);
  return [
    `value %${value.id} : ${typeText(value.type)} ${nameText(value.name)}`,
    ...(storage ? [`${storage.order} channels ${storage.channels} halo ${storage.halo}`] : []),
    ...(place ? [`arena ${place.arena} at ${place.offset} bytes ${place.bytes} live ${place.live[0]}..${place.live[1]}`] : []),
  ].join(", ");
}

/**
 * Tensors that kernels read, each after what its recipe needs: those that only recipes read are called `source`, and come after the others that
 * it needs, since what is read back has the others in the order of their lines.
 */
function tensorLines(program: Program): string[] {
  const read = new Set(program.weights);
  const lines = new Map<Weight, string>();
  const sourcesOf = (w: Weight): readonly Weight[] => (w.init.kind === "derived" ? w.init.from : []);
  const readBy = (w: Weight): Weight[] => sourcesOf(w).flatMap((from) => [...readBy(from), ...(read.has(from) ? [from] : [])]);
  const add = (w: Weight): void => {
    if (lines.has(w)) return;
    readBy(w).forEach(add);
    sourcesOf(w).forEach(add);
    lines.set(w, weightText(w, read.has(w) ? "tensor" : "source"));
  };
  program.weights.forEach(add);
  return [...lines.values()];
}

export function printProgram(program: Program): string {
  const refer = referTo(program.weights);
  const { arenas, lowerBound, mixed } = program.memory;
  const mixedText = mixed.size > 0 ? `, mixed kernels ${list([...mixed].sort((a, b) => a - b))}` : "";
  const blocks: string[][] = [
    program.inputs.map((i) => `input ${nameText(i.name)} = ${refer(i.value)}`),
    ...program.kernels.map((k) => kernelLines(k, refer)),
    program.outputs.map((o) => `output ${nameText(o.name)} = ${refer(o.value)}`),
    [...programValues(program).map((v) => valueLine(program, v)), `memory arenas ${list(arenas)}, lower bound ${lowerBound}${mixedText}`],
    tensorLines(program),
  ];
  const body = blocks.filter((b) => b.length > 0).map((b) => b.map((line) => `  ${line}`).join("\n"));
  return `program ${nameText(program.name)}\n${body.join("\n\n")}\n`;
}
