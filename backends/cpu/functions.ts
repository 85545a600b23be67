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
  /** Adds a function of the kernel's buffers (called `names`) and scratch, unless one of the same text is there. `doc` is a line of comment. */
  add(wish: string, kernel: Kernel, names: readonly string[], scratch: readonly ScratchName[], body: string, doc: string): Call;
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
    add(wish, kernel, names, scratchNames, body, doc) {
      const about = [
        ...names.map((name, i) => `@param {Float32Array} ${name} ${shapeOf(kernel.buffers[i]!.value).join("×")}`),
        ...scratchNames.map((name) => (name === "rows" ? "@param {Float64Array[]} rows scratch" : `@param {Float32Array} ${name} scratch`)),
      ];
      const text = ["/**", ` * ${doc}`, ...about.map((line) => ` * ${line}`), " */"].join("\n");
      const rest = `(${[...names, ...scratchNames].join(", ")}) {\n${body}\n}`;
      const fn = byText.get(text + rest) ?? identifier(wish, taken);
      if (!byText.has(text + rest)) {
        byText.set(text + rest, fn);
        list.push({ name: fn, text: `${text}\nfunction ${fn}${rest}` });
      }
      return { fn, values: kernel.buffers.map((b) => b.value), scratch: scratchNames };
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
