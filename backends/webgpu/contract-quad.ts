/**
 * A contraction for software adapters, which run four threads as the lanes of one vector: a workgroup is such a quad. Its threads own
 * neighbouring vec4 columns, share their rows, and each loads a quarter of the inputs for all four. There a load costs as much as a dozen
 * multiplications, and compile time follows the length of the text: hence one weight matrix a thread and a loop over the results.
 */
import { must } from "../../compiler/invariant.ts";
import type { ContractKernel } from "../../compiler/ir/kernel.ts";
import { indent } from "../module/text.ts";
import { describe, finishFunction, type Geometry, geometryOf, layerRows, sumsAddress, windowFunctions } from "./contract.ts";
import { gateAddress, matrixWeights } from "./contract-register.ts";
import { type Frame, foldGroups, MAX_GROUPS, type Shader, shaderText } from "./shader.ts";
import { readQuad } from "./wgsl.ts";

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** The host writes other text for these three when a device has no subgroups. */
const ENABLE = "enable subgroups;";
const SHARE = `fn share(v: vec4f, lane: u32) -> mat4x4f { return mat4x4f(${range(4)
  .map((i) => `quadBroadcast(v, ${i}u)`)
  .join(", ")}); }`;
const LANE = "@builtin(subgroup_invocation_id) lane: u32";

/** Inputs that a thread loads in one step; it multiplies with four times as many rows. More than four gain nothing and compile longer. */
export function quadRows(rows: number): number {
  const cost = (own: number): number => Math.ceil(rows / (4 * own)) * (64 + (16 + 64) * own);
  return [4, 3, 2, 1].reduce((best, own) => (cost(own) < cost(best) ? own : best));
}

const rowsOf = (g: Geometry): number => (g.sums ? g.tilePixels : g.layers === 1 ? g.rows : g.pixels);

/**
 * Whether there are rows enough to share, and a dispatch can hold them. Not for stems: a tap of one vec4 is over before sharing pays (the
 * 7x7 one of ResNet takes twice as long).
 */
export function quadFits(g: Geometry): boolean {
  if (g.inQuads === 1 && !g.pointwise) return false;
  return rowsOf(g) >= 4 && (g.layers === 1 || rowsOf(g) / 4 <= MAX_GROUPS);
}

export function printQuad(frame: Frame, kernel: ContractKernel): Shader {
  const g = geometryOf(frame, kernel);
  const w = g.window;
  const own = range(quadRows(rowsOf(g)));
  const rows = own.length * 4;
  const R = range(rows);
  const single = g.blocks.count === 1;
  const perBlock = Math.ceil(g.outQuads / 4);
  const rowBlocks = g.sums ? 1 : Math.ceil(rowsOf(g) / rows);
  const [gy, fold] = foldGroups(rowBlocks);
  const ragged = g.outQuads % 4 !== 0;
  const taps = w.kernel[0] * w.kernel[1];
  const offset = single ? "" : ` + block * ${g.inQuads}`;

  const inputRead = (j: number): string => {
    const read = readQuad(g.input, g.inQuads === 1 ? `a${j}` : `a${j} + k`);
    const safe = g.clipped ? `select(vec4f(), ${read}, inside${j})` : read;
    return g.gate ? `${safe} * s` : safe;
  };
  const step = [
    ...(g.gate ? [`let s = ${readQuad(g.gate, gateAddress(g, g.inQuads === 1 ? (single ? "0" : "block") : `k${offset}`))};`] : []),
    `let m = ${g.weight.half ? "mat4x4f(weight[q])" : "weight[q]"};`,
    ...own.flatMap((j) => [
      `let v${j} = share(${inputRead(j)}, lane);`,
      range(4)
        .map((i) => `acc${4 * j + i} += m * v${j}[${i}];`)
        .join(" "),
    ]),
    `q += ${g.outQuads};`,
  ];
  const walkChannels = g.inQuads === 1 ? step : [`for (var k = 0; k < ${g.inQuads}; k++) {`, indent(step.join("\n"), 2), "}"];
  const pixel = (j: number): string => `min(row + ${j === 0 ? "" : `${4 * j} + `}i32(lane), limit - 1)`;
  const addresses = own.map((j) =>
    g.pointwise ? `let a${j} = ${pixel(j)} * ${g.input.layout.lanes / 4}${offset};` : `let at${j} = window(${pixel(j)});`,
  );
  const tapLines = own.map((j) =>
    g.clipped
      ? `let tap${j} = tap(at${j}, dy, dx); let inside${j} = tap${j} >= 0; let a${j} = max(tap${j}, 0)${offset};`
      : `let a${j} = tap(at${j}, dy, dx)${offset};`,
  );
  const walkTaps = g.pointwise
    ? walkChannels
    : [
        `for (var dy = 0; dy < ${w.kernel[0] * w.dilation[0]}; dy += ${w.dilation[0]}) {`,
        `  for (var dx = 0; dx < ${w.kernel[1] * w.dilation[1]}; dx += ${w.dilation[1]}) {`,
        indent([...tapLines, ...walkChannels].join("\n"), 4),
        "  }",
        "}",
      ];
  const global = single ? "column" : `block * ${g.outQuads} + column`;
  const finish = [
    `for (var r = 0; r < min(${rows}, limit - row); r++) { ${g.sums ? "total += " : ""}finish(all[r], row + r, ${global}); }`,
  ];
  const guarded = (lines: readonly string[]): readonly string[] =>
    ragged ? [`if (column < ${g.outQuads}) {`, indent(lines.join("\n"), 2), "}"] : lines;
  const block = [
    ...own.map((j) =>
      range(4)
        .map((i) => `var acc${4 * j + i} = vec4f();`)
        .join(" "),
    ),
    ...addresses,
    `var q = ${single ? "" : `block * ${taps * g.inQuads * g.outQuads} + `}${ragged ? `min(column, ${g.outQuads - 1})` : "column"};`,
    ...walkTaps,
    `var all = array<vec4f, ${rows}>(${R.map((r) => `acc${r}`).join(", ")});`,
    ...guarded(finish),
  ];
  const rowBlock = fold === 1 ? "i32(group.y)" : `i32(group.z * ${gy} + group.y)`;
  const body = g.sums
    ? [
        "var total = vec4f();",
        `for (var row = first; row < limit; row += ${rows}) {`,
        indent(block.join("\n"), 2),
        "}",
        ...guarded([`sums[${sumsAddress(must(g.sums, "sums"), "z", global)}] = total;`]),
      ]
    : [`let row = first + ${rowBlock} * ${rows};`, ...(fold === 1 ? [] : ["if (row >= limit) { return; }"]), ...block];
  const code = shaderText(`quad ${rows}x16: ${describe(kernel)}`, frame.half, [
    ENABLE,
    matrixWeights(g, kernel.weight),
    g.pointwise ? [] : windowFunctions(g),
    finishFunction(g, kernel),
    SHARE,
    "@compute @workgroup_size(4)",
    `fn main(@builtin(workgroup_id) group: vec3u, ${LANE}) {`,
    indent(
      [
        ...(g.layers > 1 ? ["let z = i32(group.z);"] : g.sums ? ["let z = 0;"] : []),
        ...(single ? [] : [`let block = i32(group.x) / ${perBlock};`]),
        `let column = ${single ? "i32(group.x)" : `i32(group.x) % ${perBlock}`} * 4 + i32(lane);`,
        ...layerRows(g, "z"),
        ...body,
      ].join("\n"),
      2,
    ),
    "}",
  ]);
  return { code, groups: [perBlock * g.blocks.count, gy, g.layers === 1 ? fold : g.layers], bindings: g.declared.bindings };
}
