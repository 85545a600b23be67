/** The functions of the expression language (language.md section 5). */
import type { Message } from "../diagnostics/diagnostic.ts";
import { messages } from "../diagnostics/messages.gen.ts";
import type { SpecValue } from "./scope.ts";

export interface FunctionProblem {
  readonly message: Message;
  /** Index of the argument to point at. */
  readonly arg?: number;
}

interface FunctionDef {
  readonly least: number;
  readonly most: number;
  readonly of: (...args: readonly number[]) => number;
}

/** Half to even, as Python's `round`: the published widths were made with it. */
function roundHalfEven(x: number): number {
  const low = Math.floor(x);
  const rest = x - low;
  if (rest !== 0.5) return Math.round(x);
  return low % 2 === 0 ? low : low + 1;
}

/** The channel rule of MobileNets: a multiple of `d`, at least `min`, not below `limit * v`. */
function makeDivisible(v: number, d = 8, min = d, limit = 0.9): number {
  const n = Math.max(min, Math.floor((v + d / 2) / d) * d);
  return n < limit * v ? n + d : n;
}

const table: ReadonlyMap<string, FunctionDef> = new Map(
  Object.entries({
    min: { least: 1, most: Number.POSITIVE_INFINITY, of: Math.min },
    max: { least: 1, most: Number.POSITIVE_INFINITY, of: Math.max },
    abs: { least: 1, most: 1, of: Math.abs },
    floor: { least: 1, most: 1, of: Math.floor },
    ceil: { least: 1, most: 1, of: Math.ceil },
    round: { least: 1, most: 1, of: roundHalfEven },
    sqrt: { least: 1, most: 1, of: Math.sqrt },
    log2: { least: 1, most: 1, of: Math.log2 },
    make_divisible: { least: 1, most: 4, of: makeDivisible },
  } as Record<string, FunctionDef>),
);

export const functionNames: readonly string[] = [...table.keys(), "sum", "len"];
export const isFunctionName = (name: string): boolean => functionNames.includes(name);

/** The result (possibly not finite, which the caller reports), or what is wrong with the arguments. */
export function applyFunction(name: string, args: readonly SpecValue[]): SpecValue | FunctionProblem {
  if (name === "sum" || name === "len") return ofList(name, args);
  const fn = table.get(name) as FunctionDef;
  if (args.length < fn.least || args.length > fn.most) return { message: wrongCount(name, fn.least, fn.most, args.length) };
  const bad = args.findIndex((v) => typeof v !== "number");
  if (bad >= 0) return { message: messages.SE112.argument({ arg: name, wants: "numbers", got: JSON.stringify(args[bad]) }), arg: bad };
  if (name === "make_divisible" && args[1] === 0) return { message: messages.SE115.zero(), arg: 1 };
  return fn.of(...(args as number[]));
}

function ofList(name: "sum" | "len", args: readonly SpecValue[]): SpecValue | FunctionProblem {
  if (args.length !== 1) return { message: wrongCount(name, 1, 1, args.length) };
  const [list] = args;
  if (!Array.isArray(list)) return { message: messages.SE112.argument({ arg: name, wants: "a list", got: JSON.stringify(list) }), arg: 0 };
  if (name === "len") return list.length;
  if (list.some((v) => typeof v !== "number")) {
    return { message: messages.SE112.argument({ arg: name, wants: "a list of numbers", got: JSON.stringify(list) }), arg: 0 };
  }
  return (list as number[]).reduce((a, b) => a + b, 0);
}

function wrongCount(name: string, least: number, most: number, given: number): Message {
  const range = least === most ? String(least) : most === Number.POSITIVE_INFINITY ? `at least ${least}` : `${least} to ${most}`;
  const wants = `${range} argument${least === 1 && most !== least && most !== Number.POSITIVE_INFINITY ? "s" : ""}`;
  return messages.SE110.fn({ name, wants, given });
}
