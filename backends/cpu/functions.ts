/** The functions of an emitted module: one per distinct text, so that layers of equal shape share one; and how their parameters are named. */

import type { Value } from "../../compiler/ir/graph.ts";
import type { BufferUse, Kernel } from "../../compiler/ir/kernel.ts";
import { identifier } from "../module/text.ts";

/** What one kernel became: a call of a function. */
export interface Call {
  readonly fn: string;
  /** One argument per buffer of the kernel, then scratch memory by name. */
  readonly values: readonly Value[];
  readonly scratch: readonly ScratchName[];
}

/** `rows`: four f64 rows of sums; `padded`: one input map with its padding and gate applied. */
export type ScratchName = "rows" | "padded";

export interface FunctionText {
  readonly name: string;
  readonly text: string;
}

export interface Functions {
  /** Adds a function unless one of the same parameters and body is there; returns its name. `doc` is a line of comment. */
  add(wish: string, parameters: readonly string[], body: string, doc: string): string;
  /** Marks a shared function of `scratch.ts` as used. */
  readonly shared: Set<string>;
  /** Largest length asked for; 0 when never. */
  readonly scratch: Map<ScratchName, number>;
  needScratch(name: ScratchName, length: number): void;
  readonly list: readonly FunctionText[];
}

/** `taken`: names the module uses itself. */
export function functionTable(taken: Set<string>): Functions {
  const byText = new Map<string, string>();
  const list: FunctionText[] = [];
  const scratch = new Map<ScratchName, number>();
  return {
    add(wish, parameters, body, doc) {
      const rest = `(${parameters.join(", ")}) {\n${body}\n}`;
      const known = byText.get(rest + doc);
      if (known !== undefined) return known;
      const name = identifier(wish, taken);
      byText.set(rest + doc, name);
      list.push({ name, text: `/** ${doc} */\nfunction ${name}${rest}` });
      return name;
    },
    shared: new Set(),
    scratch,
    needScratch: (name, length) => scratch.set(name, Math.max(scratch.get(name) ?? 0, length)),
    list,
  };
}

export const shapeOf = (value: Value): readonly number[] => value.type.shape as readonly number[];

/**
 * Parameter names by role, so that equal layers have equal text: the roles a kernel states (`roles`), else "output" for what is written,
 * "bias" or the tensor's own name for weights, "residual" and "factor" for activations.
 */
export function parameterNames(
  kernel: Kernel,
  isWeight: (value: Value) => boolean,
  roles: ReadonlyMap<number, string>,
  taken: Iterable<string>,
): readonly string[] {
  const used = new Set(taken);
  const role = (use: BufferUse, index: number): string => {
    const given = roles.get(index);
    if (given !== undefined) return given;
    if (use.access === "write") return "output";
    const shape = shapeOf(use.value);
    if (isWeight(use.value)) {
      if (kernel.kind !== "loop") return shape.length === 1 ? "bias" : "parameter";
      const own = /[A-Za-z_]+$/.exec(use.value.name)?.[0];
      return own ?? "parameter";
    }
    if (kernel.kind === "loop") return "input";
    return shape.length === 4 && (shape[2] !== 1 || shape[3] !== 1) ? "residual" : "factor";
  };
  return kernel.buffers.map((use, index) => identifier(role(use, index), used));
}
