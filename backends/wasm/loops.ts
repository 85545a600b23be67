/**
 * Loop kernels: any op of any program. The innermost axis of memory is walked four elements at a time where the output lies so; otherwise one.
 */
import { must } from "../../compiler/invariant.ts";
import { walk } from "../../compiler/ir/expr.ts";
import type { Value, Weight } from "../../compiler/ir/graph.ts";
import type { Axis, LoopKernel, Program } from "../../compiler/ir/kernel.ts";
import { axisLast, type Layout, layoutOf, rowMajor, sizesOf } from "./addressing.ts";
import { dependsOn } from "./expr-forms.ts";
import { FunctionWriter, type Local } from "./function-writer.ts";
import type { Address, KernelCode, PackedTensor } from "./kernel-code.ts";
import { type Operand, Selector } from "./select.ts";
import { ENOUGH_UNITS, expressions, movedAxis, type WideAxis, wideAxis } from "./wide-axis.ts";
import { emitWindow, windowTaps } from "./window-taps.ts";

export interface LoopContext {
  readonly storage: Program["storage"];
  readonly weights: ReadonlyMap<Value, Weight>;
}

/** A weight with the axis that the wide axis walks moved to the end, so that four neighbours lie side by side. */
function weightLayout(kernel: LoopKernel, buffer: number, wide: string | undefined): Layout {
  const sizes = sizesOf(must(kernel.buffers[buffer], "buffer").value);
  if (wide === undefined || sizes.length === 0) return rowMajor(sizes);
  const places = new Set<number>();
  for (const e of expressions(kernel))
    walk(e, (part) => {
      if (part.kind === "load" && part.buffer === buffer)
        part.at.forEach((c, i) => {
          if (sizes[i] !== 1 && dependsOn(c, wide)) places.add(i);
        });
    });
  const [unit] = places;
  if (places.size !== 1 || unit === undefined) return rowMajor(sizes);
  return axisLast(sizes, unit, Math.ceil((sizes[unit] as number) / 4) * 4);
}

function packed(weight: Weight, layout: Layout): PackedTensor {
  const { sizes, strides } = layout;
  const dense = rowMajor(sizes);
  return {
    weight,
    key: `loop ${strides.join(",")}`,
    elements: Math.ceil(layout.elements / 4) * 4,
    fill: (from, into) => {
      if (strides.every((s, i) => s === dense.strides[i])) {
        into.set(from);
        return;
      }
      const at = sizes.map(() => 0);
      for (let i = 0; i < from.length; i++) {
        let to = 0;
        for (let d = 0; d < at.length; d++) to += (at[d] as number) * (strides[d] as number);
        into[to] = from[i] as number;
        for (let d = at.length - 1; d >= 0; d--) {
          at[d] = (at[d] as number) + 1;
          if ((at[d] as number) < (sizes[d] as number)) break;
          at[d] = 0;
        }
      }
    },
  };
}

/** Axes in the order in which the output lies in memory; the wide one last. */
function inMemoryOrder(kernel: LoopKernel, output: Layout, wide: string | undefined): Axis[] {
  const strideOf = (name: string): number => {
    if (name === wide) return -1;
    const at = kernel.store.findIndex((e) => dependsOn(e, name));
    return at < 0 ? 0 : (output.strides[at] as number);
  };
  return [...kernel.space].sort((a, b) => strideOf(b.name) - strideOf(a.name));
}

export function loopCode(kernel: LoopKernel, context: LoopContext): KernelCode {
  const value = (buffer: number): Value => must(kernel.buffers[buffer], `buffer ${buffer}`).value;
  const stored = (buffer: number): Layout =>
    layoutOf(value(buffer), must(context.storage.get(value(buffer)), `storage of ${value(buffer).name}`));
  const output = stored(kernel.output);
  const wide = movedAxis(kernel, output, (b) => (context.weights.has(value(b)) ? undefined : stored(b))) ?? wideAxis(kernel, output, false);

  const tensors: PackedTensor[] = [];
  const addresses: Address[] = [];
  const f = new FunctionWriter(["i32", "i32", ...kernel.buffers.map(() => "i32" as const)]);
  const operands = new Map<number, Operand>();
  kernel.buffers.forEach((use, buffer) => {
    const weight = context.weights.get(use.value);
    const layout = weight ? weightLayout(kernel, buffer, wide?.axis) : stored(buffer);
    if (weight) addresses.push({ kind: "packed", index: tensors.push(packed(weight, layout)) - 1 });
    else addresses.push({ kind: "value", buffer });
    operands.set(buffer, { address: f.param(2 + buffer), layout });
  });

  const order = inMemoryOrder(kernel, output, wide?.axis);
  const stepOf = (axis: Axis): number => (axis.name === wide?.axis ? 4 : 1);
  const count = (axis: Axis): number => Math.ceil(axis.size / stepOf(axis));
  const over = kernel.reduce?.over ?? [];
  const axes = new Map<string, Local>([...order, ...over].map((a) => [a.name, f.local("i32")]));
  const axis = (a: Axis): Local => must(axes.get(a.name), a.name);
  let outer = 0;
  let units = 1;
  while (outer < order.length && units < ENOUGH_UNITS) units *= count(order[outer++] as Axis);

  const acc = kernel.reduce ? f.local("v128") : undefined;
  const scope = { operands, axes, ...(wide ? { wide } : {}), ...(acc ? { acc } : {}) };
  const target = must(operands.get(kernel.output), "output");
  const value4 = (wideAt?: number): void => {
    const select = new Selector(f, wideAt === undefined ? scope : { ...scope, wideAt });
    if (!kernel.reduce || !acc) select.value(kernel.body);
    else if (kernel.epilogue) select.value(kernel.epilogue);
    else f.get(acc);
  };
  const store = (): void => {
    // the address first: it lies under the value on the stack
    const offset = new Selector(f, scope).address(target, kernel.store);
    value4();
    if (!wide) {
      f.laneMemory("v128.store32_lane", offset, 0);
      return;
    }
    if (wide.size % 4 !== 0) {
      f.get(must(axes.get(wide.axis), "axis")).op("i32x4.splat");
      f.push({ kind: "v128", type: "i32", lanes: [0, 1, 2, 3] })
        .op("i32x4.add")
        .i32x4(wide.size)
        .op("i32x4.lt_s")
        .op("v128.and");
    }
    f.memory("v128.store", offset);
  };
  /** All elements of the wide axis, one vector after the other. */
  const storeWrittenOut = ({ axis: name, size, whole }: WideAxis): void => {
    const result = f.local("v128");
    for (let at = 0; at < size; at += 4) {
      f.i32(at).set(must(axes.get(name), name));
      value4(at);
      const count = Math.min(4, size - at);
      if (whole && count < 4) f.push({ kind: "v128", type: "i32", lanes: [-1, count > 1 ? -1 : 0, count > 2 ? -1 : 0, 0] }).op("v128.and");
      f.set(result);
      const offset = new Selector(f, scope).address(target, kernel.store);
      if (whole || count === 4) f.get(result).memory("v128.store", offset);
      else {
        const to = f.local("i32");
        f.set(to);
        for (let lane = 0; lane < count; lane++)
          f.get(to)
            .get(result)
            .laneMemory("v128.store32_lane", offset + 4 * lane, lane);
        f.release(to);
      }
    }
    f.release(result);
  };
  const point = (): void => {
    if (!kernel.reduce || !acc) {
      store();
      return;
    }
    const { fn, init } = kernel.reduce;
    f.f32x4(init).set(acc);
    nest(
      over,
      () => {
        f.get(acc);
        new Selector(f, scope).value(kernel.body);
        f.op(fn === "add" ? "f32x4.add" : "f32x4.max").set(acc);
      },
      f,
      axis,
      () => 1,
    );
    store();
  };
  const window = wide && windowTaps(kernel, wide.axis, (buffer) => must(operands.get(buffer), `operand ${buffer}`).layout);
  const windowed = (): void => {
    const { address, layout } = must(operands.get(must(window, "window").load.buffer), "map");
    // the wide axis is the last one, unless each unit is four of its elements
    const quads = order.slice(Math.max(outer, order.length - 1));
    nest(
      order.slice(outer, order.length - quads.length),
      () =>
        emitWindow(must(window, "window"), {
          f,
          kernel,
          layout,
          map: address,
          axes,
          acc: must(acc, "acc"),
          wide: must(wide, "wide axis").axis,
          eachQuad: (body) => nest(quads, body, f, axis, stepOf),
          store,
        }),
      f,
      axis,
      stepOf,
    );
  };
  const u = f.param(0);
  f.while(u, f.param(1), 1, () => {
    decompose(f, u, order.slice(0, outer), axis, count, stepOf);
    if (window) windowed();
    else if (wide?.writtenOut) nest(order.slice(outer, -1), () => storeWrittenOut(wide), f, axis, stepOf);
    else nest(order.slice(outer), point, f, axis, stepOf);
  });
  const ops = [...new Set(kernel.from.map((node) => node.op))].join("-") || "map";
  return {
    name: `loop-${ops}`,
    body: f.finish(`loop-${ops}`),
    units,
    addresses,
    packed: tensors,
    writesPadding: wide?.whole === true,
    algorithm: {
      algorithm: "loop",
      tile: wide ? "4 lanes" : "1 lane",
      why: `${order.map((a) => `${a.name} ${a.size}`).join(", ")}${over.length > 0 ? `, each from ${over.map((a) => `${a.name} ${a.size}`).join(", ")}` : ""}`,
    },
  };
}

/** Axes from the number of a unit: the last one counts fastest. */
function decompose(
  f: FunctionWriter,
  u: Local,
  outer: readonly Axis[],
  axis: (a: Axis) => Local,
  count: (a: Axis) => number,
  step: (a: Axis) => number,
): void {
  let inner = 1;
  for (let i = outer.length - 1; i >= 0; i--) {
    const a = outer[i] as Axis;
    f.get(u);
    if (inner > 1) f.i32(inner).op("i32.div_u");
    if (i > 0) f.i32(count(a)).op("i32.rem_u");
    if (step(a) > 1) f.i32(step(a)).op("i32.mul");
    f.set(axis(a));
    inner *= count(a);
  }
}

/** `body` inside one loop per axis. */
function nest(axes: readonly Axis[], body: () => void, f: FunctionWriter, local: (a: Axis) => Local, step: (a: Axis) => number): void {
  const [first, ...rest] = axes;
  if (!first) {
    body();
    return;
  }
  const at = local(first);
  f.i32(0).set(at);
  const by = step(first);
  f.until(at, Math.ceil(first.size / by) * by, by, () => nest(rest, body, f, local, step));
}
