/**
 * The optional kernel kinds as plain loops: for -O0 and for backends that do not schedule a kind themselves.
 * Gate, epilogue and squeeze keep their meaning; a squeeze and an excitation become kernels of their own.
 */

import { must } from "../invariant.ts";
import * as x from "../ir/expr.ts";
import type { Value } from "../ir/graph.ts";
import type { Axis, BufferUse, ContractKernel, DepthwiseKernel, ExciteKernel, Expr, LoopKernel, Squeeze } from "../ir/kernel.ts";
import { axesOf, coordinates, loopKernel, realAxes, tapAt, type WindowAxis } from "./kernels.ts";

/** A new f32 value for an intermediate result. */
export type Temp = (shape: readonly number[]) => Value;

export function expandToLoop(kernel: ContractKernel | DepthwiseKernel | ExciteKernel, temp: Temp): LoopKernel[] {
  return kernel.kind === "excite" ? expandExcite(kernel, temp) : expandWindow(kernel, temp);
}

const valueAt = (buffers: readonly BufferUse[], i: number): Value => must(buffers[i], `buffer ${i}`).value;

/** The sum over (ci, kh, kw) as a body and its axes; loads keep the kernel's buffer numbers. */
function windowSum(kernel: ContractKernel | DepthwiseKernel): { body: Expr; over: Axis[] } {
  const { window: w, input, weight } = kernel;
  const perGroup = w.in[0] / w.groups;
  const outPerGroup = w.out[0] / w.groups;
  const ci = perGroup === 1 ? x.int(0) : x.index("ci");
  const c = x.index("c");
  const group = w.groups === 1 ? x.int(0) : x.idiv(c, outPerGroup);
  const from = x.add(x.mul(group, perGroup), ci);
  const over: Axis[] = [{ name: "ci", size: perGroup }];
  const gate = kernel.kind === "contract" && kernel.gate !== undefined ? x.load(kernel.gate, [x.index("n"), from]) : undefined;
  const gated = (value: Expr): Expr => (gate ? x.mul(gate, value) : value);
  const weightRank = valueAt(kernel.buffers, weight).type.shape.length;

  if (valueAt(kernel.buffers, input).type.shape.length === 2) {
    const factor = x.load(weight, weightRank === 2 ? [c, ci] : [c, ci, 0, 0]);
    return { body: x.mul(gated(x.load(input, [x.index("n"), from])), factor), over: realAxes(over) };
  }
  const axis = (i: 0 | 1): WindowAxis => ({
    in: i === 0 ? w.in[1] : w.in[2],
    out: i === 0 ? w.out[1] : w.out[2],
    kernel: w.kernel[i],
    stride: w.stride[i],
    dilation: w.dilation[i],
    before: w.pad[i],
  });
  over.push({ name: "kh", size: w.kernel[0] }, { name: "kw", size: w.kernel[1] });
  // a rank-2 output walks [n, c]: its map is one pixel, so tapAt never asks for y and x
  const row = tapAt(axis(0), x.index("y"), x.index("kh"));
  const column = tapAt(axis(1), x.index("x"), x.index("kw"));
  const tap = (name: string, size: number): Expr => (size === 1 ? x.int(0) : x.index(name));
  const factor = x.load(weight, weightRank === 2 ? [c, ci] : [c, ci, tap("kh", w.kernel[0]), tap("kw", w.kernel[1])]);
  const value = x.load(input, [x.index("n"), from, row.at, column.at]);
  return { body: x.select(x.and(row.inside, column.inside), x.mul(gated(value), factor), 0), over: realAxes(over) };
}

function expandWindow(kernel: ContractKernel | DepthwiseKernel, temp: Temp): LoopKernel[] {
  const { name, buffers, from, output, epilogue, squeeze } = kernel;
  const value = valueAt(buffers, output);
  const first = kernel.firstChannel ?? 0;
  const space = axesOf(value).map((a) => (a.name === "c" ? { ...a, size: kernel.window.out[0] } : a));
  const { body, over } = windowSum(kernel);
  const reduce = { over, fn: "add", init: 0 } as const;
  const base = { kind: "loop", from, space, store: coordinates(space) } as const;
  const place = coordinates(space).map((e, i) => (i === 1 ? x.add(e, first) : e));
  if (!squeeze) return [onlyUsed({ ...base, store: place, name, buffers, reduce, body, epilogue, output })];

  // `of` and the epilogue both need the bare sum, which need not be the stored value (SE_3x3 squeezes before its relu)
  const sum = temp(space.map((a) => a.size));
  const at = buffers.length;
  const extended: BufferUse[] = [...buffers, { value: sum, access: "write" }];
  const loaded = (e: Expr): Expr => x.rewrite(e, (s) => (s.kind === "acc" ? x.load(at, coordinates(space)) : undefined));
  return [
    onlyUsed({ ...base, name: `${name}.sum`, buffers: extended, reduce, body, epilogue: x.ACC, output: at }),
    onlyUsed({ ...base, store: place, name, buffers: extended, body: loaded(epilogue), output }),
    squeezeKernel(kernel, squeeze, extended, loaded(squeeze.of), space),
  ];
}

/** Sums of `of` over each tile of pixels: tile t holds the pixels [t * length, (t + 1) * length) of the map in row order. */
function squeezeKernel(
  kernel: ContractKernel | DepthwiseKernel,
  { buffer, tiles }: Squeeze,
  buffers: readonly BufferUse[],
  of: Expr,
  space: readonly Axis[],
): LoopKernel {
  const size = (name: string): number => space.find((a) => a.name === name)?.size ?? 1;
  const [h, w] = [size("y"), size("x")];
  const length = Math.ceil((h * w) / tiles);
  const [t, n, c] = [x.index("t"), x.index("n"), x.index("c")];
  const pixel = x.add(tiles === 1 ? x.int(0) : x.mul(t, length), length === 1 ? x.int(0) : x.index("p"));
  const [y, column] = w === 1 ? [pixel, x.int(0)] : [x.idiv(pixel, w), x.imod(pixel, w)];
  const body = x.rewrite(of, (s) => {
    if (s.kind !== "index") return undefined;
    return s.name === "y" ? y : s.name === "x" ? column : undefined;
  });
  const inside = length * tiles > h * w ? x.lt(pixel, h * w) : x.constant(1, "bool");
  return onlyUsed({
    kind: "loop",
    name: `${kernel.name}.squeeze`,
    buffers,
    from: kernel.from,
    space: [
      { name: "n", size: kernel.window.batch },
      { name: "t", size: tiles },
      { name: "c", size: kernel.window.out[0] },
    ],
    reduce: { over: realAxes([{ name: "p", size: length }]), fn: "add", init: 0 },
    body: x.select(inside, body, 0),
    epilogue: x.ACC,
    output: buffer,
    store: [n, t, c],
  });
}

/** The kernel with the buffers it touches, in their old order, renumbered: read all but the output. */
function onlyUsed(kernel: LoopKernel): LoopKernel {
  const used = new Set([kernel.output]);
  const note = (e: Expr): void => {
    if (e.kind === "load") used.add(e.buffer);
  };
  x.walk(kernel.body, note);
  if (kernel.epilogue) x.walk(kernel.epilogue, note);
  const kept = [...used].sort((a, b) => a - b);
  const renumber = (e: Expr): Expr => x.rewrite(e, (s) => (s.kind === "load" ? x.load(kept.indexOf(s.buffer), s.at) : undefined));
  return {
    ...kernel,
    buffers: kept.map((i) => ({ value: valueAt(kernel.buffers, i), access: i === kernel.output ? "write" : "read" })),
    body: renumber(kernel.body),
    ...(kernel.epilogue ? { epilogue: renumber(kernel.epilogue) } : {}),
    output: kept.indexOf(kernel.output),
  };
}

function expandExcite(kernel: ExciteKernel, temp: Temp): LoopKernel[] {
  const { name, buffers, from, batch, channels, tiles, pixels } = kernel;
  const [n, c] = [x.index("n"), x.index("c")];
  const mean = temp([batch, channels]);
  const kernels: LoopKernel[] = [
    loopKernel({
      name: `${name}.mean`,
      reads: [valueAt(buffers, kernel.sums)],
      output: mean,
      reduce: { over: realAxes([{ name: "t", size: tiles }]), fn: "add" },
      body: x.load(0, [n, tiles === 1 ? 0 : x.index("t"), c]),
      epilogue: x.div(x.ACC, pixels),
    }),
  ];
  let input = mean;
  for (const [i, layer] of kernel.layers.entries()) {
    const last = i === kernel.layers.length - 1;
    const output = last ? valueAt(buffers, kernel.output) : temp([batch, layer.out]);
    const weight = valueAt(buffers, layer.weight);
    const bias = layer.bias === undefined ? [] : [valueAt(buffers, layer.bias)];
    const { body, over, biasAt } = layer.kind === "dense" ? denseSum(layer.in, weight) : chanconvSum(layer, weight);
    const sum = bias.length > 0 ? x.add(x.ACC, x.load(2, [biasAt])) : x.ACC;
    const space = axesOf(output);
    kernels.push(
      loopKernel({
        name: last ? name : `${name}.${i}`,
        reads: [input, weight, ...bias],
        output,
        reduce: { over, fn: "add" },
        body,
        epilogue: x.rewrite(layer.act, (s) => (s.kind === "acc" ? sum : undefined)),
        // the gate may be kept as [n, c, 1, 1]
        store: space.length === 4 ? [n, c, x.int(0), x.int(0)] : [n, c],
      }),
    );
    input = output;
  }
  return kernels.map((k) => ({ ...k, from }));
}

interface LayerSum {
  readonly body: Expr;
  readonly over: Axis[];
  readonly biasAt: Expr;
}

function denseSum(inputs: number, weight: Value): LayerSum {
  const i = inputs === 1 ? x.int(0) : x.index("ci");
  const at = [x.index("c"), i, x.int(0), x.int(0)].slice(0, weight.type.shape.length);
  return {
    body: x.mul(x.load(0, [x.index("n"), i]), x.load(1, at)),
    over: realAxes([{ name: "ci", size: inputs }]),
    biasAt: x.index("c"),
  };
}

function chanconvSum(layer: ExciteKernel["layers"][number], weight: Value): LayerSum {
  const size = weight.type.shape[2] as number;
  const half = Math.floor(size / 2);
  const window = { in: layer.in, out: layer.out, kernel: size, stride: 1, dilation: 1, before: half };
  const tap = tapAt(window, x.index("c"), x.index("k"));
  const wrapped = x.imod(x.add(tap.at, Math.ceil(half / layer.in) * layer.in), layer.in);
  const factor = x.load(1, [0, 0, size === 1 ? 0 : x.index("k")]);
  const product = x.mul(x.load(0, [x.index("n"), layer.circular ? wrapped : tap.at]), factor);
  return {
    body: layer.circular ? product : x.select(tap.inside, product, 0),
    over: realAxes([{ name: "k", size }]),
    biasAt: x.int(0),
  };
}
