/** Every sample of every op: schema, shapes, costs, and the lowered kernels against the reference within the op's bound. */
import { describe, expect, test } from "vitest";
import { allowedError } from "../../compiler/analysis/bounds.ts";
import { must } from "../../compiler/invariant.ts";
import * as x from "../../compiler/ir/expr.ts";
import type { Value } from "../../compiler/ir/graph.ts";
import type { Kernel } from "../../compiler/ir/kernel.ts";
import { f32 } from "../../compiler/ir/type.ts";
import { expandToLoop } from "../../compiler/ops/expand-kernel.ts";
import { allOps, opOf } from "../../compiler/ops/index.ts";
import { isProblem, type Sample, type Tensor } from "../../compiler/ops/op.ts";
import { runReference, weightsOf } from "../../compiler/reference/run.ts";
import { runKernels } from "../../compiler/reference/run-kernels.ts";
import { sampleGraph } from "../../compiler/reference/sample-graph.ts";

function lowered(op: string, sample: Sample<unknown>) {
  const { graph, inputs, weights } = sampleGraph(op, sample);
  const node = must(graph.nodes[0], "node");
  let id = 1000;
  const temp = (shape: readonly number[]): Value => ({ id: id++, type: f32(...shape), name: `t${id}` });
  const kernels = opOf(op).lower({
    name: op,
    inputs: node.inputs,
    output: node.output,
    weights: node.weights,
    attrs: node.attrs as never,
    temp,
  });
  return { graph, inputs, weights, node, kernels, temp };
}

function runLowered(op: string, sample: Sample<unknown>, spoil = 1): { got: ArrayLike<number>; want: Tensor; allowed: Float64Array } {
  const { graph, inputs, weights, node, kernels } = lowered(op, sample);
  const tensors = weightsOf(graph, weights)(node);
  const want = must(runReference(graph, inputs, weights).y, "y");
  const ordered = node.inputs.map((v) => must(inputs[v.name], v.name));
  const given = new Map<number, Float64Array>();
  for (const v of node.inputs) given.set(v.id, must(inputs[v.name], v.name).data);
  for (const [name, v] of Object.entries(node.weights))
    if (tensors[name])
      given.set(
        v.id,
        tensors[name].data.map((w) => w * spoil),
      );
  const got = must(runKernels(kernels, given).get(node.output.id), "output");
  return { got, want, allowed: allowedError(opOf(op), ordered, tensors, node.attrs, want) };
}

/** Largest error in units of its bound; an error where the bound is 0 is infinite. */
function worst(got: ArrayLike<number>, want: Tensor, allowed: Float64Array): number {
  let top = 0;
  for (let i = 0; i < want.data.length; i++) {
    const error = Math.abs(must(got[i], "element") - must(want.data[i], "element"));
    if (Number.isNaN(error)) return Number.POSITIVE_INFINITY;
    if (error > 0) top = Math.max(top, error / must(allowed[i], "bound"));
  }
  return top;
}

function checkKernel(kernel: Kernel): void {
  if (kernel.kind !== "loop") return;
  const used = new Set([kernel.output]);
  const names = new Set(kernel.space.map((a) => a.name));
  const reduced = new Set([...names, ...(kernel.reduce?.over ?? []).map((a) => a.name)]);
  expect(reduced.size).toBe(kernel.space.length + (kernel.reduce?.over.length ?? 0));
  const visit = (known: Set<string>) => (e: Parameters<typeof x.typeOf>[0]) => {
    if (e.kind === "load") used.add(e.buffer);
    if (e.kind === "index") expect(known, `${kernel.name} uses the axis ${e.name}`).toContain(e.name);
  };
  x.walk(kernel.body, visit(reduced));
  if (kernel.epilogue) x.walk(kernel.epilogue, visit(names));
  expect(used.size, `${kernel.name} declares a buffer it does not touch`).toBe(kernel.buffers.length);
  expect(new Set(kernel.buffers.map((b) => b.value.id)).size, `${kernel.name} binds a value twice`).toBe(kernel.buffers.length);
}

describe.each([...allOps()])("%s", (name, op) => {
  test("documents every argument", () => {
    for (const [arg, schema] of Object.entries(op.attrs.shape)) {
      const meta = (schema as { meta(): { description?: string } | undefined }).meta();
      expect(meta?.description, arg).toBeTruthy();
    }
    expect(op.summary).not.toMatch(/\.$|\n/);
  });

  test("has samples that a batch of one and a larger batch appear in, and refuses unknown arguments", () => {
    expect(op.samples.length).toBeGreaterThan(0);
    expect(new Set(op.samples.map((s) => s.name)).size).toBe(op.samples.length);
    for (const s of op.samples) expect(op.attrs.safeParse({ ...(s.attrs as object), nonsense: 1 }).success).toBe(false);
  });

  test.each(op.samples.map((s) => [s.name, s] as const))("%s", (_, sample) => {
    const attrs = op.attrs.parse(sample.attrs) as never;
    expect(op.attrs.parse(attrs), "defaults are accepted when written out").toEqual(attrs);

    const { node, kernels, temp } = lowered(name, sample);
    const open = op.infer(
      sample.inputs.map(([, ...rest]) => f32("N", ...rest)),
      attrs,
    );
    expect(isProblem(open) ? open.problem.title : open.shape).toEqual(["N", ...node.output.type.shape.slice(1)]);
    const cost = op.cost(
      node.inputs.map((v) => v.type),
      node.output.type,
      attrs,
    );
    const openCost = op.cost(
      sample.inputs.map(([, ...rest]) => f32("N", ...rest)),
      f32("N", ...node.output.type.shape.slice(1)),
      attrs,
    );
    expect(cost, "costs are of one image").toEqual(openCost);
    for (const k of kernels) for (const loop of k.kind === "loop" ? [k] : expandToLoop(k, temp)) checkKernel(loop);

    const { got, want, allowed } = runLowered(name, sample);
    expect(want.shape).toEqual(node.output.type.shape);
    expect(got.length).toBe(want.data.length);
    expect(worst(got, want, allowed)).toBeLessThanOrEqual(1);
  });
});

test("a weight that is one part in 10,000 off breaks the bound of every layer with weights", () => {
  const weighted = [...allOps()].filter(([, op]) => op.weights);
  expect(weighted.map(([n]) => n)).toContain("conv");
  for (const [name, op] of weighted) {
    const sample = must(
      op.samples.find((s) => Object.keys(lowered(name, s).node.weights).length > 0),
      `sample of ${name} with weights`,
    );
    const { got, want, allowed } = runLowered(name, sample, 1.0001);
    expect(worst(got, want, allowed), name).toBeGreaterThan(1);
  }
});

test("the table has the 53 layers of the language and the merges", () => {
  expect([...allOps()].length).toBe(56);
});
