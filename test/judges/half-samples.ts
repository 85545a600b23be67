/**
 * The samples of an op between maps that f16 stores: inputs and outputs of a net are f32, so each map is pooled before and after (3x3 with
 * stride 1: the largest value is one of the values, and no pass merges it with a neighbour). Values of inputs and weights are ones that f16
 * holds. So all that is lost beyond the op's own f32 bound is one rounding of what it stores.
 */

import type { Tensors } from "../../backends/backend.ts";
import { mismatch, sampleReader, seededValues, testOrigin } from "../../backends/testing-samples.ts";
import { toHalf } from "../../backends/webgpu/half.ts";
import { allowedError, halfRounding } from "../../compiler/analysis/bounds.ts";
import { invariant, must } from "../../compiler/invariant.ts";
import { graphBuilder } from "../../compiler/ir/build.ts";
import type { Graph, Value } from "../../compiler/ir/graph.ts";
import { f32, numel } from "../../compiler/ir/type.ts";
import { applyOp } from "../../compiler/ops/apply.ts";
import { opOf } from "../../compiler/ops/index.ts";
import { isProblem, type OpDef, type Tensor } from "../../compiler/ops/op.ts";
import { rounded, weightsOf } from "../../compiler/reference/run.ts";
import { halfToNumber } from "../../compiler/weights/values.ts";

const POOL = { kernel: 3, stride: 1, pad: 1 };

const asHalf = (value: number): number => halfToNumber(toHalf(value));

export const halfWeights = sampleReader(asHalf);

const isMap = (shape: readonly unknown[]): boolean => shape.length === 4;

export function halfSampleGraph(name: string, op: OpDef): Graph {
  const builder = graphBuilder(`op_${name}`);
  const layer = (path: string, kind: string, inputs: readonly Value[], attrs: Readonly<Record<string, unknown>>): Value => {
    const made = applyOp(builder, kind, inputs, attrs, { path, origin: testOrigin });
    invariant(!isProblem(made as never), `${path} of ${name}: ${JSON.stringify(made)}`);
    return made as Value;
  };
  const pooled = (path: string, value: Value): Value => (isMap(value.type.shape) ? layer(path, "maxpool", [value], POOL) : value);
  op.samples.forEach((sample, i) => {
    const inputs = sample.inputs.map((shape, k) => pooled(`s${i}.in${k}`, builder.input(`s${i}_${k}`, f32(...shape))));
    builder.output(`s${i}`, pooled(`s${i}.out`, layer(`s${i}`, name, inputs, sample.attrs)));
  });
  return builder.finish();
}

export function halfSampleInputs(name: string, op: OpDef): Tensors {
  return Object.fromEntries(
    op.samples.flatMap((sample, i) =>
      sample.inputs.map((shape, k) => [`s${i}_${k}`, seededValues(`${name} ${i} ${k}`, numel(shape), sample.range).map(asHalf)] as const),
    ),
  );
}

function pool(tensor: Tensor): Tensor {
  return isMap(tensor.shape) ? opOf("maxpool").reference([tensor], {}, { ...POOL, dilation: 1, ceil: false } as never) : tensor;
}

/** A transposed convolution stores the sums of its phases (`split-deconv`), and adds the bias while it moves them: f16 rounds both. */
function sumsOf(
  name: string,
  op: OpDef,
  arrays: readonly Tensor[],
  own: Readonly<Record<string, Tensor>>,
  attrs: unknown,
): Tensor | undefined {
  const { bias } = own;
  if (name !== "deconv" || !bias) return undefined;
  return op.reference(arrays, { ...own, bias: { shape: bias.shape, data: new Float64Array(bias.data.length) } }, attrs as never);
}

/** One line for each sample that is out of bounds. */
export function halfSampleFaults(graph: Graph, name: string, op: OpDef, inputs: Tensors, outputs: Tensors): string[] {
  const tensors = weightsOf(graph, rounded(halfWeights));
  return op.samples.flatMap((sample, i) => {
    const node = must(
      graph.nodes.find((n) => n.path === `s${i}`),
      `node of sample ${i}`,
    );
    const own = tensors(node);
    const arrays = sample.inputs.map((shape, k) => pool({ shape, data: Float64Array.from(must(inputs[`s${i}_${k}`], `input ${k}`)) }));
    const exact = op.reference(arrays, own, node.attrs as never);
    const inF32 = allowedError(op, arrays, own, node.attrs, exact);
    const inPhases = sumsOf(name, op, arrays, own, node.attrs);
    // rounded as it is stored, after what was lost before
    const rounding = (of: Tensor, lost: Float64Array) => lost.map((a, k) => a + halfRounding(Math.abs(of.data[k] as number) + a));
    const inSums = inPhases ? rounding(inPhases, inF32) : inF32;
    const stored = isMap(exact.shape) ? rounding(exact, inSums) : inSums;
    const want = pool(exact);
    // the largest of values moves by no more than the one of them that moves most
    const allowed = pool({ shape: exact.shape, data: stored });
    const fault = mismatch(outputs[`s${i}`], want.data, want.shape, allowed.data);
    return fault === undefined ? [] : [`${name}, sample "${sample.name}": ${fault}`];
  });
}
