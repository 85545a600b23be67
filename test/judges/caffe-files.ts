/** A graph of ours as Caffe's two files, the way the SENet authors write theirs: norms in place as BatchNorm + Scale, gates as Axpy. */
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { Graph, Node, Value } from "../../compiler/ir/graph.ts";
import { numel } from "../../compiler/ir/type.ts";
import { type Pad, pairOf, resolvePad, type Size } from "../../compiler/ops/shape.ts";
import type { WeightReader } from "../../compiler/weights/source.ts";

export interface CaffeBlob {
  readonly shape: readonly number[];
  readonly data: ArrayLike<number>;
}
export type CaffeBlobs = Readonly<Record<string, readonly CaffeBlob[]>>;

/** `form` of a blob's sizes and numbers: as Caffe writes them now, before 2015, or one number at a time in doubles. */
export type BlobForm = "shape" | "legacy" | "doubles";

function blobBytes({ shape, data }: CaffeBlob, form: BlobForm): Uint8Array {
  const w = new BinaryWriter();
  if (form === "legacy") {
    const four = [...Array.from({ length: 4 - shape.length }, () => 1), ...shape];
    for (const [i, d] of four.entries()) w.tag(i + 1, WireType.Varint).int32(d);
  } else {
    w.tag(7, WireType.LengthDelimited).fork().tag(1, WireType.LengthDelimited).fork();
    for (const d of shape) w.int64(d);
    w.join().join();
  }
  if (form === "doubles") {
    for (const x of Array.from(data)) w.tag(8, WireType.Bit64).double(x);
    return w.finish();
  }
  w.tag(5, WireType.LengthDelimited).bytes(new Uint8Array(Float32Array.from(data).buffer));
  return w.finish();
}

/** The bytes of a .caffemodel; `old` writes the layers of V1LayerParameter. */
export function caffeModel(blobs: CaffeBlobs, { form = "shape", old = false }: { form?: BlobForm; old?: boolean } = {}): Uint8Array {
  const w = new BinaryWriter().tag(1, WireType.LengthDelimited).string("net");
  for (const [name, list] of Object.entries(blobs)) {
    w.tag(old ? 2 : 100, WireType.LengthDelimited).fork();
    w.tag(old ? 4 : 1, WireType.LengthDelimited).string(name);
    if (!old) w.tag(2, WireType.LengthDelimited).string("Convolution");
    for (const blob of list) w.tag(old ? 6 : 7, WireType.LengthDelimited).bytes(blobBytes(blob, form));
    w.join();
  }
  return w.finish();
}

/** What Caffe divides sums of statistics by. */
const FACTOR = 2;

export interface CaffeFiles {
  readonly prototxt: string;
  readonly model: Uint8Array;
}

/** Throws for layers that the writer does not know. Without weights the model is empty. */
export function caffeFiles(graph: Graph, weights?: WeightReader): CaffeFiles {
  const text: string[] = [];
  const blobs: Record<string, readonly CaffeBlob[]> = {};
  const tops = new Map<Value, string>();
  const readers = new Map<Value, Node[]>();
  for (const n of graph.nodes) for (const v of n.inputs) readers.set(v, [...(readers.get(v) ?? []), n]);
  const stored = new Map(graph.weights.map((w) => [w.value, w]));
  const layer = (name: string, type: string, bottoms: readonly string[], top: string, param = ""): void => {
    const lines = [
      `name: "${name}"`,
      `type: "${type}"`,
      ...bottoms.map((b) => `bottom: "${b}"`),
      `top: "${top}"`,
      ...(param ? [param] : []),
    ];
    text.push(`layer {\n${lines.map((l) => `  ${l}`).join("\n")}\n}`);
  };
  const tensor = (node: Node, role: string): CaffeBlob => {
    const w = stored.get(node.weights[role] as Value);
    if (!w) throw new Error(`${node.op} has no ${role}`);
    return { shape: w.value.type.shape as readonly number[], data: weights ? weights.read(w) : [] };
  };
  const pairText = (name: string, short: string, v: Size): string => {
    const [h, w] = pairOf(v);
    return h === w ? `${name}: ${h}` : `${short}_h: ${h} ${short}_w: ${w}`;
  };
  const window = (node: Node, isPool: boolean): string => {
    const {
      kernel,
      stride = isPool ? kernel : 1,
      dilation = 1,
      pad = 0,
    } = node.attrs as { kernel: Size; stride?: Size; dilation?: Size; pad?: Pad };
    const size = node.inputs[0]?.type.shape.slice(2) as unknown as readonly [number, number];
    const [t, l, b, r] = resolvePad(pad, size, pairOf(kernel), pairOf(stride), pairOf(dilation));
    if (t !== b || l !== r) throw new Error("Caffe pads both sides alike");
    const steps = [pairText("kernel_size", "kernel", kernel), pairText("stride", "stride", stride), pairText("pad", "pad", [t, l])];
    return `${steps.join(" ")}${isPool ? "" : ` dilation: ${pairOf(dilation)[0]}`}`;
  };
  let count = 0;
  const merged = new Set<Node>();
  for (const v of graph.inputs) {
    text.push(
      `layer { name: "${v.name}" type: "Input" top: "${v.name}" input_param { shape { ${v.type.shape.map((d) => `dim: ${d === "N" ? 1 : d}`).join(" ")} } } }`,
    );
    tops.set(v, v.name);
  }
  for (const node of graph.nodes) {
    const from = node.inputs.map((v) => tops.get(v) as string);
    const [first] = from as [string];
    const name = `${node.op}/${++count}`;
    const a = node.attrs as Readonly<Record<string, unknown>>;
    // in place where nothing else reads the value
    const alone = (readers.get(node.inputs[0] as Value) ?? []).length === 1 && !graph.inputs.includes(node.inputs[0] as Value);
    const same = alone ? first : name;
    let top = name;
    switch (node.op) {
      case "conv":
      case "deconv": {
        const param = `convolution_param { num_output: ${a.out} ${window(node, false)} group: ${a.groups} bias_term: ${a.bias === true} }`;
        layer(name, node.op === "conv" ? "Convolution" : "Deconvolution", from, top, param);
        blobs[name] = [tensor(node, "weight"), ...(a.bias ? [tensor(node, "bias")] : [])];
        break;
      }
      case "linear":
        layer(name, "InnerProduct", from, top, `inner_product_param { num_output: ${a.out} bias_term: ${a.bias !== false} }`);
        blobs[name] = [tensor(node, "weight"), ...(a.bias === false ? [] : [tensor(node, "bias")])];
        break;
      case "bn": {
        const scaled = (role: string): CaffeBlob => {
          const { shape, data } = tensor(node, role);
          return { shape, data: Float32Array.from(data, (x) => x * FACTOR) };
        };
        layer(name, "BatchNorm", from, same, `batch_norm_param { use_global_stats: true eps: ${a.eps} }`);
        layer(`${name}/scale`, "Scale", [same], same, "scale_param { bias_term: true }");
        blobs[name] = [scaled("running_mean"), scaled("running_var"), { shape: [1], data: [FACTOR] }];
        blobs[`${name}/scale`] = [tensor(node, "weight"), tensor(node, "bias")];
        top = same;
        break;
      }
      case "relu":
        layer(name, "ReLU", from, same);
        top = same;
        break;
      case "sigmoid":
        layer(name, "Sigmoid", from, same);
        top = same;
        break;
      case "dropout":
        layer(name, "Dropout", from, same, `dropout_param { dropout_ratio: ${a.p} }`);
        top = same;
        break;
      case "maxpool":
      case "avgpool": {
        const rounding = a.ceil ? "" : " round_mode: FLOOR";
        layer(
          name,
          "Pooling",
          from,
          top,
          `pooling_param { pool: ${node.op === "maxpool" ? "MAX" : "AVE"} ${window(node, true)}${rounding} }`,
        );
        break;
      }
      case "gap":
        layer(name, "Pooling", from, top, "pooling_param { pool: AVE global_pooling: true }");
        break;
      case "flatten":
        top = first;
        break;
      case "mul": {
        // held back: the sum that reads it becomes an Axpy
        merged.add(node);
        break;
      }
      case "add": {
        const gated = graph.nodes.find((n) => merged.has(n) && n.output === node.inputs[0]);
        if (!gated) {
          layer(name, "Eltwise", from, top, "eltwise_param { operation: SUM }");
          break;
        }
        const [x, gate] = [...gated.inputs].sort((p, q) => numel(q.type.shape.slice(1)) - numel(p.type.shape.slice(1))) as [Value, Value];
        layer(name, "Axpy", [tops.get(gate) as string, tops.get(x) as string, tops.get(node.inputs[1] as Value) as string], top);
        break;
      }
      case "concat":
        layer(name, "Concat", from, top);
        break;
      default:
        throw new Error(`the writer of Caffe files does not know ${node.op}`);
    }
    tops.set(node.output, top);
  }
  return { prototxt: `name: "${graph.name}"\n${text.join("\n")}\n`, model: caffeModel(blobs) };
}
