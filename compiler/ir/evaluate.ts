/** Evaluates the integer part of an expression at one point. What depends on loaded data is unknown (undefined). */
import { evaluateBinary } from "./expr.ts";
import type { Expr } from "./kernel.ts";

/** Axis name to coordinate. */
export type Point = ReadonlyMap<string, number>;

export interface Visitor {
  /** An index that the point does not have. */
  readonly index: (name: string) => void;
  readonly acc: () => void;
  /** A load that is reached, with its coordinates. */
  readonly load: (load: Expr & { readonly kind: "load" }, at: readonly (number | undefined)[]) => void;
}

/** A `select` is followed lazily: only the arm that is taken is visited; both if the condition depends on data. */
export function evaluateAt(e: Expr, point: Point, visit: Visitor): number | undefined {
  switch (e.kind) {
    case "const":
      return e.value;
    case "index": {
      const value = point.get(e.name);
      if (value === undefined) visit.index(e.name);
      return value;
    }
    case "acc":
      visit.acc();
      return undefined;
    case "load":
      visit.load(
        e,
        e.at.map((c) => evaluateAt(c, point, visit)),
      );
      return undefined;
    case "unary": {
      const x = evaluateAt(e.x, point, visit);
      if (x === undefined) return undefined;
      switch (e.fn) {
        case "neg":
          return -x;
        case "abs":
          return Math.abs(x);
        case "floor":
          return Math.floor(x);
        case "float":
          return x;
        case "int":
          return Math.trunc(x);
        case "not":
          return x ? 0 : 1;
        default:
          return undefined;
      }
    }
    case "binary": {
      const a = evaluateAt(e.a, point, visit);
      // a false `and` guards what stands on its right, as in the targets
      if (e.fn === "and" && a === 0) return 0;
      const b = evaluateAt(e.b, point, visit);
      if (a === undefined || b === undefined) return undefined;
      return evaluateBinary(e.fn, a, b);
    }
    case "select": {
      const cond = evaluateAt(e.cond, point, visit);
      if (cond !== undefined) return evaluateAt(cond ? e.yes : e.no, point, visit);
      const yes = evaluateAt(e.yes, point, visit);
      const no = evaluateAt(e.no, point, visit);
      return yes === no ? yes : undefined;
    }
  }
}
