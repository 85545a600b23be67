/**
 * u = W v + b by a 1x1 convolution: mean(u) = W mean(v) + b, so the first dense layer of u's gate can start from the sums of v with
 * (W1 W) and (W1 b + b1), multiplied out at compile time in f64. Then the gate is known before u is computed, and the scale becomes part
 * of the convolution's own epilogue (kernels.md section 4).
 */
import type { Value, Weight } from "../../ir/graph.ts";
import type { ContractKernel, ExciteKernel, ExciteLayer } from "../../ir/kernel.ts";
import { defineKernelPass } from "../pass.ts";
import { tidy } from "./buffers.ts";
import { closeFlow, type Flow, openFlow, readersOf, soleWriter } from "./flow.ts";
import { scalingAt, summedValue } from "./gates.ts";
import { bufferValue, sizeOf } from "./join.ts";
import { sumsKernel } from "./sums-kernel.ts";

const one = (list: readonly number[], wanted: number): boolean => list.every((v) => v === wanted);

/** The bias of `acc` or `acc + bias[c]`: null without one, undefined when the epilogue does anything else. */
function plainBias(k: ContractKernel): Value | null | undefined {
  const e = k.epilogue;
  if (e.kind === "acc") return null;
  if (e.kind !== "binary" || e.fn !== "add" || e.a.kind !== "acc" || e.b.kind !== "load") return undefined;
  const value = bufferValue(k, e.b.buffer);
  const [at] = e.b.at;
  return e.b.at.length === 1 && at?.kind === "index" && at.name === "c" ? value : undefined;
}

function isPointwise(k: ContractKernel): boolean {
  const { window } = k;
  return window.groups === 1 && k.gate === undefined && !k.squeeze && one([...window.kernel, ...window.stride], 1) && one(window.pad, 0);
}

/** The layer with the convolution multiplied into it. */
function hoisted(flow: Flow, excite: ExciteKernel, layer: ExciteLayer, conv: ContractKernel, bias: Value | null): ExciteKernel | undefined {
  const weightOf = (v: Value): Weight | undefined => flow.weightOf(v);
  const w1 = weightOf(bufferValue(excite, layer.weight));
  const b1 = layer.bias === undefined ? undefined : weightOf(bufferValue(excite, layer.bias));
  const w = weightOf(bufferValue(conv, conv.weight));
  const b = bias ? weightOf(bias) : undefined;
  // a weight that is no constant of the program cannot be multiplied out
  if (!w1 || !w || (bias && !b) || (layer.bias !== undefined && !b1)) return undefined;
  const [cin] = conv.window.in;
  const matrix = flow.derive(`${w1.path}*${w.path}`, [layer.out, cin], "matmul", [w1, w]);
  const shift = b
    ? flow.derive(`${w1.path}*${b.path}${b1 ? `+${b1.path}` : ""}`, [layer.out], "matvec-add", [w1, b, ...(b1 ? [b1] : [])])
    : undefined;
  const first = excite.buffers.length;
  const buffers = [...excite.buffers, { value: matrix, access: "read" as const }];
  if (shift) buffers.push({ value: shift, access: "read" });
  const { bias: _, ...rest } = layer;
  const kept = layer.bias === undefined ? {} : { bias: layer.bias };
  const moved: ExciteLayer = { ...rest, ...(shift ? { bias: first + 1 } : kept), weight: first, in: cin };
  return { ...excite, buffers, channels: cin, layers: [moved, ...excite.layers.slice(1)] };
}

function hoist(flow: ReturnType<typeof openFlow>, slot: number): string | undefined {
  const kernel = flow.slots[slot];
  const u = kernel && summedValue(flow, kernel);
  if (!kernel || !u) return undefined;
  const producer = soleWriter(flow, u);
  const conv = producer === undefined ? undefined : flow.slots[producer];
  if (conv?.kind !== "contract" || sizeOf(u).length !== 4 || !isPointwise(conv)) return undefined;
  const bias = plainBias(conv);
  if (bias === undefined) return undefined;
  const sums = bufferValue(kernel, kernel.kind === "loop" ? kernel.output : 0);
  const [exciteSlot, ...others] = readersOf(flow, sums);
  const excite = exciteSlot === undefined ? undefined : flow.slots[exciteSlot];
  if (others.length > 0 || excite?.kind !== "excite" || exciteSlot === undefined) return undefined;
  const [first] = excite.layers;
  if (first?.kind !== "dense") return `the gate of ${conv.name} is not hoisted: it starts with a convolution over the channels`;
  const used = readersOf(flow, u).filter((s) => s !== slot);
  if (flow.outputs.has(u) || used.length !== 1 || scalingAt(flow, used[0] as number)?.factors !== bufferValue(excite, excite.output))
    return `the gate of ${conv.name} is not hoisted: its value is also read without the gate`;
  const v = bufferValue(conv, conv.input);
  const [batch = 1, cin = 1] = sizeOf(v);
  const total = flow.newValue(sums.name, [batch, 1, cin]);
  const made = hoisted(flow, excite, first, conv, bias);
  if (!made) return undefined;
  const read = made.buffers.length;
  flow.replace(slot, sumsKernel(kernel.name, v, total, kernel.from));
  flow.replace(exciteSlot, tidy({ ...made, buffers: [...made.buffers, { value: total, access: "read" }], sums: read }));
  return undefined;
}

export const hoistGates = defineKernelPass({
  name: "hoist-gates",
  summary: "compute a gate from the input of the 1x1 convolution it scales",
  minLevel: 1,
  run(program, context) {
    const flow = openFlow(program);
    for (const slot of flow.slots.keys()) {
      const text = hoist(flow, slot);
      if (text) context.remark({ pass: "hoist-gates", path: flow.slots[slot]?.from[0]?.path ?? "", text });
    }
    return closeFlow(program, flow);
  },
});
