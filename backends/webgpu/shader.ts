/** What every printer of this backend returns, and the frame around its text: bindings, entry point, the store of one result. */
import { must } from "../../compiler/invariant.ts";
import type { Value } from "../../compiler/ir/graph.ts";
import type { Kernel, Program } from "../../compiler/ir/kernel.ts";
import { type Layout, layoutOf, sizesOf } from "./layout.ts";
import type { Packing } from "./pack.ts";
import type { Operand } from "./wgsl.ts";

/** Which buffers may be f16: maps inside the net and the packed weights of contractions. Everything else stays f32. */
export interface Precision {
  readonly half: boolean;
}

export interface Binding {
  /** Index into the kernel's buffers. */
  readonly buffer: number;
  /** How it is bound; "write" for the shared inputs of a mixed kernel too. */
  readonly access: "read" | "write";
  /** Set for weights: how the bytes of the slice are made. */
  readonly packing?: Packing;
}

/** One dispatch: text (equal text, equal pipeline), workgroup counts, buffers in binding order. */
export interface Shader {
  readonly code: string;
  readonly groups: readonly [x: number, y: number, z: number];
  readonly bindings: readonly Binding[];
}

/** How a printer sees one kernel of a program. */
export interface Frame {
  readonly kernel: Kernel;
  readonly half: boolean;
  readonly isWeight: (value: Value) => boolean;
  readonly layout: (buffer: number) => Layout;
  readonly value: (buffer: number) => Value;
  readonly isHalf: (buffer: number) => boolean;
  /** Inputs in an arena that the kernel writes: WebGPU wants every binding of that arena to be for writing. */
  readonly shared: ReadonlySet<Value>;
}

/** What a kernel's text depends on beside the kernel. */
export interface Surroundings {
  readonly storage: Program["storage"];
  readonly isWeight: (value: Value) => boolean;
  /** Whether it is an input or an output of the net. */
  readonly isPort: (value: Value) => boolean;
}

export function surroundingsOf({ storage, weights, inputs, outputs }: Program): Surroundings {
  const weightValues = new Set(weights.map((w) => w.value));
  const portValues = new Set([...inputs, ...outputs].map((p) => p.value));
  return { storage, isWeight: (v) => weightValues.has(v), isPort: (v) => portValues.has(v) };
}

export function frameOf(around: Surroundings, kernel: Kernel, precision: Precision, shared: ReadonlySet<Value>): Frame {
  const { storage, isWeight, isPort } = around;
  const value = (buffer: number): Value => must(kernel.buffers[buffer], `buffer ${buffer} of ${kernel.name}`).value;
  // one channel or one pixel: means, sums and factors of a whole map, where a rounding shows in every element and a sum may exceed 65504
  const isMap = ({ type: { shape } }: Value): boolean => shape.length === 4 && shape[1] !== 1 && !(shape[2] === 1 && shape[3] === 1);
  return {
    kernel,
    half: precision.half,
    shared,
    isWeight,
    value,
    layout: (buffer) => layoutOf(value(buffer), storage.get(value(buffer))),
    isHalf: (buffer) => {
      const v = value(buffer);
      return precision.half && !isWeight(v) && !isPort(v) && isMap(v);
    },
  };
}

export interface Declared {
  readonly operands: Map<number, Operand>;
  readonly declarations: readonly string[];
  readonly bindings: readonly Binding[];
}

/**
 * Declares the kernel's buffers in order. `names`: preferred names by buffer; `quads`: which are arrays of vec4;
 * `packed`: weights whose bytes are not the tensor's own.
 */
export function declare(
  frame: Frame,
  names: ReadonlyMap<number, string>,
  quads: (buffer: number) => boolean,
  packed: ReadonlyMap<number, Packing> = new Map(),
): Declared {
  const operands = new Map<number, Operand>();
  const declarations: string[] = [];
  const bindings: Binding[] = [];
  frame.kernel.buffers.forEach((use, buffer) => {
    const { value } = use;
    const access = frame.shared.has(value) ? "write" : use.access;
    const packing = packed.get(buffer);
    const name = names.get(buffer) ?? `buffer${buffer}`;
    const half = packing ? packing.half : frame.isHalf(buffer);
    const isQuads = quads(buffer);
    const layout = frame.layout(buffer);
    const elements = packing ? packing.elements : layout.elements;
    const scalar = half ? "f16" : "f32";
    const type = isQuads ? `vec4<${scalar}>` : scalar;
    const length = isQuads ? Math.ceil(elements / 4) : elements;
    const mode = access === "read" ? "read" : "read_write";
    declarations.push(`@group(0) @binding(${buffer}) var<storage, ${mode}> ${name}: array<${type}, ${length}>;`);
    operands.set(buffer, { name, quads: isQuads, half, sizes: sizesOf(value), layout });
    bindings.push({ buffer, access, ...(packing ? { packing } : {}) });
  });
  return { operands, declarations, bindings };
}

/** The whole text. `comment` says what the kernel computes, without the layer's name: equal layers share their text. */
export function shaderText(comment: string, half: boolean, parts: readonly (string | readonly string[])[]): string {
  const body = parts.flat().filter((line) => line !== "");
  return `${half ? "enable f16;\n" : ""}// ${comment}\n${body.join("\n")}\n`;
}

/** Most workgroups along one dimension of a dispatch. */
export const MAX_GROUPS = 65_535;

/** `count` workgroups as x and, beyond the limit, y. */
export function foldGroups(count: number): [x: number, y: number] {
  if (count <= MAX_GROUPS) return [count, 1];
  const y = Math.ceil(count / MAX_GROUPS);
  return [Math.ceil(count / y), y];
}

/** Text of a stored value: rounded to f16 where the operand is. */
export function stored(o: Operand, text: string, wide: boolean): string {
  if (!o.half) return text;
  return wide ? `vec4h(${text})` : `f16(${text})`;
}
