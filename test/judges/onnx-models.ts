/** ONNX models made by hand, as small as what a test asks. */
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  type AttributeProtoSchema,
  type GraphProtoSchema,
  AttributeProto_AttributeType as Kind,
  ModelProtoSchema,
  type ValueInfoProtoSchema,
} from "onnx-buf";
import { seededValues } from "../../backends/testing-samples.ts";
import { numel } from "../../compiler/ir/type.ts";

type Dim = number | string;
type Attribute = number | string | readonly number[] | { readonly f: number };

export interface HandNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly output: string;
  readonly attrs?: Readonly<Record<string, Attribute>>;
  readonly name?: string;
}

export interface HandModel {
  readonly opset?: number;
  readonly input?: readonly [name: string, shape: readonly Dim[]];
  /** Further inputs. */
  readonly inputs?: readonly (readonly [name: string, shape: readonly Dim[]])[];
  readonly nodes: readonly HandNode[];
  readonly output: string;
  /** Further outputs. */
  readonly more?: readonly string[];
  /** Whole numbers where `ints` is set. */
  readonly tensors?: Readonly<
    Record<string, { readonly shape: readonly number[]; readonly data: readonly number[]; readonly ints?: true }>
  >;
}

/** A node whose inputs are given in one text, with spaces between. */
export const node = (op: string, inputs: string, output: string, attrs: HandNode["attrs"] = {}): HandNode => ({
  op,
  inputs: inputs.split(" "),
  output,
  attrs,
});

/** Whole numbers as a tensor: shapes, splits. */
export const whole = (...data: number[]) => ({ shape: [data.length], data, ints: true as const });

/** Weights from -0.5 to 0.5, the same for the same seed. */
export const values = (seed: string, ...shape: number[]) => ({ shape, data: [...seededValues(seed, numel(shape), [-0.5, 0.5])] });

function attribute(name: string, value: Attribute): MessageInitShape<typeof AttributeProtoSchema> {
  if (typeof value === "string") return { name, type: Kind.STRING, s: Uint8Array.from(new TextEncoder().encode(value)) };
  if (typeof value === "number") return { name, type: Kind.INT, i: BigInt(value) };
  return "f" in value ? { name, type: Kind.FLOAT, f: value.f } : { name, type: Kind.INTS, ints: value.map(BigInt) };
}

const typed = (name: string, shape?: readonly Dim[]): MessageInitShape<typeof ValueInfoProtoSchema> => {
  const dim = shape?.map((d) => ({
    value: typeof d === "number" ? { case: "dimValue" as const, value: BigInt(d) } : { case: "dimParam" as const, value: d },
  }));
  return { name, type: { value: { case: "tensorType" as const, value: { elemType: 1, ...(dim ? { shape: { dim } } : {}) } } } };
};

export function handModel({
  opset = 17,
  input = ["x", ["N", 8, 6, 6]],
  inputs = [],
  nodes,
  output,
  more = [],
  tensors = {},
}: HandModel): Uint8Array {
  const graph: MessageInitShape<typeof GraphProtoSchema> = {
    name: "g",
    node: nodes.map((n) => ({
      name: n.name ?? n.output,
      opType: n.op,
      input: [...n.inputs],
      output: [n.output],
      attribute: Object.entries(n.attrs ?? {}).map(([name, value]) => attribute(name, value)),
    })),
    initializer: Object.entries(tensors).map(([name, { shape, data, ints }]) => ({
      name,
      dims: shape.map(BigInt),
      ...(ints ? { dataType: 7, int64Data: data.map(BigInt) } : { dataType: 1, floatData: [...data] }),
    })),
    input: [input, ...inputs].map((i) => typed(...i)),
    output: [output, ...more].map((name) => typed(name)),
  };
  return toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, { irVersion: 8n, opsetImport: [{ domain: "", version: BigInt(opset) }], graph }),
  );
}
