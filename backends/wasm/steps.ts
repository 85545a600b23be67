/** A program as the steps that a run takes: kernels, the zeros around their results, and the layouts of the caller at both ends. */
import { invariant, must } from "../../compiler/invariant.ts";
import type { Value, Weight } from "../../compiler/ir/graph.ts";
import type { ContractKernel, Kernel, LoopKernel, Program, Storage } from "../../compiler/ir/kernel.ts";
import { numel } from "../../compiler/ir/type.ts";
import { expandToLoop, type Temp } from "../../compiler/ops/expand-kernel.ts";
import { moveKernel } from "../../compiler/ops/kernels.ts";
import { layoutOf, rowMajor } from "./addressing.ts";
import { CodeCache } from "./code-cache.ts";
import { contractSteps } from "./contract-steps.ts";
import { depthwiseSteps } from "./depthwise.ts";
import { exciteKernels } from "./excite.ts";
import type { KernelCode, PackedTensor } from "./kernel-code.ts";
import { loopCode } from "./loops.ts";
import type { Binary } from "./tiles.ts";
import { transposeCode } from "./transpose.ts";
import { haloCode, paddingCode } from "./zeroing.ts";

/** Where an address of a step lies; `offset` in bytes. */
export type Place =
  | { readonly region: "value"; readonly value: Value; readonly offset: number }
  | { readonly region: "packed"; readonly packing: PackedTensor; readonly offset: number }
  | { readonly region: "shared" | "scratch"; readonly offset: number }
  | { readonly region: "staging"; readonly offset: number };

export interface Step {
  /** Layer path and what was fused into it. */
  readonly layer: string;
  readonly code: KernelCode;
  readonly addresses: readonly Place[];
  /** Whether all threads wait for one another after it. */
  readonly barrier: boolean;
}

export interface Port {
  readonly name: string;
  readonly elements: number;
  /** Where the caller's row-major numbers are copied to or from. */
  readonly place: Extract<Place, { region: "value" | "staging" }>;
}

export interface StepList {
  readonly steps: readonly Step[];
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly sharedBytes: number;
  readonly scratchBytes: number;
  readonly stagingBytes: number;
}

const alignUp = (n: number): number => Math.ceil(n / 256) * 256;

export function stepsOf(program: Program, binary: Binary): StepList {
  const weights = new Map<Value, Weight>(program.weights.map((w) => [w.value, w]));
  const steps: Step[] = [];
  const written = new Set<Value>();
  const cache = new CodeCache(program);
  let stagingBytes = 0;
  let sharedBytes = 0;
  let scratchBytes = 0;

  /** `other`: places of values that are not in the arena. */
  const add = (kernel: Kernel, code: KernelCode, other: ReadonlyMap<Value, Place>, storage: Program["storage"], layer: string): void => {
    const value = (b: number): Value => must(kernel.buffers[b], `buffer ${b}`).value;
    const place = (v: Value, offset: number): Place => {
      const elsewhere = other.get(v);
      if (elsewhere?.region === "staging" || elsewhere?.region === "shared") return { ...elsewhere, offset: elsewhere.offset + offset };
      return { region: "value", value: v, offset };
    };
    const addresses = code.addresses.map((a): Place => {
      const offset = a.offset ?? 0;
      if (a.kind === "value") return place(value(a.buffer), offset);
      if (a.kind === "packed") return { region: "packed", packing: must(code.packed[a.index], "packing"), offset };
      return { region: a.kind, offset };
    });
    // zeros go beside the first kernel that writes a value: they touch other bytes than it does, so no thread waits
    kernel.buffers.forEach((use, buffer) => {
      const stored = storage.get(use.value);
      if (use.access !== "write" || !stored || written.has(use.value)) return;
      if (!code.addresses.some((a) => a.kind === "value" && a.buffer === buffer)) return;
      written.add(use.value);
      for (const zero of zerosOf(buffer, use.value, stored, code.writesPadding === true && !isPart(kernel)))
        steps.push({ layer, code: zero, addresses: [place(use.value, 0)], barrier: false });
    });
    steps.push({ layer, code, addresses, barrier: true });
    sharedBytes = Math.max(sharedBytes, code.sharedBytes ?? 0);
    scratchBytes = Math.max(scratchBytes, code.scratchBytes ?? 0);
  };

  const none: ReadonlyMap<Value, Place> = new Map();
  const port = (name: string, value: Value, reading: boolean): Port => {
    const layout = layoutOf(value, must(program.storage.get(value), value.name));
    const elements = numel(value.type.shape);
    const dense = rowMajor(layout.sizes);
    // an axis of size 1 has no stride
    const same = layout.elements === elements && layout.strides.every((s, i) => layout.sizes[i] === 1 || s === dense.strides[i]);
    if (same) return { name, elements, place: { region: "value", value, offset: 0 } };
    const staged: Value = { id: -1, name: `${name} of the caller`, type: value.type };
    const place = { region: "staging", offset: stagingBytes } as const;
    stagingBytes += alignUp(elements * 4);
    const [from, to] = reading ? [staged, value] : [value, staged];
    const kernel = moveKernel(reading ? "take input" : "give output", from, to, (...axes) => axes);
    const channels = layout.sizes.length === 4 ? (layout.sizes[1] as number) : (layout.sizes[layout.sizes.length - 1] ?? 1);
    const storage = new Map<Value, Storage>([...program.storage, [staged, { order: "nchw", channels, halo: 0 }]]);
    written.add(staged);
    const code = transposeCode(layout, reading ? "into map" : "out of map") ?? loopCode(kernel, { storage, weights });
    add(kernel, code, new Map([[staged, place]]), storage, kernel.name);
    return { name, elements, place };
  };
  const inputs = program.inputs.map((p) => port(p.name, p.value, true));
  for (const kernel of program.kernels) {
    const fast = cache.of(kernel, program.storage, () =>
      kernel.kind === "loop" ? [loopCode(kernel, { storage: program.storage, weights })] : fastSteps(program, kernel, binary),
    );
    if (fast || kernel.kind === "loop") {
      for (const code of fast ?? []) add(kernel, code, none, program.storage, kernel.name);
      continue;
    }
    // what has no schedule becomes loops; their intermediate results live in the shared memory of the kernel
    const temps = new Map<Value, Place>();
    const storage = new Map(program.storage);
    let end = 0;
    let id = -2;
    const temp = (shape: readonly number[]): Value => {
      const value: Value = { id: id--, name: `${kernel.name}.part`, type: { dtype: "f32", shape } };
      const last = shape.length === 4 ? (shape[1] as number) : (shape[shape.length - 1] as number);
      const stored: Storage = { order: "nhwc", channels: Math.ceil(last / 4) * 4, halo: 0 };
      storage.set(value, stored);
      temps.set(value, { region: "shared", offset: end });
      end += alignUp(layoutOf(value, stored).elements * 4);
      return value;
    };
    const parts = kernel.kind === "excite" ? exciteKernels(kernel, temp) : expandToLoop(kernel, temp);
    for (const part of parts) {
      const make = (): readonly KernelCode[] =>
        fastSteps({ ...program, storage }, part, binary) ?? [loopCode(asLoop(part, temp), { storage, weights })];
      for (const code of cache.of(part, storage, make) ?? make()) {
        invariant(!code.sharedBytes, `${part.name} wants the memory of its own intermediate results`);
        add(part, code, temps, storage, kernel.name);
      }
    }
    sharedBytes = Math.max(sharedBytes, end);
  }
  const outputs = program.outputs.map((p) => port(p.name, p.value, false));
  return { steps, inputs, outputs, sharedBytes: alignUp(sharedBytes), scratchBytes: alignUp(scratchBytes), stagingBytes };
}

/** One kernel without sums of its own makes one loop. */
function asLoop(kernel: LoopKernel | ContractKernel, temp: Temp): LoopKernel {
  return kernel.kind === "loop" ? kernel : must(expandToLoop(kernel, temp)[0], "loop");
}

/** Whether the kernel writes some channels of a joined value. */
const isPart = (k: Kernel): boolean => (k.kind === "contract" || k.kind === "depthwise") && k.firstChannel !== undefined;

/** The kernels that have schedules of their own; undefined when the loop form must do. */
function fastSteps(program: Program, kernel: Kernel, binary: Binary): KernelCode[] | undefined {
  if (kernel.kind === "contract") return contractSteps(program, kernel, binary);
  return kernel.kind === "depthwise" ? depthwiseSteps(program, kernel, binary) : undefined;
}

function zerosOf(buffer: number, value: Value, storage: Storage, padded: boolean): KernelCode[] {
  const layout = layoutOf(value, storage);
  const size = layout.sizes[layout.unit] ?? 1;
  const zeros: KernelCode[] = [];
  if (storage.halo > 0 && layout.sizes.length === 4) {
    const [n, , h, w] = layout.sizes as [number, number, number, number];
    zeros.push(haloCode(buffer, n, [h, w], storage.halo, storage.channels * 4));
  }
  if (layout.lanes > size && !padded) {
    invariant(layout.elements % layout.lanes === 0, `lanes of ${value.name}`);
    zeros.push(paddingCode(buffer, layout));
  }
  return zeros;
}
