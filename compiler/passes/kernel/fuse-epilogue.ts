/**
 * Appends elementwise kernels (activation, residual add, scale, order-keeping copies) to the kernel that computes their input: one store
 * instead of a store, a load and a store. One sweep in program order: what was fused is the producer of what follows.
 */
import type { Value } from "../../ir/graph.ts";
import type { Kernel, LoopKernel, Program } from "../../ir/kernel.ts";
import { defineKernelPass, type KernelPassContext } from "../pass.ts";
import { closeFlow, type Flow, openFlow, readersOf, readsOf, readyAt, soleWriter } from "./flow.ts";
import { gateLabel, summedValue } from "./gates.ts";
import { bufferValue, fuseInto, isMap, isReason, type Producer } from "./join.ts";

interface Candidate {
  readonly value: Value;
  readonly slot: number;
  readonly host: Producer;
}

/** Whether the only other use of the value is a kernel of sums, which `squeeze-sums` will move into the value's own kernel. */
function waitsForSums(flow: Flow, value: Value): boolean {
  const others = readersOf(flow, value).filter((slot) => summedValue(flow, flow.slots[slot] as Kernel) === undefined);
  return others.length < readersOf(flow, value).length && others.length <= 1;
}

/** The kernel whose result could take the map in, or why it cannot; undefined for inputs of the net and weights. */
function candidate(flow: Flow, guest: LoopKernel, value: Value): Candidate | string | undefined {
  const writers = flow.writers.get(value) ?? [];
  if (writers.length === 0) return undefined;
  const slot = soleWriter(flow, value);
  const host = slot === undefined ? undefined : flow.slots[slot];
  if (slot === undefined || !host) return `${value.name} is joined from ${writers.length} kernels`;
  if (host.kind === "excite") return undefined;
  const pureCopy = guest.body.kind === "load";
  if (isMap(host) && !pureCopy) return undefined;
  if (flow.outputs.has(value)) return `${host.name} is an output of the net`;
  const count = readersOf(flow, value).length;
  if (count !== 1) return waitsForSums(flow, value) ? undefined : `${host.name} has ${count} readers`;
  return { value, slot, host };
}

/** Fuses the map in `slot` into the latest producer that takes it. Returns reasons when no producer did. */
function fuse(flow: Flow, slot: number, { capabilities }: KernelPassContext): readonly string[] {
  const guest = flow.slots[slot];
  if (!guest || !isMap(guest)) return [];
  const reasons: string[] = [];
  const candidates: Candidate[] = [];
  for (const value of readsOf(guest)) {
    const found = candidate(flow, guest, value);
    if (typeof found === "string") reasons.push(found);
    else if (found) candidates.push(found);
  }
  candidates.sort((a, b) => b.slot - a.slot);
  for (const { value, slot: at, host } of candidates) {
    const ready = Math.max(-1, ...readsOf(guest).map((v) => (v === value ? -1 : readyAt(flow, v))));
    const squeezed = host.kind !== "loop" && host.squeeze !== undefined;
    // moving a kernel that also makes sums past what is computed from them would be a cycle
    if (squeezed && ready > at) {
      reasons.push(`${host.name} must run before another operand is ready`);
      continue;
    }
    const joined = fuseInto(host, guest, capabilities, gateLabel(flow, slot));
    if (isReason(joined)) {
      reasons.push(joined);
      continue;
    }
    const home = ready < at ? at : slot;
    flow.replace(at, undefined);
    flow.replace(slot, undefined);
    flow.replace(home, joined);
    return [];
  }
  return reasons;
}

function sweep(program: Program, context: KernelPassContext, name: string, remarks: (flow: Flow, slot: number) => boolean): Program {
  const flow = openFlow(program);
  for (const slot of flow.slots.keys()) {
    const wanted = remarks(flow, slot);
    const path = flow.slots[slot]?.from[0]?.path ?? "";
    for (const text of fuse(flow, slot, context)) if (wanted) context.remark({ pass: name, path, text: `not fused because ${text}` });
  }
  return closeFlow(program, flow);
}

/** Whether an operand comes from a kernel that also makes sums: only then is there news after `squeeze-sums`. */
function readsSqueezed(flow: Flow, slot: number): boolean {
  const guest = flow.slots[slot];
  if (!guest) return false;
  return readsOf(guest).some((v) => {
    const writer = soleWriter(flow, v);
    const host = writer === undefined ? undefined : flow.slots[writer];
    return (host?.kind === "contract" || host?.kind === "depthwise") && host.squeeze !== undefined && bufferValue(host, host.output) === v;
  });
}

export const fuseEpilogue = defineKernelPass({
  name: "fuse-epilogue",
  summary: "compute elementwise layers where their input is computed",
  minLevel: 1,
  run: (program, context) => sweep(program, context, "fuse-epilogue", () => true),
});

export const fuseSqueezed = defineKernelPass({
  name: "fuse-squeezed",
  summary: "the same for values whose sums are now taken by their own kernel",
  minLevel: 1,
  run: (program, context) => sweep(program, context, "fuse-squeezed", readsSqueezed),
});
