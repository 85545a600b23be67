/**
 * Appends elementwise kernels (activation, residual add, scale, order-keeping copies) to the kernel that computes their input: one store
 * instead of a store, a load and a store. One sweep in program order: what was fused is the producer of what follows.
 */
import type { Value } from "../../ir/graph.ts";
import type { LoopKernel } from "../../ir/kernel.ts";
import { defineKernelPass, type KernelPassContext } from "../pass.ts";
import { closeFlow, type Flow, openFlow, readersOf, readsOf, readyAt, soleWriter } from "./flow.ts";
import { gateLabel } from "./gates.ts";
import { fuseInto, isMap, isReason, type Producer } from "./join.ts";

interface Candidate {
  readonly value: Value;
  readonly slot: number;
  readonly host: Producer;
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
  if (count !== 1) return `${host.name} has ${count} readers`;
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
      reasons.push(`${host.name} is needed for another operand`);
      continue;
    }
    const joined = fuseInto(host, guest, capabilities.maxBuffers, gateLabel(flow, slot));
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

export const fuseEpilogue = defineKernelPass({
  name: "fuse-epilogue",
  summary: "compute elementwise layers where their input is computed",
  minLevel: 1,
  run(program, context) {
    const flow = openFlow(program);
    for (const slot of flow.slots.keys()) {
      const path = flow.slots[slot]?.from[0]?.path ?? "";
      for (const text of fuse(flow, slot, context)) context.remark({ pass: "fuse-epilogue", path, text: `not fused because ${text}` });
    }
    return closeFlow(program, flow);
  },
});
