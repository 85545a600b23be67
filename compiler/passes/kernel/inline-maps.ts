/** Computes elementwise kernels where their only reader loads them (map into map, map into an operand of an epilogue, map into a pool). */
import { defineKernelPass, type KernelPassContext } from "../pass.ts";
import { closeFlow, type Flow, openFlow, readersOf, soleWriter } from "./flow.ts";
import { gateLabel } from "./gates.ts";
import { bufferValue, inlineInto, isMap, isReason } from "./join.ts";

function inline(flow: Flow, slot: number, { capabilities }: KernelPassContext): string | undefined {
  const guest = flow.slots[slot];
  if (!guest || !isMap(guest)) return undefined;
  const value = bufferValue(guest, guest.output);
  if (flow.outputs.has(value) || soleWriter(flow, value) !== slot) return undefined;
  const [at, ...others] = readersOf(flow, value);
  const reader = at === undefined ? undefined : flow.slots[at];
  if (at === undefined || !reader) return undefined;
  if (others.length > 0) return `${guest.name} has ${others.length + 1} readers`;
  const joined = inlineInto(reader, guest, capabilities.maxBuffers, gateLabel(flow, slot));
  if (isReason(joined)) return joined;
  flow.replace(at, joined);
  flow.replace(slot, undefined);
  return undefined;
}

export const inlineMaps = defineKernelPass({
  name: "inline-maps",
  summary: "compute elementwise layers where their result is read",
  minLevel: 1,
  run(program, context) {
    const flow = openFlow(program);
    for (const slot of flow.slots.keys()) {
      const path = flow.slots[slot]?.from[0]?.path ?? "";
      const text = inline(flow, slot, context);
      if (text) context.remark({ pass: "inline-maps", path, text: `not fused because ${text}` });
    }
    return closeFlow(program, flow);
  },
});
