/**
 * A contraction without workgroup memory or barriers: a thread keeps a tile of output rows x vec4 columns in registers and walks K as
 * (kh, kw, four input channels). For maps too small for tiles, and for single rows on software adapters.
 */
import { must } from "../../compiler/invariant.ts";
import type { ContractKernel } from "../../compiler/ir/kernel.ts";
import { indent } from "../module/text.ts";
import { describe, finishFunction, type Geometry, geometryOf, layerRows, sumsAddress, windowFunctions } from "./contract.ts";
import { type Frame, type Shader, shaderText } from "./shader.ts";
import { readQuad } from "./wgsl.ts";

export interface RegisterTile {
  readonly rows: number;
  /** vec4 columns. */
  readonly columns: number;
}

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const powerOf2 = (n: number): number => 2 ** Math.ceil(Math.log2(Math.max(n, 1)));

/**
 * Large tiles load less per multiplication ((R + 4V) / 4RV), but small maps have no use for rows beyond their end and few columns leave
 * threads idle: the tile with the least work, counted as multiplications plus four per load.
 */
export function registerTile(g: Geometry): RegisterTile {
  const rows = g.layers === 1 ? g.rows : g.tilePixels;
  let best: { tile: RegisterTile; cost: number } | undefined;
  for (const columns of [4, 3, 2, 1]) {
    if (columns > g.outQuads) continue;
    for (const r of [8, 7, 4, 2, 1]) {
      // beyond 32 accumulators compiling takes longer than what a run gains
      if (r * columns > 32 || (r > rows && r > 1)) continue;
      const threads = Math.ceil(rows / r) * g.layers * Math.ceil(g.outQuads / columns) * g.blocks.count;
      // below 64 threads a tile starves even a small device
      const waves = Math.ceil(threads / 64) * 64;
      const cost = waves * (r * columns * 4 + 4 * (r + 4 * columns));
      if (!best || cost < best.cost) best = { tile: { rows: r, columns }, cost };
    }
  }
  return must(best, "register tile").tile;
}

export function printRegister(frame: Frame, kernel: ContractKernel, forced?: RegisterTile): Shader {
  const g = geometryOf(frame, kernel);
  const w = g.window;
  const tile = forced ?? registerTile(g);
  const R = range(tile.rows);
  const V = range(tile.columns);
  const perBlock = Math.ceil(g.outQuads / tile.columns);
  const cells = perBlock * g.blocks.count;
  const threadsX = Math.min(8, powerOf2(cells));
  const rowBlocks = g.sums ? 1 : Math.ceil((g.layers === 1 ? g.rows : g.pixels) / tile.rows);
  const threadsY = Math.min(64 / threadsX, powerOf2(rowBlocks));
  const single = g.blocks.count === 1;
  const ragged = g.outQuads % tile.columns !== 0;
  const taps = w.kernel[0] * w.kernel[1];
  const lastRow = "limit - 1";
  const offset = single ? "" : ` + block * ${g.inQuads}`;

  const plus = (text: string, k: number): string => (k === 0 ? text : `${text} + ${k}`);
  const pixel = (r: number): string => (r === 0 ? "row" : `min(row + ${r}, ${lastRow})`);
  const inputQuads = g.input.layout.lanes / 4;
  const columnOf = (v: number): string =>
    ragged && v > 0 ? `min(column + ${v}, ${g.outQuads - 1})` : v === 0 ? "column" : `column + ${v}`;

  const inputRead = (r: number): string => {
    const read = readQuad(g.input, g.inQuads === 1 ? `a${r}` : `a${r} + k`);
    const safe = g.clipped ? `select(vec4f(), ${read}, inside${r})` : read;
    return g.gate ? `${safe} * s` : safe;
  };
  const weightRead = (v: number): string => {
    const at = ragged && v > 0 ? `q + skip${v}` : v === 0 ? "q" : `q + ${v}`;
    return g.weight.half ? `mat4x4f(weight[${at}])` : `weight[${at}]`;
  };
  const step = [
    ...(g.gate ? [`let s = ${readQuad(g.gate, gateAddress(g, g.inQuads === 1 ? (single ? "0" : "block") : `k${offset}`))};`] : []),
    ...V.map((v) => `let m${v} = ${weightRead(v)};`),
    ...R.flatMap((r) => [`let v${r} = ${inputRead(r)};`, V.map((v) => `acc${r}_${v} += m${v} * v${r};`).join(" ")]),
    `q += ${g.outQuads};`,
  ];
  const walkChannels = g.inQuads === 1 ? step : [`for (var k = 0; k < ${g.inQuads}; k++) {`, indent(step.join("\n"), 2), "}"];

  const addresses = g.pointwise
    ? R.map((r) => `let a${r} = ${pixel(r)} * ${inputQuads}${offset};`)
    : R.map((r) => `let at${r} = window(${pixel(r)});`);
  const tapLines = R.flatMap((r) =>
    g.clipped
      ? [`let tap${r} = tap(at${r}, dy, dx); let inside${r} = tap${r} >= 0; let a${r} = max(tap${r}, 0)${offset};`]
      : [`let a${r} = tap(at${r}, dy, dx)${offset};`],
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
  // a loop over the results: compile time follows the length of the text
  const finish = [
    `var all = array<vec4f, ${tile.rows * tile.columns}>(${R.flatMap((r) => V.map((v) => `acc${r}_${v}`)).join(", ")});`,
    `for (var r = 0; r < min(${tile.rows}, limit - row); r++) {`,
    indent(
      V.map((v) => {
        const call = `finish(all[${plus(tile.columns === 1 ? "r" : `r * ${tile.columns}`, v)}], row + r, ${single ? "" : `block * ${g.outQuads} + `}${plus("column", v)})`;
        const kept = g.sums ? `total${v} += ${call};` : `${call};`;
        return ragged && v > 0 ? `if (column + ${v} < ${g.outQuads}) { ${kept} }` : kept;
      }).join("\n"),
      2,
    ),
    "}",
  ];
  const block = [
    ...R.map((r) => V.map((v) => `var acc${r}_${v} = vec4f();`).join(" ")),
    ...addresses,
    `var q = ${single ? "" : `block * ${taps * g.inQuads * g.outQuads} + `}column;`,
    ...walkTaps,
    ...finish,
  ];
  const totals = g.sums
    ? V.map((v) => {
        const put = `sums[${sumsAddress(must(g.sums, "sums"), "z", `${single ? "" : `block * ${g.outQuads} + `}${plus("column", v)}`)}] = total${v};`;
        return ragged && v > 0 ? `if (column + ${v} < ${g.outQuads}) { ${put} }` : put;
      })
    : [];
  const body = g.sums
    ? [
        ...V.map((v) => `var total${v} = vec4f();`),
        `for (var row = first; row < limit; row += ${tile.rows}) {`,
        indent(block.join("\n"), 2),
        "}",
        ...totals,
      ]
    : [`let row = first + i32(id.y) * ${tile.rows};`, "if (row >= limit) { return; }", ...block];

  const declarations = matrixWeights(g, kernel.weight);
  const code = shaderText(`register ${tile.rows}x${tile.columns * 4}: ${describe(kernel)}`, frame.half, [
    declarations,
    g.pointwise ? [] : windowFunctions(g),
    finishFunction(g, kernel),
    `@compute @workgroup_size(${threadsX}, ${threadsY})`,
    "fn main(@builtin(global_invocation_id) id: vec3u) {",
    indent(
      [
        `if (id.x >= ${cells}) { return; }`,
        ...(g.layers > 1 ? ["let z = i32(id.z);"] : g.sums ? ["let z = 0;"] : []),
        ...(single ? [] : [`let block = i32(id.x) / ${perBlock};`]),
        `let column = ${single ? "i32(id.x)" : `i32(id.x) % ${perBlock}`} * ${tile.columns};`,
        ...(ragged ? V.slice(1).map((v) => `let skip${v} = ${columnOf(v)} - column;`) : []),
        ...layerRows(g, "z"),
        ...body,
      ].join("\n"),
      2,
    ),
    "}",
  ]);
  return {
    code,
    groups: [Math.ceil(cells / threadsX), Math.ceil(rowBlocks / threadsY), g.layers],
    bindings: g.declared.bindings,
  };
}

/** The packed weights as 4x4 matrices: column i holds the four outputs of input i, so `w[q] * x` is the whole step. */
export function matrixWeights(g: Geometry, weight: number): string[] {
  return g.declared.declarations.map((line, buffer) =>
    buffer === weight
      ? line.replace(/array<vec4<(f\d\d)>, (\d+)>/, (_, t: string, n: string) => `array<mat4x4<${t}>, ${Number(n) / 4}>`)
      : line,
  );
}

/** Address in quads of the gate's factors for input quad `k`; there is one image per dispatch layer when there are several. */
export function gateAddress(g: Geometry, k: string): string {
  const lanes = must(g.gate, "gate").layout.lanes / 4;
  if (g.window.batch === 1) return k;
  return `${g.tiles === 1 ? "z" : `z / ${g.tiles}`} * ${lanes} + ${k}`;
}
