/** Where an element lies: logical coordinates to an offset into a flat NCHW array, as a sum of axis * stride and a rest. */
import * as x from "../../compiler/ir/expr.ts";
import type { Axis, Expr } from "../../compiler/ir/kernel.ts";

/** offset = sum of `strides[axis] * axis` + `rest`. */
export interface Address {
  readonly strides: ReadonlyMap<string, number>;
  readonly rest: Expr;
}

/** Coordinates of size-1 axes are 0 whatever they say. */
export function addressOf(shape: readonly number[], at: readonly Expr[]): Address {
  const strides = new Map<string, number>();
  let rest: Expr = x.int(0);
  let stride = 1;
  for (let d = shape.length - 1; d >= 0; d--) {
    const coordinate = at[d] as Expr;
    if (shape[d] !== 1) {
      const offset = offsetOf(coordinate);
      if (offset) {
        strides.set(offset.axis, (strides.get(offset.axis) ?? 0) + stride);
        rest = x.add(rest, offset.by * stride);
      } else rest = x.add(x.mul(coordinate, stride), rest);
    }
    stride *= shape[d] as number;
  }
  return { strides, rest };
}

/** `axis` or `axis + constant`. */
function offsetOf(e: Expr): { readonly axis: string; readonly by: number } | undefined {
  if (e.kind === "index") return { axis: e.name, by: 0 };
  if (e.kind === "binary" && e.fn === "add" && e.a.kind === "index" && e.b.kind === "const") return { axis: e.a.name, by: e.b.value };
  return undefined;
}

/** The address as one expression, largest strides first. */
export function addressExpr(address: Address): Expr {
  const terms = [...address.strides].sort((a, b) => b[1] - a[1]);
  let sum: Expr | undefined;
  for (const [axis, stride] of terms) {
    const term = x.mul(x.index(axis), stride);
    sum = sum ? x.add(sum, term) : term;
  }
  return sum ? x.add(sum, address.rest) : address.rest;
}

/** Axes the rest of an address (or any other expression) reads. */
export function axesIn(e: Expr, into: Set<string> = new Set()): Set<string> {
  x.walk(e, (part) => {
    if (part.kind === "index") into.add(part.name);
  });
  return into;
}

export interface MergedAxes {
  readonly axes: readonly Axis[];
  /** Axis that was joined into the one after it; its stride terms vanish. */
  readonly gone: ReadonlySet<string>;
}

/**
 * Joins neighbouring axes that every access walks as one run ([y, x] of a whole map, everything in an elementwise layer), so that one flat
 * loop does the work of several. Axes in `fixed` are read by value and stay. The joined axis keeps the name of the innermost one.
 */
export function mergeAxes(axes: readonly Axis[], addresses: readonly Address[], fixed: ReadonlySet<string>): MergedAxes {
  const merged: Axis[] = [];
  const gone = new Set<string>();
  for (const axis of axes) {
    const outer = merged.at(-1);
    const joins =
      outer !== undefined &&
      !fixed.has(outer.name) &&
      !fixed.has(axis.name) &&
      addresses.every((a) => (a.strides.get(outer.name) ?? 0) === (a.strides.get(axis.name) ?? 0) * axis.size);
    if (!joins) merged.push(axis);
    else {
      merged[merged.length - 1] = { name: axis.name, size: outer.size * axis.size };
      gone.add(outer.name);
    }
  }
  return { axes: merged, gone };
}

/** Addresses of all loads in `e`, and the axes that may not be merged because they are read by value. */
export function collectAddresses(e: Expr, shape: (buffer: number) => readonly number[], addresses: Address[], fixed: Set<string>): void {
  switch (e.kind) {
    case "load": {
      const address = addressOf(shape(e.buffer), e.at);
      addresses.push(address);
      collectAddresses(address.rest, shape, addresses, fixed);
      break;
    }
    case "index":
      fixed.add(e.name);
      break;
    case "unary":
      collectAddresses(e.x, shape, addresses, fixed);
      break;
    case "binary":
      collectAddresses(e.a, shape, addresses, fixed);
      collectAddresses(e.b, shape, addresses, fixed);
      break;
    case "select":
      collectAddresses(e.cond, shape, addresses, fixed);
      collectAddresses(e.yes, shape, addresses, fixed);
      collectAddresses(e.no, shape, addresses, fixed);
      break;
    default:
  }
}
