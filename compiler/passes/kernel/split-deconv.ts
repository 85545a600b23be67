/**
 * A transposed convolution scatters each input pixel over stride x stride phases of the output, and every phase is a small convolution of
 * the input. All phases read the same inputs, so they are one convolution with stride^2 times the channels, and a move that puts each phase
 * in its place (Shi et al., "Is the deconvolution layer the same as a convolutional layer?", arXiv 1609.07009). As a loop it would run
 * far below what a matrix product reaches.
 */
import { must } from "../../invariant.ts";
import * as x from "../../ir/expr.ts";
import type { Value, Weight } from "../../ir/graph.ts";
import type { BufferUse, ContractKernel, Expr, Kernel, LoopKernel } from "../../ir/kernel.ts";
import { type DeconvAxis, deconvLoop } from "../../ops/deconv.ts";
import { loopKernel } from "../../ops/kernels.ts";
import { defineKernelPass } from "../pass.ts";
import { openFlow, withKernels } from "./flow.ts";
import { bufferValue, sizeOf } from "./join.ts";
import { visitOnce } from "./substitute.ts";

type Flow = ReturnType<typeof openFlow>;
type Axes = readonly [DeconvAxis, DeconvAxis];
type Load = Extract<Expr, { kind: "load" }>;

/** Stride and cut of one axis, as the coordinates of the loop show them; the caller checks the whole body. */
function readAxis(input: Expr, tap: Expr, output: string): { readonly stride: number; readonly before: number } {
  let stride = 1;
  let before = 0;
  for (const e of [input, tap])
    visitOnce(e, (part) => {
      if (part.kind !== "binary" || part.b.kind !== "const") return;
      if (part.fn === "imod" || part.fn === "idiv") stride = part.b.value;
      if (part.fn === "add" && part.a.kind === "index" && part.a.name === output) before = part.b.value;
    });
  return { stride, before };
}

/** The geometry of a loop that is a transposed convolution without groups and dilation. */
function deconvOf(k: LoopKernel, weights: ReadonlyMap<Value, Weight>): Axes | undefined {
  const loads: Load[] = [];
  visitOnce(k.body, (e) => {
    if (e.kind === "load") loads.push(e);
  });
  const [input, weight] = [loads.find((l) => l.buffer === 0), loads.find((l) => l.buffer === 1)];
  if (k.reduce?.fn !== "add" || loads.length !== 2 || !input || !weight || !weights.has(bufferValue(k, 1))) return undefined;
  const [from, taps, out] = [0, 1, k.output].map((b) => sizeOf(bufferValue(k, b))) as [
    readonly number[],
    readonly number[],
    readonly number[],
  ];
  if (from.length !== 4 || taps.length !== 4 || out.length !== 4 || taps[0] !== from[1] || taps[1] !== out[1]) return undefined;
  const axis = (i: 2 | 3): DeconvAxis => ({
    in: must(from[i], "input size"),
    out: must(out[i], "output size"),
    kernel: must(taps[i], "kernel size"),
    dilation: 1,
    ...readAxis(must(input.at[i], "row"), must(weight.at[i], "tap"), i === 2 ? "y" : "x"),
  });
  const axes: Axes = [axis(2), axis(3)];
  const wanted = deconvLoop(axes, { count: 1, inputs: must(from[1], "inputs"), outputs: must(out[1], "outputs") });
  const same = JSON.stringify([wanted.over, wanted.body]) === JSON.stringify([k.reduce.over, k.body]);
  return same ? axes : undefined;
}

/** The convolution of one axis: output o comes from its pixel (o + before) div stride - first, phase (o + before) mod stride. */
interface Phased {
  readonly taps: number;
  readonly first: number;
  readonly pad: readonly [before: number, after: number];
  readonly pixels: number;
}

function phased({ in: size, out, kernel, stride, before }: DeconvAxis): Phased {
  const taps = Math.ceil(kernel / stride);
  const first = Math.min(Math.floor(before / stride), taps - 1);
  const last = Math.floor((out - 1 + before) / stride);
  const pad = taps - 1 - first;
  // a convolution that ends before its input does computes pixels that nobody reads
  const pixels = Math.max(last - first + 1, size + pad - taps + 1);
  return { taps, first, pad: [pad, pixels + taps - 1 - pad - size], pixels };
}

function split(k: LoopKernel, [h, w]: Axes, flow: Flow): readonly Kernel[] {
  const [rows, columns] = [phased(h), phased(w)];
  const [input, output] = [bufferValue(k, 0), bufferValue(k, k.output)];
  const weight = must(flow.weightOf(bufferValue(k, 1)), "weight");
  const [batch = 1, inputs = 1] = sizeOf(input);
  const outputs = must(sizeOf(output)[1], "channels");
  const phases = h.stride * w.stride;
  const shape = [phases * outputs, inputs, rows.taps, columns.taps];
  const value = flow.derive(`${weight.path}.phases`, shape, "deconv-phases", [weight], { stride: [h.stride, w.stride] });
  const { epilogue = x.ACC } = k;
  // one phase whose pixels are the outputs needs no move
  const direct = phases === 1 && rows.first === h.before && columns.first === w.before && rows.pixels === h.out && columns.pixels === w.out;
  const result = direct ? output : flow.newValue(`${k.name}.phases`, [batch, phases * outputs, rows.pixels, columns.pixels]);
  const others = direct ? k.buffers.flatMap((b, i): BufferUse[] => (i > 1 && i !== k.output ? [b] : [])) : [];
  const conv: ContractKernel = {
    kind: "contract",
    name: k.name,
    from: k.from,
    buffers: [k.buffers[0] as BufferUse, { value, access: "read" }, { value: result, access: "write" }, ...others],
    window: {
      batch,
      groups: 1,
      in: [inputs, h.in, w.in],
      out: [phases * outputs, rows.pixels, columns.pixels],
      kernel: [rows.taps, columns.taps],
      stride: [1, 1],
      dilation: [1, 1],
      pad: [rows.pad[0], columns.pad[0], rows.pad[1], columns.pad[1]],
    },
    input: 0,
    weight: 1,
    output: 2,
    epilogue: direct ? epilogueAt(epilogue, k, 3) : x.ACC,
  };
  if (direct) return [conv];
  const [y, column] = [x.add(x.index("y"), h.before), x.add(x.index("x"), w.before)];
  const phase = x.add(x.mul(x.imod(y, h.stride), w.stride), x.imod(column, w.stride));
  const pixel = x.load(0, [
    x.index("n"),
    x.add(x.mul(phase, outputs), x.index("c")),
    x.sub(x.idiv(y, h.stride), rows.first),
    x.sub(x.idiv(column, w.stride), columns.first),
  ]);
  const rest = k.buffers.flatMap((b, i) => (i > 1 && i !== k.output ? [b.value] : []));
  const moved = x.rewrite(epilogueAt(epilogue, k, 1), (e) => (e.kind === "acc" ? pixel : undefined));
  const move = loopKernel({ name: `${k.name}.spread`, reads: [result, ...rest], output, body: moved });
  return [conv, { ...move, from: k.from }];
}

/** The epilogue of `k` with its operands (all buffers but input, weight and output, in order) starting at buffer `first`. */
function epilogueAt(e: Expr, k: LoopKernel, first: number): Expr {
  const operands = [...k.buffers.keys()].filter((i) => i > 1 && i !== k.output);
  return x.rewrite(e, (part) => (part.kind === "load" ? x.load(first + operands.indexOf(part.buffer), part.at) : undefined));
}

export const splitDeconv = defineKernelPass({
  name: "split-deconv",
  summary: "compute a transposed convolution as a convolution of all its phases",
  minLevel: 1,
  run(program, { capabilities }) {
    if (!capabilities.kinds.includes("contract")) return program;
    const flow = openFlow(program);
    let changed = false;
    const kernels = program.kernels.flatMap((k): readonly Kernel[] => {
      const axes = k.kind === "loop" ? deconvOf(k, flow.weights) : undefined;
      if (!axes || k.kind !== "loop") return [k];
      changed = true;
      return split(k, axes, flow);
    });
    return changed ? withKernels(program, kernels, flow.weights) : program;
  },
});
