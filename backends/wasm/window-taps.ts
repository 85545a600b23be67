/**
 * Loops that reduce a window of a map, as pooling does: where the window lies is decided once for a pixel, so that the taps of each channel
 * are loads at constant distances without a test.
 */
import { must } from "../../compiler/invariant.ts";
import type { Expr, LoopKernel } from "../../compiler/ir/kernel.ts";
import type { Layout } from "./addressing.ts";
import { type Linear, type Load, linearise, loadForm, offsetFrom } from "./expr-forms.ts";
import type { FunctionWriter, Local } from "./function-writer.ts";
import { F32 } from "./layout.ts";

/** Windows of more taps are walked by loops: code grows with what is written out. */
const MOST_WRITTEN_OUT = 25;

/** Row or column of a tap: stride * output + dilation * tap + start. */
interface WindowAxis {
  readonly output: { readonly axis: string; readonly stride: number } | undefined;
  readonly taps: number;
  readonly dilation: number;
  readonly start: number;
  readonly size: number;
  /** Whether taps may lie before the map or behind it. */
  readonly before: boolean;
  readonly behind: boolean;
}

export interface WindowTaps {
  readonly load: Load;
  /** The channel read for output channel 0. */
  readonly channel: number;
  readonly rows: WindowAxis;
  readonly columns: WindowAxis;
}

const sameExpr = (a: Expr, b: Expr): boolean => JSON.stringify(a) === JSON.stringify(b);

/** The conditions that `e` joins. */
const conjuncts = (e: Expr): Expr[] => (e.kind === "binary" && e.fn === "and" ? [...conjuncts(e.a), ...conjuncts(e.b)] : [e]);

const isNumber = (e: Expr, value: number): boolean => e.kind === "const" && e.value === value;

/** The window that `kernel` reduces with the channels on `wide`; undefined if its body is anything but taps of one map, zero cost outside. */
export function windowTaps(kernel: LoopKernel, wide: string, layoutOfBuffer: (buffer: number) => Layout): WindowTaps | undefined {
  const { reduce, body } = kernel;
  if (!reduce) return undefined;
  const guarded = body.kind === "select" ? body : undefined;
  const load = guarded ? guarded.yes : body;
  if (load.kind !== "load" || load.at.length !== 4) return undefined;
  if (guarded && !isNumber(guarded.no, reduce.init)) return undefined;
  const layout = layoutOfBuffer(load.buffer);
  const channel = offsetFrom(must(load.at[1], "channel"), wide);
  const image = must(load.at[0], "image");
  if (channel === undefined || loadForm(load, layout, wide) !== "quad") return undefined;
  if (image.kind !== "index" && !isNumber(image, 0)) return undefined;
  const outside = new Set<string>();
  for (const test of guarded ? conjuncts(guarded.cond) : []) {
    const place = [2, 3].find((i) => {
      const [at, size] = [must(load.at[i], "coordinate"), must(layout.sizes[i], "size")];
      if (test.kind !== "binary") return false;
      if (test.fn === "le" && isNumber(test.a, 0) && sameExpr(test.b, at)) return outside.add(`before ${i}`);
      return test.fn === "lt" && sameExpr(test.a, at) && isNumber(test.b, size) && outside.add(`behind ${i}`);
    });
    if (place === undefined) return undefined;
  }
  const over = new Map(reduce.over.map((a) => [a.name, a.size]));
  const used: string[] = [];
  const axisAt = (i: 2 | 3): WindowAxis | undefined => {
    const sum: Linear = { axes: new Map(), rest: [], constant: 0 };
    linearise(must(load.at[i], "coordinate"), 1, sum);
    if (sum.rest.length > 0) return undefined;
    const tapped = [...sum.axes].filter(([name]) => over.has(name));
    const walked = [...sum.axes].filter(([name]) => !over.has(name));
    if (tapped.length > 1 || walked.length > 1 || [...sum.axes.values()].some((k) => k < 1)) return undefined;
    const [tap] = tapped;
    const [output] = walked;
    if (tap) used.push(tap[0]);
    return {
      output: output && { axis: output[0], stride: output[1] },
      taps: tap ? must(over.get(tap[0]), tap[0]) : 1,
      dilation: tap ? tap[1] : 1,
      start: sum.constant,
      size: must(layout.sizes[i], "size"),
      before: outside.has(`before ${i}`),
      behind: outside.has(`behind ${i}`),
    };
  };
  const [rows, columns] = [axisAt(2), axisAt(3)];
  // the sum must be taken in the order of the axes, and each axis belong to one coordinate
  if (!rows || !columns || !sameOrder([...over.keys()], used)) return undefined;
  return { load, channel, rows, columns };
}

const sameOrder = (a: readonly string[], b: readonly string[]): boolean => a.length === b.length && a.every((name, i) => name === b[i]);

export interface TapContext {
  readonly f: FunctionWriter;
  readonly kernel: LoopKernel;
  readonly layout: Layout;
  /** First byte of the map. */
  readonly map: Local;
  readonly axes: ReadonlyMap<string, Local>;
  readonly acc: Local;
  readonly wide: string;
  /** Runs `body` for the channels of one pixel, four at a time. */
  readonly eachQuad: (body: () => void) => void;
  readonly store: () => void;
}

/** Writes what computes and stores all channels of one pixel. */
export function emitWindow(window: WindowTaps, context: TapContext): void {
  const { f, kernel, layout, axes, acc, eachQuad, store } = context;
  const { fn, init } = must(kernel.reduce, "reduction");
  const { rows, columns, load } = window;
  const strideOf = (i: number): number => must(layout.strides[i], "stride") * F32;
  const [rowStep, columnStep] = [rows.dilation * strideOf(2), columns.dilation * strideOf(3)];
  const [top, left, first, tap] = f.locals("i32", 4) as [Local, Local, Local, Local];
  const [seen, wrong] = fn === "max" ? f.locals("v128", 2) : [];

  const start = ({ output, start: by }: WindowAxis, into: Local): void => {
    f.i32(by);
    if (output)
      f.get(must(axes.get(output.axis), output.axis))
        .i32(output.stride)
        .op("i32.mul")
        .op("i32.add");
    f.set(into);
  };
  start(rows, top);
  start(columns, left);
  // of the tap above and to the left of all, which may lie outside of the map
  f.get(context.map)
    .i32((layout.base + window.channel) * F32)
    .op("i32.add");
  const image = must(load.at[0], "image");
  if (image.kind === "index")
    f.get(must(axes.get(image.name), image.name))
      .i32(strideOf(0))
      .op("i32.mul")
      .op("i32.add");
  f.get(top).i32(strideOf(2)).op("i32.mul").op("i32.add");
  f.get(left).i32(strideOf(3)).op("i32.mul").op("i32.add").set(first);

  const begin = (): void => {
    f.pooled(init).set(acc);
    if (wrong) f.f32x4(0).set(wrong);
  };
  /** Takes the vector on the stack in. */
  const take = (): void => {
    if (!seen || !wrong) {
      f.get(acc).op("f32x4.add").set(acc);
      return;
    }
    // pmax is one instruction where f32x4.max is seven, but it drops what is not a number
    f.set(seen).get(acc).get(seen).op("f32x4.pmax").set(acc);
    f.get(seen).get(seen).op("f32x4.ne").get(wrong).op("v128.or").set(wrong);
  };
  const end = (): void => {
    if (wrong) f.get(acc).get(wrong).op("v128.or").set(acc);
    store();
  };
  const channel = must(axes.get(context.wide), context.wide);
  const channelOffset = (): void => {
    f.get(channel).i32(F32).op("i32.mul");
  };

  const writtenOut = (): void =>
    eachQuad(() => {
      begin();
      f.get(first);
      channelOffset();
      f.op("i32.add").set(tap);
      for (let y = 0; y < rows.taps; y++)
        for (let x = 0; x < columns.taps; x++) {
          f.get(tap).memory("v128.load", y * rowStep + x * columnStep);
          take();
        }
      end();
    });

  /** Loops over the taps that lie in the map. */
  const clipped = (): void => {
    const [firstRow, lastRow, row, corner, firstColumn, lastColumn, column] = f.locals("i32", 7) as Local[] as [
      Local,
      Local,
      Local,
      Local,
      Local,
      Local,
      Local,
    ];
    range(f, rows, top, firstRow, lastRow);
    range(f, columns, left, firstColumn, lastColumn);
    // of the first tap inside
    f.get(first);
    f.get(firstRow).i32(rowStep).op("i32.mul").op("i32.add");
    f.get(firstColumn).i32(columnStep).op("i32.mul").op("i32.add").set(corner);
    eachQuad(() => {
      begin();
      f.get(firstRow).set(row);
      f.loop((nextRow) => {
        f.get(row).get(firstRow).op("i32.sub").i32(rowStep).op("i32.mul").get(corner).op("i32.add");
        channelOffset();
        f.op("i32.add").set(tap);
        f.get(firstColumn).set(column);
        f.until(column, lastColumn, 1, () => {
          f.get(tap).memory("v128.load");
          take();
          f.increase(tap, columnStep);
        });
        f.get(row).i32(1).op("i32.add").tee(row).get(lastRow).op("i32.ne").brIf(nextRow);
      });
      end();
    });
    f.release(firstRow, lastRow, row, corner, firstColumn, lastColumn, column);
  };

  const tests = [...insideTests(rows, top), ...insideTests(columns, left)];
  if (rows.taps * columns.taps > MOST_WRITTEN_OUT) clipped();
  else if (tests.length === 0) writtenOut();
  else {
    tests.forEach((test, i) => {
      test(f);
      if (i > 0) f.op("i32.and");
    });
    f.if(writtenOut, clipped);
  }
  f.release(top, left, first, tap);
  if (seen && wrong) f.release(seen, wrong);
}

/** Tests that all taps of a window that starts at `start` lie in the map. */
function insideTests(axis: WindowAxis, start: Local): ((f: FunctionWriter) => void)[] {
  const reach = (axis.taps - 1) * axis.dilation;
  return [
    ...(axis.before ? [(f: FunctionWriter) => void f.get(start).i32(0).op("i32.ge_s")] : []),
    ...(axis.behind
      ? [
          (f: FunctionWriter) =>
            void f
              .get(start)
              .i32(axis.size - reach)
              .op("i32.lt_s"),
        ]
      : []),
  ];
}

/** The first tap that lies in the map, and the first one behind it. Every window has one inside: ops refuse others. */
function range(f: FunctionWriter, axis: WindowAxis, start: Local, first: Local, last: Local): void {
  const { taps, dilation, size } = axis;
  const orElse = (value: () => void, limit: number, into: Local, relation: "i32.gt_s" | "i32.lt_s"): void => {
    value();
    f.tee(into).i32(limit).get(into).i32(limit).op(relation).op("select").set(into);
  };
  if (axis.before)
    orElse(
      () =>
        f
          .i32(dilation - 1)
          .get(start)
          .op("i32.sub")
          .i32(dilation)
          .op("i32.div_s"),
      0,
      first,
      "i32.gt_s",
    );
  else f.i32(0).set(first);
  if (axis.behind)
    orElse(
      () =>
        f
          .i32(size + dilation - 1)
          .get(start)
          .op("i32.sub")
          .i32(dilation)
          .op("i32.div_s"),
      taps,
      last,
      "i32.lt_s",
    );
  else f.i32(taps).set(last);
}
