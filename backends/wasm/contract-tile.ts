/**
 * One register tile of a contraction: rows x 4 or 8 outputs, all products, then the epilogue (kernels.md section 2.1). Per product: one
 * or two loads of packed weights, one splatted load for each row, one multiply-add for each accumulator.
 */
import { invariant } from "../../compiler/invariant.ts";
import type { FunctionWriter, Local } from "./function-writer.ts";
import type { Binary } from "./tiles.ts";

/** The walk over the products, innermost first: how often, and how many bytes of input from one to the next. */
export interface Level {
  readonly count: number;
  readonly stride: number;
}

export interface TileSpec {
  readonly rows: number;
  readonly vectors: 1 | 2;
  /** Bytes from the input pointer to each row's first product. */
  readonly offsets: readonly number[];
  readonly levels: readonly Level[];
  readonly binary: Binary;
  /** What the sums begin with: the panel's first values (its bias), or zeros in a panel that has none. Default "panel". */
  readonly start?: "panel" | "zero";
  /** Loads that bring weights near which are wanted soon, from `at` on; only with one level. */
  readonly ahead?: (Ahead & { readonly at: Local }) | undefined;
}

/** Cache lines that are loaded ahead in every block of products. */
export interface Ahead {
  readonly lines: number;
  readonly products: number;
}

/** Products between the loads that run ahead. */
const BLOCK = 32;

/**
 * How the next panel's weights are brought near while one of `products` products is used for `tiles` tiles. The first tile of a panel would
 * otherwise wait for memory: a sixth of the time on the 7x7 maps of deep nets. Undefined where a panel is used too often for the wait to
 * count, or too seldom for the loads to have time.
 */
export function linesAhead(products: number, tiles: number): Ahead | undefined {
  if (products < 256 || products % BLOCK !== 0 || tiles < 3 || tiles > 64) return undefined;
  // a product has 8 weights, half a line
  return { lines: Math.ceil(BLOCK / 2 / tiles), products: BLOCK };
}

/** Few accumulators wait for the multiply-add's latency: there separate products and sums are quicker. */
const LEAST_FUSED_ROWS = 4;
/** Innermost walks up to this length are written out. */
const WRITTEN_OUT = 4;

export interface TileLocals {
  /** Input of the tile's first row; kept. */
  readonly input: Local;
  /** Panel: starting values (bias), then the products' weights; kept. */
  readonly panel: Local;
}

/** Leaves the sums in the returned locals, [row][vector]; the caller releases them. */
export function emitTile(f: FunctionWriter, spec: TileSpec, { input, panel }: TileLocals): Local[][] {
  const { rows, vectors, offsets, binary } = spec;
  invariant(liveVectors(spec) <= (binary.relaxed ? 15 : 12), `a tile of ${rows}x${vectors * 4} does not fit the registers`);
  const step = vectors * 16;
  const levels = spec.levels.length > 0 ? spec.levels : [{ count: 1, stride: 4 }];
  const inner = levels[0] as Level;
  // one row: four sums side by side, or each product would wait for the one before
  const lanes = rows === 1 && levels.length === 1 && inner.count % 4 === 0 ? 4 : 1;
  const sums = Array.from({ length: lanes }, () => Array.from({ length: rows }, () => f.locals("v128", vectors)));
  const [p, b] = f.locals("i32", 2) as [Local, Local];
  const weights = f.locals("v128", vectors);
  const a = f.local("v128");
  const fused = binary.relaxed && rows * lanes >= LEAST_FUSED_ROWS;

  sums.forEach((set, lane) => {
    for (let v = 0; v < vectors; v++) {
      for (const row of set) {
        if (lane === 0 && spec.start !== "zero") f.get(panel).memory("v128.load", v * 16);
        else f.f32x4(0);
        f.set(row[v] as Local);
      }
    }
  });
  f.get(input).set(p);
  f.get(panel);
  if (spec.start !== "zero") f.i32(step).op("i32.add");
  f.set(b);

  const product = (lane: number, inputAt: number, weightAt: number): void => {
    weights.forEach((w, v) => {
      f.get(b)
        .memory("v128.load", weightAt + v * 16)
        .set(w);
    });
    (sums[lane] as Local[][]).forEach((row, r) => {
      f.get(p)
        .memory("v128.load32_splat", (offsets[r] as number) + inputAt)
        .set(a);
      row.forEach((sum, v) => {
        const w = weights[v] as Local;
        if (fused) f.get(a).get(w).get(sum).op("f32x4.relaxed_madd").set(sum);
        else f.get(sum).get(a).get(w).op("f32x4.mul").op("f32x4.add").set(sum);
      });
    });
  };

  const walk = (depth: number): void => {
    const { count, stride } = levels[depth] as Level;
    if (depth === 0 && lanes > 1) {
      loopTo(f, p, count * stride, () => {
        for (let k = 0; k < lanes; k++) product(k, k * stride, k * step);
        f.increase(p, lanes * stride).increase(b, lanes * step);
      });
      return;
    }
    if (depth === 0 && count <= WRITTEN_OUT) {
      for (let k = 0; k < count; k++) product(0, k * stride, k * step);
      f.increase(p, count * stride).increase(b, count * step);
      return;
    }
    const { ahead } = spec;
    if (ahead) {
      loopTo(f, p, count * stride, () => {
        for (let line = 0; line < ahead.lines; line++)
          f.get(ahead.at)
            .memory("i32.load", 64 * line)
            .op("drop");
        f.increase(ahead.at, 64 * ahead.lines);
        loopTo(f, p, ahead.products * stride, () => {
          product(0, 0, 0);
          f.increase(p, stride).increase(b, step);
        });
      });
      return;
    }
    loopTo(f, p, count * stride, () => {
      if (depth === 0) {
        product(0, 0, 0);
        f.increase(p, stride).increase(b, step);
        return;
      }
      walk(depth - 1);
      const below = levels[depth - 1] as Level;
      const skip = stride - below.count * below.stride;
      if (skip !== 0) f.increase(p, skip);
    });
  };
  walk(levels.length - 1);

  for (let lane = lanes - 1; lane > 0; lane--) {
    const [from, to] = [sums[lane] as Local[][], sums[lane - 1] as Local[][]];
    from.forEach((row, r) => {
      row.forEach((sum, v) => {
        const target = (to[r] as Local[])[v] as Local;
        f.get(target).get(sum).op("f32x4.add").set(target);
        f.release(sum);
      });
    });
  }
  f.release(p, b, a, ...weights);
  return sums[0] as Local[][];
}

/** Runs `body`, which moves `p` on, until `p` is `bytes` further. */
function loopTo(f: FunctionWriter, p: Local, bytes: number, body: () => void): void {
  const end = f.local("i32");
  f.get(p).i32(bytes).op("i32.add").set(end);
  f.loop((again) => {
    body();
    f.get(p).get(end).op("i32.ne").brIf(again);
  });
  f.release(end);
}

/** Most vectors alive in the inner loop; 16 registers, and V8 keeps one for itself (kernels.md section 2.1). */
function liveVectors({ rows, vectors, binary }: Pick<TileSpec, "rows" | "vectors" | "binary">): number {
  const fused = binary.relaxed && rows >= LEAST_FUSED_ROWS;
  return rows * vectors + vectors + (fused ? 1 : 2);
}
