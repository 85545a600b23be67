/** From a graph to the messages of a model file, without the numbers of its weights: names, nodes, types, metadata. */
import { create } from "@bufbuild/protobuf";
import {
  TensorProto_DataType as DataType,
  type GraphProto,
  GraphProtoSchema,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  type TensorProto,
  TensorProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from "onnx-buf";
import type { Graph, Node, Value, Weight } from "../../compiler/ir/graph.ts";
import type { TensorType } from "../../compiler/ir/type.ts";
import { position } from "../../compiler/source.ts";
import { WRITTEN_BY } from "../backend.ts";
import { cellOf } from "./cells.ts";
import type { Call, Constant, Operand } from "./expr.ts";
import { version } from "./version.gen.ts";

/** Of metadata_props: names of inputs and outputs that could not stay as they are, as JSON from the file's name to the net's. */
export const NAMES = "sec.names";

export interface ModelParts {
  /** Everything but the graph; `write.ts` puts it first, so that the file says early who wrote it. */
  readonly model: ModelProto;
  /** Without the weights among its initialisers. */
  readonly graph: GraphProto;
  readonly weights: readonly NamedWeight[];
}

export interface NamedWeight {
  readonly name: string;
  readonly weight: Weight;
}

/** The version of the file format that came with an opset (ONNX, docs/Versioning.md). */
const irVersion = (opset: number): bigint => (opset <= 14 ? 7n : opset <= 18 ? 8n : opset <= 20 ? 9n : 10n);

/** Gives every text a name of its own: one space holds inputs, outputs, initialisers and everything computed. */
function nameSpace(): (wanted: string) => string {
  // "" is an input that is left out; ONNX Runtime for JavaScript keeps results in a plain object, where `__proto__` is lost
  const taken = new Set(["", "__proto__"]);
  return (wanted) => {
    let name = wanted;
    for (let i = 2; taken.has(name); i++) name = `${wanted}_${i}`;
    taken.add(name);
    return name;
  };
}

function valueInfo(name: string, type: TensorType): ValueInfoProto {
  const dim = type.shape.map((d) =>
    typeof d === "number" ? { value: { case: "dimValue" as const, value: BigInt(d) } } : { value: { case: "dimParam" as const, value: d } },
  );
  return create(ValueInfoProtoSchema, {
    name,
    type: { value: { case: "tensorType", value: { elemType: DataType.FLOAT, shape: { dim } } } },
  });
}

function constantTensor(name: string, { kind, dims, values }: Constant): TensorProto {
  const numbers = kind === "f32" ? new Float32Array(values) : new BigInt64Array(values.map(BigInt));
  return create(TensorProtoSchema, {
    name,
    dims: dims.map(BigInt),
    dataType: kind === "f32" ? DataType.FLOAT : DataType.INT64,
    rawData: new Uint8Array(numbers.buffer),
  });
}

/** A name that tells what a small constant holds. */
function constantName({ kind, dims, values }: Constant): string {
  const same = values.every((v) => v === values[0]);
  if (kind === "f32" && same) return [Number(values[0]?.toPrecision(8)), ...dims].join("x");
  return values.length <= 8 ? `[${values.map((v) => Number(v.toPrecision(8))).join(",")}]` : `${kind}[${dims.join(",")}]`;
}

/** Constants as initialisers, equal ones once. */
function constantPool(unique: (wanted: string) => string) {
  const known = new Map<string, string>();
  const tensors: TensorProto[] = [];
  return {
    tensors,
    name(constant: Constant): string {
      const key = `${constant.kind} ${constant.dims.join()} ${constant.values.map((v) => (Object.is(v, -0) ? "-0" : v)).join()}`;
      const found = known.get(key);
      if (found !== undefined) return found;
      const name = unique(`constant/${constantName(constant)}`);
      known.set(key, name);
      tensors.push(constantTensor(name, constant));
      return name;
    },
  };
}

/** "se_resnet50.se, line 12". */
function placeOf({ origin: { span } }: Node): string {
  return `${span.file.name.split("/").at(-1)}, line ${position(span.file, span.start).line}`;
}

/** Writes the operations of a layer, innermost first; the last has the layer's path. */
function writeNodes(
  node: Node,
  root: Call,
  result: string,
  out: NodeProto[],
  unique: (wanted: string) => string,
  constant: (c: Constant) => string,
): void {
  const written = new Map<Call, string>();
  const docString = placeOf(node);
  const write = (c: Call): string => {
    const known = written.get(c);
    if (known !== undefined) return known;
    const input = c.inputs.map((o: Operand) => (typeof o === "string" ? o : o.kind === "call" ? write(o) : constant(o)));
    const output = c === root ? result : unique(`${node.path}/${c.op}`);
    written.set(c, output);
    const name = c === root ? node.path : output;
    out.push(create(NodeProtoSchema, { name, opType: c.op, input, output: [output], attribute: [...c.attributes], docString }));
    return output;
  };
  write(root);
}

export function modelParts(graph: Graph, opset: number, source: string): ModelParts {
  const unique = nameSpace();
  const names = new Map<Value, string>();
  const renamed: Record<string, string> = Object.create(null);
  const port = (wanted: string): string => {
    const name = unique(wanted);
    if (name !== wanted) renamed[name] = wanted;
    return name;
  };
  for (const v of graph.inputs) names.set(v, port(v.name));
  const made = new Set(graph.nodes.map((n) => n.output));
  const outputs = graph.outputs.map((o) => ({ ...o, name: port(o.name) }));
  // a value is called after its first output; further ones, and inputs that are outputs, are copies
  const copies = outputs.filter(({ name, value }) => {
    if (!made.has(value) || names.has(value)) return true;
    names.set(value, name);
    return false;
  });
  const read = new Set([...graph.nodes.flatMap((n) => [...n.inputs, ...Object.values(n.weights)]), ...graph.outputs.map((o) => o.value)]);
  const weights = graph.weights
    .filter((w) => read.has(w.value) && w.value.type.dtype === "f32")
    .map((weight): NamedWeight => {
      const name = unique(weight.path);
      names.set(weight.value, name);
      return { name, weight };
    });
  for (const n of graph.nodes) if (!names.has(n.output)) names.set(n.output, unique(n.path));

  const nameOf = (v: Value): string => names.get(v) as string;
  const constants = constantPool(unique);
  const nodes: NodeProto[] = [];
  for (const node of graph.nodes) {
    const tensor = (own: string): string | undefined => {
      const value = node.weights[own];
      return value && nameOf(value);
    };
    writeNodes(node, cellOf(node)(node.inputs.map(nameOf), { opset, tensor }), nameOf(node.output), nodes, unique, constants.name);
  }
  for (const { name, value } of copies)
    nodes.push(create(NodeProtoSchema, { name: unique(`${name}/Identity`), opType: "Identity", input: [nameOf(value)], output: [name] }));

  const outputValues = new Set(graph.outputs.map((o) => o.value));
  const file = source.split("/").at(-1) ?? source;
  const metadata = { "sec.spec": file, "sec.net": graph.name, "sec.version": version };
  const more = Object.keys(renamed).length > 0 ? { [NAMES]: JSON.stringify(renamed) } : {};
  return {
    model: create(ModelProtoSchema, {
      irVersion: irVersion(opset),
      producerName: "sec-compiler",
      producerVersion: version,
      docString: `${WRITTEN_BY} from ${file}: ${graph.name}`,
      opsetImport: [{ domain: "", version: BigInt(opset) }],
      metadataProps: Object.entries({ ...metadata, ...more }).map(([key, value]) => ({ key, value })),
    }),
    graph: create(GraphProtoSchema, {
      name: graph.name,
      node: nodes,
      initializer: constants.tensors,
      input: graph.inputs.map((v) => valueInfo(nameOf(v), v.type)),
      output: outputs.map((o) => valueInfo(o.name, o.value.type)),
      valueInfo: graph.nodes.filter((n) => !outputValues.has(n.output)).map((n) => valueInfo(nameOf(n.output), n.output.type)),
    }),
    weights,
  };
}
