/**
 * Moves the scale of a gate down to where it costs nothing: into the next contraction's K axis, into a depthwise accumulator, into the
 * expression that adds the value, past layers that commute with it (kernels.md section 4). All readers or none: then u itself is stored.
 */
import * as x from "../../ir/expr.ts";
import type { Value } from "../../ir/graph.ts";
import type { Kernel } from "../../ir/kernel.ts";
import { defineKernelPass, type KernelPassContext } from "../pass.ts";
import { mapExpressions, tidy } from "./buffers.ts";
import { closeFlow, type Flow, openFlow, readersOf, soleWriter } from "./flow.ts";
import { type Scaling, scalingAt } from "./gates.ts";
import { commutesWithScale } from "./homogeneous.ts";
import { buffersOf, bufferValue, inlineInto, isMap } from "./join.ts";
import { substitution } from "./substitute.ts";

/** Layers a scale is moved past at most; a guard for the time of nets that are one long chain of pools. */
const DEPTH = 8;

/** slot -> kernel after the move. */
type Edits = Map<number, Kernel>;

function rebind(k: Kernel, from: Value, to: Value): Kernel {
  return from === to
    ? k
    : tidy({ ...k, buffers: k.buffers.map((b) => (b.value === from && b.access === "read" ? { ...b, value: to } : b)) });
}

/** The contraction with the factors on its input channels, or why not. */
function intoContraction(k: Kernel, scaled: Value, plain: Value, factors: Value): Kernel | string {
  if (k.kind !== "contract" && k.kind !== "depthwise") return `${k.name} reads it whole`;
  const own = buffersOf(k, scaled);
  if (!own.has(k.input)) return `${k.name} reads it whole`;
  const gate = k.buffers.length;
  const buffers = [
    ...k.buffers.map((b) => (b.value === scaled && b.access === "read" ? { ...b, value: plain } : b)),
    { value: factors, access: "read" as const },
  ];
  const name = `${k.name}+gate`;
  if (k.kind === "contract") {
    if (k.window.groups !== 1) return `${k.name} has ${k.window.groups} groups`;
    if (k.gate !== undefined) return `${k.name} already has a gate`;
    return tidy({ ...k, name, buffers, gate });
  }
  if (k.window.out[0] !== k.window.in[0]) return `${k.name} makes several channels of each`;
  const factor = x.load(gate, [x.index("n"), x.index("c")]);
  return tidy(mapExpressions({ ...k, name, buffers }, substitution({ acc: x.mul(x.ACC, factor) })));
}

/** Fills `edits` so that every reader of `scaled` (= factors * plain) reads `plain` instead; a reason when one cannot. */
function absorb(
  flow: Flow,
  scaled: Value,
  plain: Value,
  scaling: Scaling,
  edits: Edits,
  context: KernelPassContext,
  depth: number,
): string | undefined {
  if (flow.outputs.has(scaled)) return `${scaled.name} is an output of the net`;
  if (readersOf(flow, scaled).length === 0) return `nothing reads ${scaled.name}`;
  for (const slot of readersOf(flow, scaled)) {
    if (edits.has(slot)) return "a kernel reads it in two ways";
    const reader = flow.slots[slot] as Kernel;
    if (reader.kind === "loop" && depth < DEPTH) {
      const output = bufferValue(reader, reader.output);
      const sole = soleWriter(flow, output) === slot;
      const trial: Edits = new Map(edits);
      trial.set(slot, rebind(reader, scaled, plain));
      if (sole && pastThis(flow, reader, scaled) && absorb(flow, output, output, scaling, trial, context, depth + 1) === undefined) {
        for (const [at, k] of trial) edits.set(at, k);
        continue;
      }
    }
    const made =
      reader.kind === "loop"
        ? scaledLoads(reader, scaled, plain, scaling, context)
        : intoContraction(reader, scaled, plain, scaling.factors);
    if (typeof made === "string") return made;
    if (made.buffers.length > context.capabilities.maxBuffers) return `${made.name} would bind ${made.buffers.length} buffers`;
    edits.set(slot, made);
  }
  return undefined;
}

/** A loop that commutes with the scale and has no other operands of the same value. */
const pastThis = (flow: Flow, reader: Kernel, scaled: Value): boolean =>
  reader.kind === "loop" && commutesWithScale(reader, buffersOf(reader, scaled)) && !flow.outputs.has(bufferValue(reader, reader.output));

/** The factors as operand of a loop: each load of `scaled` becomes plain * factors. */
function scaledLoads(reader: Kernel, scaled: Value, plain: Value, scaling: Scaling, { capabilities }: KernelPassContext): Kernel | string {
  if (plain === scaled) {
    // below a layer the scale was moved past: the stored value keeps its name and now lacks the factors
    if (!isMap(reader)) return `${reader.name} would multiply each element more than once`;
    const own = buffersOf(reader, scaled);
    const gate = reader.buffers.length;
    const rewrite = substitution({ load: (b, at) => (own.has(b) ? x.mul(x.load(b, at), x.load(gate, at.slice(0, 2))) : undefined) });
    const buffers = [...reader.buffers, { value: scaling.factors, access: "read" as const }];
    return tidy({ ...mapExpressions({ ...reader, buffers }, rewrite), name: `${reader.name}+gate` });
  }
  return inlineInto(reader, scaling.kernel, capabilities.maxBuffers, "gate");
}

function sink(flow: Flow, slot: number, context: KernelPassContext): string | undefined {
  const scaling = scalingAt(flow, slot);
  if (!scaling) return undefined;
  const { map, output } = scaling;
  // fuse-epilogue will multiply in the kernel that computes the map
  const producer = soleWriter(flow, map);
  const maker = producer === undefined ? undefined : flow.slots[producer];
  if (maker && maker.kind !== "excite" && readersOf(flow, map).length === 1 && !flow.outputs.has(map) && !isMap(maker)) return undefined;
  const edits: Edits = new Map();
  const reason = absorb(flow, output, map, scaling, edits, context, 0);
  if (reason) return `the gate takes a pass of its own: ${reason}`;
  for (const [at, kernel] of edits) flow.replace(at, kernel);
  flow.replace(slot, undefined);
  return undefined;
}

export const sinkGates = defineKernelPass({
  name: "sink-gates",
  summary: "multiply by a gate where its value is used",
  minLevel: 1,
  run(program, context) {
    const flow = openFlow(program);
    for (const slot of flow.slots.keys()) {
      const path = flow.slots[slot]?.from[0]?.path ?? "";
      const text = sink(flow, slot, context);
      if (text) context.remark({ pass: "sink-gates", path, text });
    }
    return closeFlow(program, flow);
  },
});
