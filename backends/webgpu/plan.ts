/** A program as the tables that the host interprets: distinct shaders, weight slices, one row per dispatch. */
import { must } from "../../compiler/invariant.ts";
import type { Value, Weight } from "../../compiler/ir/graph.ts";
import { type Kernel, type Program, sharedInputs } from "../../compiler/ir/kernel.ts";
import { kernelForms } from "../../compiler/ir/kernel-form.ts";
import { layoutOf, sizesOf } from "./layout.ts";
import { type Packing, plain } from "./pack.ts";
import { type Shader, surroundingsOf } from "./shader.ts";
import { type Mode, printKernel } from "./variants.ts";

export interface ShaderEntry {
  readonly code: string;
  /** One letter per binding: r for read, w for write or, in a mixed kernel, both. */
  readonly access: string;
  /** A file name of its own: "conv-register-3x3-0a1b". */
  readonly name: string;
  /** Whether some mode without shader-f16 uses it. */
  readonly half: boolean;
}

export interface SliceEntry {
  readonly weight: Weight;
  readonly packing: Packing;
}

/** A bound range: a weight slice, or bytes of an arena. */
export type Resource = { readonly slice: number } | { readonly arena: number; readonly offset: number; readonly bytes: number };

export interface StepEntry {
  readonly name: string;
  /** By mode: shader and workgroups. */
  readonly dispatch: readonly { readonly shader: number; readonly groups: readonly [number, number, number] }[];
  readonly bindings: readonly Resource[];
}

export interface PortEntry {
  readonly arena: number;
  readonly offset: number;
  readonly order: "nchw" | "nhwc";
  readonly lanes: number;
  readonly halo: number;
}

export interface Plan {
  readonly modes: readonly Mode[];
  readonly shaders: readonly ShaderEntry[];
  readonly slices: readonly SliceEntry[];
  readonly steps: readonly StepEntry[];
  readonly arenas: readonly number[];
  readonly inputs: readonly PortEntry[];
  readonly outputs: readonly PortEntry[];
}

interface Printed {
  readonly mode: Mode;
  readonly shader: Shader;
}

const BYTES_PER_F32 = 4;
/** Enough for what the printers write today; a longer comment loses whole words from its end. */
const LONGEST_NAME = 80;

export function planOf(program: Program, modes: readonly Mode[]): Plan {
  const shaders: ShaderEntry[] = [];
  const byText = new Map<string, number>();
  const slices: SliceEntry[] = [];
  const bySlice = new Map<string, number>();
  const weights = new Map(program.weights.map((w) => [w.value, w]));

  const shaderOf = (code: string, access: string, half: boolean): number => {
    const key = `${access}\n${code}`;
    let at = byText.get(key);
    if (at === undefined) {
      at = shaders.length;
      byText.set(key, at);
      shaders.push({ code, access, half, name: `${String(at).padStart(3, "0")}-${slug(code)}` });
    }
    return at;
  };
  const sliceOf = (weight: Weight, packing: Packing): number => {
    const key = `${weight.value.id} ${packing.key}`;
    let at = bySlice.get(key);
    if (at === undefined) {
      at = slices.length;
      bySlice.set(key, at);
      slices.push({ weight, packing });
    }
    return at;
  };
  const place = (value: Value) => must(program.memory.places.get(value), `place of ${value.name}`);

  const byForm = new Map<string, readonly Printed[]>();
  const formOf = kernelForms(program);
  const surroundings = surroundingsOf(program);
  /** Kernels of one form have one text: what else goes into it is which buffers are shared, and which are kept in f32 as ports. */
  const print = (kernel: Kernel, at: number): readonly Printed[] => {
    const shared = sharedInputs(program, at);
    const bound = kernel.buffers.map(({ value }) => [shared.has(value), surroundings.isPort(value)]);
    const form = `${formOf(kernel)} ${JSON.stringify(bound)}`;
    const printed = byForm.get(form) ?? modes.map((mode) => ({ mode, shader: printKernel(surroundings, kernel, mode, shared) }));
    byForm.set(form, printed);
    return printed;
  };

  const steps = program.kernels.map((kernel, at): StepEntry => {
    const printed = print(kernel, at);
    // slices hold what the most compact mode wants; without shader-f16 the host widens them
    const packings = new Map<number, Packing>();
    for (const { shader } of printed)
      for (const b of shader.bindings) if (b.packing && (b.packing.half || !packings.has(b.buffer))) packings.set(b.buffer, b.packing);
    const bindings = kernel.buffers.map(({ value }, buffer): Resource => {
      const weight = weights.get(value);
      if (weight) return { slice: sliceOf(weight, packings.get(buffer) ?? plain(value)) };
      const { arena, offset } = place(value);
      return { arena, offset, bytes: layoutOf(value, program.storage.get(value)).elements * BYTES_PER_F32 };
    });
    const dispatch = printed.map(({ mode, shader }) => ({
      shader: shaderOf(shader.code, shader.bindings.map((b) => (b.access === "read" ? "r" : "w")).join(""), mode.half),
      groups: shader.groups,
    }));
    return { name: kernel.name, dispatch, bindings };
  });
  const port = ({ value }: { readonly value: Value }): PortEntry => {
    const storage = program.storage.get(value);
    const { arena, offset } = place(value);
    const layout = layoutOf(value, storage);
    const rank = sizesOf(value).length;
    return {
      arena,
      offset,
      order: rank === 4 && storage?.order === "nchw" ? "nchw" : "nhwc",
      lanes: rank === 4 && storage?.order === "nchw" ? 0 : layout.lanes,
      halo: storage?.halo ?? 0,
    };
  };
  return {
    modes,
    shaders,
    slices,
    steps,
    arenas: program.memory.arenas,
    inputs: program.inputs.map(port),
    outputs: program.outputs.map(port),
  };
}

/** A short file name from the comment that opens every shader: whole words only, so that no number is cut. */
function slug(code: string): string {
  const comment = /^\/\/ (.*)$/m.exec(code)?.[1] ?? "kernel";
  const words = comment
    .replace(/ over (\d+) tiles/g, "")
    .replace(/, four channels a thread|, one element a thread/g, "")
    .replace(/->/g, "to")
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== "");
  let name = "";
  for (const word of words) {
    const longer = name === "" ? word : `${name}-${word}`;
    if (longer.length > LONGEST_NAME) break;
    name = longer;
  }
  return name;
}
