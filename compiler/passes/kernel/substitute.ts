/** Substitution in kernel expressions that keeps shared sub-expressions shared, so that time and size stay linear in the number of distinct nodes. */
import * as x from "../../ir/expr.ts";
import type { Expr } from "../../ir/kernel.ts";

export interface Replacement {
  /** What an index becomes; undefined keeps it. */
  readonly index?: (name: string) => Expr | undefined;
  /** What a load becomes, given its already rewritten coordinates; undefined keeps it with those coordinates. */
  readonly load?: (buffer: number, at: readonly Expr[]) => Expr | undefined;
  readonly acc?: Expr;
}

/** A rewriting function with one memo: expressions rewritten by the same function keep sharing what they shared. */
export function substitution(r: Replacement): (e: Expr) => Expr {
  const memo = new Map<Expr, Expr>();
  const rebuild = (e: Expr): Expr => {
    switch (e.kind) {
      case "const":
        return e;
      case "index":
        return r.index?.(e.name) ?? e;
      case "acc":
        return r.acc ?? e;
      case "load": {
        const at = e.at.map(go);
        return r.load?.(e.buffer, at) ?? x.load(e.buffer, at);
      }
      case "unary":
        return x.unary(e.fn, go(e.x));
      case "binary":
        return x.binary(e.fn, go(e.a), go(e.b));
      case "select":
        return x.select(go(e.cond), go(e.yes), go(e.no));
    }
  };
  const go = (e: Expr): Expr => {
    const known = memo.get(e);
    if (known) return known;
    const made = rebuild(e);
    memo.set(e, made);
    return made;
  };
  return go;
}

const childrenOf = (e: Expr): readonly Expr[] => {
  switch (e.kind) {
    case "load":
      return e.at;
    case "unary":
      return [e.x];
    case "binary":
      return [e.a, e.b];
    case "select":
      return [e.cond, e.yes, e.no];
    default:
      return [];
  }
};

/** Visits every distinct sub-expression once, parents first. */
export function visitOnce(e: Expr, visit: (e: Expr) => void): void {
  const seen = new Set<Expr>();
  const go = (node: Expr): void => {
    if (seen.has(node)) return;
    seen.add(node);
    visit(node);
    childrenOf(node).forEach(go);
  };
  go(e);
}

/** Number of nodes when the expression is written out as a tree, i.e. the length of its text. */
export function treeSize(e: Expr): number {
  const memo = new Map<Expr, number>();
  const go = (node: Expr): number => {
    const known = memo.get(node);
    if (known !== undefined) return known;
    let n = 1;
    for (const child of childrenOf(node)) n += go(child);
    memo.set(node, n);
    return n;
  };
  return go(e);
}

export function sameExpr(a: Expr, b: Expr): boolean {
  if (a === b) return true;
  if (a.kind !== b.kind) return false;
  switch (a.kind) {
    case "const":
      return b.kind === "const" && a.type === b.type && Object.is(a.value, b.value);
    case "index":
      return b.kind === "index" && a.name === b.name;
    case "acc":
      return true;
    case "load":
      return b.kind === "load" && a.buffer === b.buffer && sameExprs(a.at, b.at);
    case "unary":
      return b.kind === "unary" && a.fn === b.fn && sameExpr(a.x, b.x);
    case "binary":
      return b.kind === "binary" && a.fn === b.fn && sameExpr(a.a, b.a) && sameExpr(a.b, b.b);
    case "select":
      return b.kind === "select" && sameExprs([a.cond, a.yes, a.no], [b.cond, b.yes, b.no]);
  }
}

export const sameExprs = (a: readonly Expr[], b: readonly Expr[]): boolean =>
  a.length === b.length && a.every((e, i) => sameExpr(e, b[i] as Expr));
