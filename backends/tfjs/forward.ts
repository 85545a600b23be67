/**
 * The `forward` function of an emitted module: one statement per layer, in text order, tidied block by block.
 * A convolution or linear layer is joined with the batch norm and the (capped) relu behind it when nothing else reads what is between.
 */
import type { Graph, Node, Value } from "../../compiler/ir/graph.ts";
import { layout, prelude } from "../module/prelude.gen.ts";
import { commentText, identifier, indent, propertyKey, stringLiteral } from "../module/text.ts";
import { type CellContext, cellOf } from "./cells.ts";
import { layers, net as netText } from "./host.gen.ts";

const functionNames = (text: string): string[] => [...text.matchAll(/^(?:async )?function (\w+)/gm)].map((m) => m[1] as string);

/** A convolution or linear layer whose following norm `load` folds into it for inference. */
export interface Fold {
  readonly conv: string;
  readonly norm: string;
  readonly eps: number;
  /** 2: the last two axes of the filter are the output channels (depthwise). */
  readonly axis: 2 | 3;
}

interface Step {
  readonly node: Node;
  readonly norm?: Node;
  readonly act?: Node;
  readonly output: Value;
}

interface Plan {
  readonly steps: readonly Step[];
  readonly readers: ReadonlyMap<Value, readonly Node[]>;
  readonly shared: ReadonlySet<Node>;
}

function planSteps(graph: Graph): Plan {
  const shared = sharedNodes(graph);
  const readers = new Map<Value, Node[]>();
  for (const node of graph.nodes) for (const v of node.inputs) readers.set(v, [...(readers.get(v) ?? []), node]);
  const outputs = new Set(graph.outputs.map((o) => o.value));
  /** The one reader of a value that nothing else needs. */
  const only = (v: Value): Node | undefined => (outputs.has(v) || readers.get(v)?.length !== 1 ? undefined : readers.get(v)?.[0]);
  const joined = new Set<Node>();
  const steps: Step[] = [];
  for (const node of graph.nodes) {
    if (joined.has(node)) continue;
    if (node.op !== "conv" && node.op !== "linear") {
      steps.push({ node, output: node.output });
      continue;
    }
    const next = only(node.output);
    const norm = next?.op === "bn" && !shared.has(node) && !shared.has(next) ? next : undefined;
    const before = norm ?? node;
    const after = only(before.output);
    const act = after?.op === "relu" || after?.op === "relu6" ? after : undefined;
    for (const n of [norm, act]) if (n) joined.add(n);
    steps.push({ node, ...(norm ? { norm } : {}), ...(act ? { act } : {}), output: (act ?? before).output });
  }
  return { steps, readers, shared };
}

/** Layers whose tensors another layer uses too (`shared`): no norm may be folded into them. */
function sharedNodes(graph: Graph): ReadonlySet<Node> {
  const users = new Map<Value, Set<Node>>();
  for (const node of graph.nodes) {
    for (const v of Object.values(node.weights)) users.set(v, (users.get(v) ?? new Set()).add(node));
  }
  return new Set([...users.values()].filter((nodes) => nodes.size > 1).flatMap((nodes) => [...nodes]));
}

const weightPath = (node: Node, name: string): string => (node.weights[name]?.name ?? "").replace(new RegExp(`\\.?${name}$`), "");

/** "layer1.0": the part of a path that names its block; the layers of one block are tidied together. */
const blockOf = (path: string): string => path.split(".").slice(0, 2).join(".");

export interface ForwardText {
  readonly text: string;
  readonly folds: readonly Fold[];
  /** [c, h, w] that the vector of a linear layer was flattened from in NHWC order; its weights are packed to match. */
  readonly flattenedFrom: (node: Node) => readonly number[] | undefined;
}

export function forwardText(graph: Graph, training: boolean): ForwardText {
  const { steps, readers, shared } = planSteps(graph);
  const stepOf = new Map(steps.map((s) => [s.node, s]));
  const outputs = new Set(graph.outputs.map((o) => o.value));
  const keepsOrder = (node: Node): boolean => {
    if (node.op !== "flatten") return false;
    const [, , h, w] = node.inputs[0]?.type.shape ?? [];
    if (h === undefined || (h === 1 && w === 1)) return false;
    const next = readers.get(node.output) ?? [];
    return !outputs.has(node.output) && next.length > 0 && next.every((n) => n.op === "linear" && !shared.has(n));
  };
  const kept = new Map(graph.nodes.filter(keepsOrder).map((n) => [n.output, n.inputs[0]?.type.shape.slice(1) as number[]]));
  const context: CellContext = {
    training,
    keepsOrder: (node) => kept.has(node.output),
    joined: (node) => {
      const step = stepOf.get(node);
      const parts: string[] = [];
      if (step?.norm) {
        const { eps, momentum } = step.norm.attrs as { eps: number; momentum: number };
        parts.push(`norm: [${JSON.stringify(weightPath(step.norm, "running_mean"))}, ${eps}, ${momentum}]`);
      }
      if (step?.act) parts.push(`act: "${step.act.op}"`);
      return parts.join(", ");
    },
  };

  // a layer may be called `conv`: its name must not hide the function
  const taken = new Set(["tf", "w", "net", "training", "inputs", ...[prelude, layout, layers, netText].flatMap(functionNames)]);
  const names = new Map<Value, string>();
  for (const v of graph.inputs) names.set(v, identifier(v.name, taken));
  // imported and folded constants that a layer reads as if another layer had made them
  for (const { value } of graph.weights) names.set(value, `w[${stringLiteral(value.name)}]`);
  const lastUse = new Map<Value, number>();
  steps.forEach((s, i) => {
    for (const v of s.node.inputs) lastUse.set(v, i);
  });
  for (const v of outputs) lastUse.set(v, steps.length);

  const segments: string[] = [];
  for (let start = 0; start < steps.length; ) {
    const block = blockOf((steps[start] as Step).node.path);
    let end = start;
    while (end < steps.length && blockOf((steps[end] as Step).node.path) === block) end++;
    const lines: string[] = [];
    for (const s of steps.slice(start, end)) {
      const args = s.node.inputs.map((v) => names.get(v) as string);
      const name = identifier(s.node.path, taken);
      names.set(s.output, name);
      const also = [s.norm, s.act].flatMap((n) => (n ? [n.path] : []));
      if (also.length > 0) lines.push(`// ${commentText([s.node.path, ...also].join(" + "))}`);
      lines.push(`const ${name} = ${cellOf(s.node)(args, context)};`);
    }
    const live = steps.slice(start, end).filter((s) => (lastUse.get(s.output) ?? -1) >= end);
    if (end - start === 1 || live.length === 0) segments.push(lines.join("\n"));
    else {
      const out = live.map((s) => names.get(s.output) as string);
      const result = out.length === 1 ? (out[0] as string) : `[${out.join(", ")}]`;
      segments.push(`const ${result} = tf.tidy(() => {\n${indent(lines.join("\n"), 2)}\n  return ${result};\n});`);
    }
    start = end;
  }
  const given = graph.inputs.map((v) => `const ${names.get(v)} = inputs[${JSON.stringify(v.name)}];`);
  const result = graph.outputs.map((o) => `${propertyKey(o.name)}: ${names.get(o.value)}`).join(", ");
  const uses = segments.join("\n");
  const unpack = ["tf", "w", "training"].filter((n) => new RegExp(`\\b${n}\\b`).test(uses));
  const text = [
    "/** The net, NHWC. Every layer under its path; `conv` and `linear` are joined with the norm and activation behind them. */",
    "function forward(net, inputs) {",
    indent(
      [...(unpack.length > 0 ? [`const { ${unpack.join(", ")} } = net;`] : []), ...given, ...segments, `return { ${result} };`].join("\n"),
      2,
    ),
    "}",
  ].join("\n");
  const folds = steps.flatMap((s): Fold[] => {
    if (!s.norm) return [];
    const depthwise =
      s.node.op === "conv" && (s.node.attrs.groups as number) > 1 && s.node.attrs.groups === s.node.inputs[0]?.type.shape[1];
    return [
      {
        conv: weightPath(s.node, "weight"),
        norm: weightPath(s.norm, "running_mean"),
        eps: s.norm.attrs.eps as number,
        axis: depthwise ? 2 : 3,
      },
    ];
  });
  return { text, folds, flattenedFrom: (node) => (node.op === "linear" ? kept.get(node.inputs[0] as Value) : undefined) };
}
