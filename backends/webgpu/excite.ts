/**
 * The whole excitation in one dispatch: partial sums -> mean -> layers -> gate. A workgroup of 256 threads computes every layer but the last
 * in full (they are small) and its own slice of the last one, so that no second dispatch is needed.
 */
import { must } from "../../compiler/invariant.ts";
import type { ExciteKernel, ExciteLayer } from "../../compiler/ir/kernel.ts";
import { indent } from "../module/text.ts";
import { transposed } from "./pack.ts";
import { declare, type Frame, type Shader, shaderText } from "./shader.ts";
import { floatText, type Operand, printExpr } from "./wgsl.ts";

const THREADS = 256;
/** f32s that fit beside the partial results into the 16 KiB every device has. */
const SHARED = 16_384 / 4 - THREADS;

/** Lanes that share one output's sum: as many as there are threads to spare. */
function lanesFor(outputs: number, inputs: number): number {
  let lanes = 1;
  while (lanes * 2 * outputs <= THREADS && lanes * 2 <= inputs) lanes *= 2;
  return lanes;
}

/**
 * `lean`: for software adapters, which clear workgroup memory by one instruction for each element and so compile a second for a thousand of
 * them: only hidden vectors go there, and each mean is added up anew where it is needed.
 */
export function printExcite(frame: Frame, kernel: ExciteKernel, lean: boolean): Shader {
  const packed = new Map(kernel.layers.flatMap((l) => (l.kind === "dense" ? [[l.weight, transposed(l.out, l.in)] as const] : [])));
  const names = new Map([
    [kernel.sums, "sums"],
    [kernel.output, "result"],
    ...kernel.layers.flatMap((l, i): [number, string][] => [
      [l.weight, `weight${i}`],
      ...(l.bias === undefined ? [] : [[l.bias, `bias${i}`] as [number, string]]),
    ]),
  ]);
  const { operands, declarations, bindings } = declare(frame, names, () => false, packed);
  const operand = (b: number): Operand => must(operands.get(b), `operand ${b}`);
  const sums = operand(kernel.sums);
  const output = operand(kernel.output);
  const outLanes = output.layout.lanes;

  // slots of workgroup memory: the means, then each hidden vector; without room the means stay in the sums buffer
  const last = kernel.layers.length - 1;
  const hidden = kernel.layers.slice(0, -1).map((l) => l.out);
  const hiddenTotal = hidden.reduce((a, b) => a + b, 0);
  const staged = !lean && kernel.channels + hiddenTotal <= SHARED;
  const starts = [0, ...hidden.map((_, i) => (staged ? kernel.channels : 0) + hidden.slice(0, i).reduce((a, b) => a + b, 0))];
  const sharedSize = (staged ? kernel.channels : 0) + hiddenTotal;

  const meanFunction = [
    "fn mean(image: i32, c: i32) -> f32 {",
    "  var total = 0.0f;",
    `  for (var tile = 0; tile < ${kernel.tiles}; tile++) {`,
    `    total += sums[(image * ${kernel.tiles} + tile) * ${sums.layout.lanes} + c];`,
    "  }",
    `  return total / ${floatText(kernel.pixels)};`,
    "}",
  ];
  /** Element `i` of the input of layer `l`. */
  const inputOf = (l: number, i: string): string =>
    l === 0 ? (staged ? `shared_[${i}]` : `mean(image, ${i})`) : `shared_[${starts[l]} + ${i}]`;
  const finished = (l: number, layer: ExciteLayer, acc: string, o: string): string[] => {
    const bias = layer.bias === undefined ? "" : ` + bias${l}[${layer.kind === "chanconv" ? "0" : o}]`;
    const act = printExpr(layer.act, { operands, axis: () => "0", acc: "u", prefix: "t" });
    return [`let u = ${acc}${bias};`, ...act.lets, `let value = ${act.text};`];
  };
  /** A partial or whole sum of output `o` over inputs from, from + lanes, ... */
  const dot = (l: number, layer: ExciteLayer, o: string, from: string, lanes: number): string[] => {
    if (layer.kind === "dense") {
      return [
        "var part = 0.0f;",
        `for (var i = ${from}; i < ${layer.in}; i += ${lanes}) {`,
        `  part += weight${l}[i * ${layer.out} + ${o}] * ${inputOf(l, "i")};`,
        "}",
      ];
    }
    const k = operand(layer.weight).sizes.reduce((a, b) => a * b, 1);
    const half = (k - 1) >> 1;
    const wrap = layer.circular === true;
    const at = wrap ? `(${o} + i + ${layer.in * Math.max(1, Math.ceil(half / layer.in)) - half}) % ${layer.in}` : `${o} + i - ${half}`;
    return [
      "var part = 0.0f;",
      `for (var i = ${from}; i < ${k}; i += ${lanes}) {`,
      `  let at = ${at};`,
      ...(wrap
        ? [`  part += weight${l}[i] * ${inputOf(l, "at")};`]
        : [`  if (at >= 0 && at < ${layer.in}) { part += weight${l}[i] * ${inputOf(l, "at")}; }`]),
      "}",
    ];
  };

  const stages: string[] = [];
  if (staged) {
    stages.push(`for (var c = local; c < ${kernel.channels}; c += ${THREADS}) { shared_[c] = mean(image, c); }`, "workgroupBarrier();");
  }
  kernel.layers.slice(0, -1).forEach((layer, l) => {
    const lanes = layer.kind === "dense" && !lean ? lanesFor(layer.out, layer.in) : 1;
    const put = `shared_[${must(starts[l + 1], "slot")} + o] = value;`;
    if (lanes === 1) {
      stages.push(
        `for (var o = local; o < ${layer.out}; o += ${THREADS}) {`,
        indent([...dot(l, layer, "o", "0", 1), ...finished(l, layer, "part", "o"), put].join("\n"), 2),
        "}",
      );
    } else {
      // neighbouring threads take neighbouring outputs; the parts of one output lie `out` apart
      stages.push(
        `if (local < ${lanes * layer.out}) {`,
        indent(
          [`let o = local % ${layer.out};`, ...dot(l, layer, "o", `local / ${layer.out}`, lanes), "parts[local] = part;"].join("\n"),
          2,
        ),
        "}",
        "workgroupBarrier();",
        `if (local < ${layer.out}) {`,
        indent(
          [
            "let o = local;",
            "var whole = 0.0f;",
            `for (var i = 0; i < ${lanes}; i++) { whole += parts[i * ${layer.out} + o]; }`,
            ...finished(l, layer, "whole", "o"),
            put,
          ].join("\n"),
          2,
        ),
        "}",
      );
    }
    stages.push("workgroupBarrier();");
  });
  const layer = must(kernel.layers[last], "layer");
  const lastLanes = layer.out < outLanes ? [`if (o < ${outLanes}) { result[image * ${outLanes} + o] = 0.0f; }`] : [];
  const tail = [
    `let o = i32(group.x) * ${THREADS} + local;`,
    `if (o < ${layer.out}) {`,
    indent(
      [...dot(last, layer, "o", "0", 1), ...finished(last, layer, "part", "o"), `result[image * ${outLanes} + o] = value;`].join("\n"),
      2,
    ),
    lastLanes.length > 0 ? `} else ${lastLanes[0]}` : "}",
  ];
  const needsParts = stages.some((s) => s.includes("parts["));
  const shape = [kernel.channels, ...kernel.layers.map((l) => l.out)].join(" -> ");
  const code = shaderText(
    `excite ${shape}, ${kernel.tiles} tiles of ${kernel.pixels} pixels${kernel.batch > 1 ? `, ${kernel.batch} images` : ""}`,
    frame.half,
    [
      declarations,
      sharedSize > 0 ? `var<workgroup> shared_: array<f32, ${sharedSize}>;` : "",
      needsParts ? `var<workgroup> parts: array<f32, ${THREADS}>;` : "",
      meanFunction,
      `@compute @workgroup_size(${THREADS})`,
      "fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {",
      indent(["let local = i32(index);", "let image = i32(group.y);", ...stages, ...tail].join("\n"), 2),
      "}",
    ],
  );
  return { code, groups: [Math.ceil(Math.max(layer.out, outLanes) / THREADS), kernel.batch, 1], bindings };
}
