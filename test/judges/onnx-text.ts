/** A model file as text, for goldens: everything but the numbers of large tensors. */
import { fromBinary } from "@bufbuild/protobuf";
import {
  type AttributeProto,
  type ModelProto,
  ModelProtoSchema,
  type TensorProto,
  TensorProto_DataType,
  type ValueInfoProto,
} from "onnx-buf";

export const decodeModel = (file: Uint8Array): ModelProto => fromBinary(ModelProtoSchema, file);

export function shapeOf(info: ValueInfoProto): (number | string)[] {
  const type = info.type?.value;
  if (type?.case !== "tensorType") throw new Error(`${info.name} is no tensor`);
  return (type.value.shape?.dim ?? []).map((d) => (d.value.case === "dimParam" ? d.value.value : Number(d.value.value)));
}

const typed = (info: ValueInfoProto): string => `${info.name} [${shapeOf(info).join(", ")}]`;

function tensorText(t: TensorProto): string {
  const bytes = t.rawData.slice();
  const small = t.dataType === TensorProto_DataType.FLOAT ? new Float32Array(bytes.buffer) : new BigInt64Array(bytes.buffer);
  const place = t.externalData.map((e) => `${e.key} ${e.value}`).join(", ");
  const numbers = place || (small.length <= 8 ? [...small].join(" ") : `${small.length} values`);
  return `${t.name} ${TensorProto_DataType[t.dataType]} [${t.dims.join(", ")}] = ${numbers}`;
}

function attributeText(a: AttributeProto): string {
  const text = new TextDecoder().decode(a.s);
  return `${a.name}=${a.ints.length > 0 ? `[${a.ints.join(", ")}]` : text || (a.f === 0 ? a.i : a.f)}`;
}

export function modelText(file: Uint8Array): string {
  const m = decodeModel(file);
  if (!m.graph) throw new Error("a model without a graph");
  const { graph } = m;
  return [
    `${m.producerName} ${m.producerVersion}: ${m.docString}`,
    `format ${m.irVersion}, opset ${m.opsetImport.map((o) => `${o.domain}${o.version}`).join()}`,
    ...m.metadataProps.map((p) => `${p.key}: ${p.value}`),
    `graph ${graph.name}`,
    ...graph.input.map((v) => `input ${typed(v)}`),
    ...graph.node.map(
      (n) =>
        `${n.output.join()} = ${n.opType}(${n.input.join(", ")}) ${n.attribute.map(attributeText).join(" ")} # ${n.name}, ${n.docString}`,
    ),
    ...graph.output.map((v) => `output ${typed(v)}`),
    ...graph.valueInfo.map((v) => `value ${typed(v)}`),
    ...graph.initializer.map((t) => `tensor ${tensorText(t)}`),
    "",
  ].join("\n");
}
