/** One recognised gate -> a kernel of channel sums and an `excite` kernel; and reading its factors as [n, c]. */
import { must } from "./invariant.ts";
import * as x from "./ir/expr.ts";
import type { Node, Value } from "./ir/graph.ts";
import type { BufferUse, ExciteKernel, ExciteLayer, Expr, Kernel } from "./ir/kernel.ts";
import { type Binder, lowerNode } from "./lower-node.ts";
import type { Gate, GateLayer } from "./passes/graph/recognize-gates.ts";
import { tidy } from "./passes/kernel/buffers.ts";
import { substitution } from "./passes/kernel/substitute.ts";
import { sumsKernel } from "./passes/kernel/sums-kernel.ts";

/** The layer's formula over `acc`: elementwise layers lower to one map whose only load is its input. */
function activation(acts: readonly Node[], values: Binder): Expr {
  return acts.reduce((acc: Expr, node) => {
    const kernel = lowerNode(node, values)[0];
    const body = kernel?.kind === "loop" && kernel.reduce === undefined ? kernel.body : undefined;
    return substitution({ load: () => acc })(must(body, `map of ${node.op}`));
  }, x.ACC);
}

function layer({ node, acts }: GateLayer, values: Binder, bind: (v: Value) => number): ExciteLayer {
  const { weight, bias } = node.weights;
  return {
    kind: node.op === "chanconv" ? "chanconv" : "dense",
    weight: bind(must(weight, `weight of ${node.path}`)),
    ...(bias ? { bias: bind(bias) } : {}),
    in: Number(node.inputs[0]?.type.shape[1]),
    out: Number(node.output.type.shape[1]),
    act: activation(acts, values),
    ...(node.op === "chanconv" ? { circular: node.attrs.pad_mode === "circular" } : {}),
  };
}

/** `sums` remembers the channel sums of values that several gates average. */
export function lowerGate(gate: Gate, values: Binder, sums: Map<Value, Value>): { readonly kernels: Kernel[]; readonly factors: Value } {
  const u = values.bind(gate.squeezed);
  const [batch = 1, channels = 1, h = 1, w = 1] = u.type.shape as readonly number[];
  const kernels: Kernel[] = [];
  let total = sums.get(u);
  if (!total) {
    total = values.temp(`${gate.pool.path}.sums`, [batch, 1, channels]);
    sums.set(u, total);
    kernels.push(sumsKernel(gate.pool.path, u, total, [gate.pool]));
  }
  const last = must(gate.layers[gate.layers.length - 1], "layer of a gate");
  const factors = values.temp(gate.value.name, [batch, Number(last.node.output.type.shape[1])]);
  const buffers: BufferUse[] = [{ value: total, access: "read" }];
  const layers = gate.layers.map((l) => layer(l, values, (value) => buffers.push({ value, access: "read" }) - 1));
  const excite: ExciteKernel = {
    kind: "excite",
    name: excitationName(gate.layers.map((layer) => layer.node.path)),
    buffers: [...buffers, { value: factors, access: "write" }],
    from: gate.nodes,
    sums: 0,
    tiles: 1,
    pixels: h * w,
    batch,
    channels,
    layers,
    output: buffers.length,
  };
  return { kernels: [...kernels, excite], factors };
}

/** "layer1.0.se.fc1+fc2": all of its layers, those after the first by their own part of the path. */
const excitationName = ([first = "", ...others]: readonly string[]): string =>
  [first, ...others.map((path) => path.slice(path.lastIndexOf(".") + 1))].join("+");

/** The kernel with loads of a gate at [n, c, 0, 0] turned into loads of its factors at [n, c]. `factors`: graph's value -> excite's output. */
export function readGate(k: Kernel, factors: ReadonlyMap<Value, Value>): Kernel {
  if (k.kind !== "loop" || !k.buffers.some((b) => factors.has(b.value))) return k;
  const gates = new Set<number>();
  const buffers = k.buffers.map((b, i): BufferUse => {
    const value = factors.get(b.value);
    if (!value) return b;
    gates.add(i);
    return { ...b, value };
  });
  const rewrite = substitution({ load: (b, at) => (gates.has(b) ? x.load(b, at.slice(0, 2)) : undefined) });
  return tidy({ ...k, buffers, body: rewrite(k.body) });
}
