/** The kernel that computes u also adds it into channel sums, a partial sum per tile of pixels: no pooling pass reads u again (kernels.md section 4). */
import type { Kernel } from "../../ir/kernel.ts";
import { type Capabilities, defineKernelPass } from "../pass.ts";
import { tidy } from "./buffers.ts";
import { closeFlow, type Flow, openFlow, readersOf, soleWriter } from "./flow.ts";
import { summedValue } from "./gates.ts";
import { bufferValue, sizeOf } from "./join.ts";

/** Pixels one WebGPU workgroup of 8x8 threads covers; also what `squeezePixels` defaults to where kernels run in parallel. */
const TILE_PIXELS = 32;

/** Partial sums per map: one workgroup adds one tile; a sequential target adds everything into one. */
export function tilesOf(pixels: number, { arenas, squeezePixels }: Capabilities): number {
  return Math.ceil(pixels / (squeezePixels ?? (arenas === "single" ? pixels : TILE_PIXELS)));
}

function squeeze(flow: Flow, slot: number, capabilities: Capabilities): string | undefined {
  const kernel = flow.slots[slot];
  const u = kernel && summedValue(flow, kernel);
  if (kernel?.kind !== "loop" || !u) return undefined;
  const producer = soleWriter(flow, u);
  const maker = producer === undefined ? undefined : flow.slots[producer];
  const keep = (why: string): string => `the sums of ${u.name} take a pass of their own: ${why}`;
  if (producer === undefined || !maker) return keep("it is an input of the net, or several kernels write it");
  if (maker.kind !== "contract" && maker.kind !== "depthwise") return keep(`${maker.name} is no convolution`);
  if (maker.squeeze) return keep(`${maker.name} already adds up another value`);
  if (sizeOf(u).length !== 4) return keep("it is no map");
  const [batch = 1, c = 1, h = 1, w = 1] = sizeOf(u);
  const tiles = tilesOf(h * w, capabilities);
  const old = bufferValue(kernel, kernel.output);
  const sums = flow.newValue(old.name, [batch, tiles, c]);
  const buffer = maker.buffers.length;
  const joined: Kernel = tidy({
    ...maker,
    name: `${maker.name}+squeeze`,
    buffers: [...maker.buffers, { value: sums, access: "write" }],
    from: [...maker.from, ...kernel.from],
    squeeze: { buffer, of: maker.epilogue, tiles },
  });
  if (joined.buffers.length > capabilities.maxBuffers) return keep(`${maker.name} would bind ${joined.buffers.length} buffers`);
  flow.replace(producer, joined);
  flow.replace(slot, undefined);
  for (const s of [...readersOf(flow, old)]) {
    const k = flow.slots[s];
    if (k?.kind !== "excite") continue;
    const buffers = k.buffers.map((b) => (b.value === old ? { ...b, value: sums } : b));
    flow.replace(s, { ...k, buffers, tiles });
  }
  return undefined;
}

export const squeezeSums = defineKernelPass({
  name: "squeeze-sums",
  summary: "add up a gate's input where it is computed",
  minLevel: 1,
  run(program, context) {
    const flow = openFlow(program);
    for (const slot of flow.slots.keys()) {
      const path = flow.slots[slot]?.from[0]?.path ?? "";
      const text = squeeze(flow, slot, context.capabilities);
      if (text) context.remark({ pass: "squeeze-sums", path, text });
    }
    return closeFlow(program, flow);
  },
});
