/**
 * Depthwise convolution: a thread makes four neighbouring output columns of four channels. Each input column is read once per kernel row
 * and serves every output column that needs it.
 */
import { must } from "../../compiler/invariant.ts";
import type { DepthwiseKernel } from "../../compiler/ir/kernel.ts";
import { indent } from "../module/text.ts";
import { describe, finishFunction, type Geometry, geometryOf, pixelAddress, sumsAddress } from "./contract.ts";
import { type Frame, foldGroups, type Shader, shaderText } from "./shader.ts";
import { readElement, readQuad } from "./wgsl.ts";

const COLUMNS = 4;
const THREADS = 64;

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** Four channels of an input pixel. With several outputs per input channel, each lane reads the channel it belongs to. */
function inputRead(g: Geometry, address: string): string {
  const multiple = g.window.out[0] / g.window.in[0];
  if (multiple === 1) return readQuad(g.input, `${address} + c4`);
  const last = g.window.in[0] - 1;
  const lane = (k: number): string => readElement(g.input, `(${address}) * 4 + min((c4 * 4 + ${k}) / ${multiple}, ${last})`);
  return `vec4f(${range(4).map(lane).join(", ")})`;
}

export function printDepthwise(frame: Frame, kernel: DepthwiseKernel): Shader {
  const g = geometryOf(frame, kernel);
  const w = g.window;
  const [kh, kw] = w.kernel;
  const [outH, outW] = [w.out[1], w.out[2]];
  const quads = Math.ceil(w.out[0] / 4);
  const strips = Math.ceil(outW / COLUMNS);
  const columns = Math.min(COLUMNS, outW);
  // input columns that the strip's windows touch, relative to the first
  const touched = [...new Set(range(columns).flatMap((o) => range(kw).map((t) => o * w.stride[1] + t * w.dilation[1])))].sort(
    (a, b) => a - b,
  );
  const clipsX = w.pad[1] > 0 || (strips * COLUMNS - 1) * w.stride[1] + (kw - 1) * w.dilation[1] - w.pad[1] >= w.in[2];
  const clipsY = w.pad[0] > 0 || (outH - 1) * w.stride[0] + (kh - 1) * w.dilation[0] - w.pad[0] >= w.in[1];

  const rowsAll = w.batch * outH;
  const perImage = outH * strips;
  const perTile = Math.ceil(perImage / g.tiles);
  const total = (g.sums ? w.batch * g.tiles : rowsAll * strips) * quads;
  const [gx, gy] = foldGroups(Math.ceil(total / THREADS));

  const column = (j: number): string => (clipsX ? `clamp(x0 + ${j}, 0, ${w.in[2] - 1})` : `x0 + ${j}`);
  const strip = [
    `let line = strip / ${strips};`,
    `let column = strip % ${strips} * ${COLUMNS};`,
    `let x0 = column * ${w.stride[1]} - ${w.pad[1]};`,
    `let n = ${w.batch === 1 ? "0" : `line / ${outH}`};`,
    `let y0 = ${w.batch === 1 ? "line" : `line % ${outH}`} * ${w.stride[0]} - ${w.pad[0]};`,
    ...(clipsX ? touched.map((j) => `let inside${j} = x0 + ${j} >= 0 && x0 + ${j} < ${w.in[2]};`) : []),
    range(columns)
      .map((o) => `var acc${o} = vec4f();`)
      .join(" "),
    `for (var ky = 0; ky < ${kh}; ky++) {`,
    indent(
      [
        `let y = y0 + ky${w.dilation[0] === 1 ? "" : ` * ${w.dilation[0]}`};`,
        ...(clipsY ? [`if (y < 0 || y >= ${w.in[1]}) { continue; }`] : []),
        `let base = n * ${w.in[1]} + y;`,
        ...range(kw).map((t) => `let w${t} = ${readQuad(g.weight, `(ky * ${kw} + ${t}) * ${quads} + c4`)};`),
        ...touched.flatMap((j) => {
          const read = inputRead(g, pixelAddress(g, "base", column(j)));
          return [
            `let v${j} = ${clipsX ? `select(vec4f(), ${read}, inside${j})` : read};`,
            ...range(columns).flatMap((o) => {
              const offset = j - o * w.stride[1];
              const t = offset / w.dilation[1];
              return offset >= 0 && Number.isInteger(t) && t < kw ? [`acc${o} += w${t} * v${j};`] : [];
            }),
          ];
        }),
      ].join("\n"),
      2,
    ),
    "}",
    ...range(columns).map((o) => {
      const call = `${g.sums ? "total += " : ""}finish(acc${o}, line * ${outW} + column + ${o}, c4);`;
      return outW % COLUMNS === 0 || o === 0 ? call : `if (column + ${o} < ${outW}) { ${call} }`;
    }),
  ];
  const walk = g.sums
    ? [
        `let z = thread / ${quads};`,
        `let start = z % ${g.tiles} * ${perTile};`,
        `let image = z / ${g.tiles} * ${perImage};`,
        `let end = image + min(start + ${perTile}, ${perImage});`,
        "var total = vec4f();",
        "for (var strip = image + start; strip < end; strip++) {",
        indent(strip.join("\n"), 2),
        "}",
        `sums[${sumsAddress(must(g.sums, "sums"), "z", "c4")}] = total;`,
      ]
    : [`let strip = thread / ${quads};`, ...strip];
  const position = gy === 1 ? "i32(id.x)" : `i32(id.y * ${gx * THREADS} + id.x)`;
  const code = shaderText(`depthwise ${describe(kernel)}`, frame.half, [
    g.declared.declarations,
    finishFunction(g, kernel),
    `@compute @workgroup_size(${THREADS})`,
    "fn main(@builtin(global_invocation_id) id: vec3u) {",
    indent([`let thread = ${position};`, `if (thread >= ${total}) { return; }`, `let c4 = thread % ${quads};`, ...walk].join("\n"), 2),
    "}",
  ]);
  return { code, groups: [gx, gy, 1], bindings: g.declared.bindings };
}
