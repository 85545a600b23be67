/**
 * A contraction for hardware adapters: a workgroup of 8x8 threads makes 32 rows x 32 channels, a thread 4 rows x one vec4. Inputs and weights
 * go through workgroup memory, 32 input channels at a time, double-buffered: one barrier per step of K.
 */
import type { ContractKernel } from "../../compiler/ir/kernel.ts";
import { indent } from "../module/text.ts";
import { describe, finishFunction, type Geometry, geometryOf, layerRows, pixelAddress, sumsAddress, windowFunctions } from "./contract.ts";
import { gateAddress } from "./contract-register.ts";
import { type Frame, type Shader, shaderText } from "./shader.ts";
import { readQuad } from "./wgsl.ts";

const ROWS = 32;
const COLUMNS = 8;

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** Puts `value` into workgroup memory, 0 where a condition fails; `guard`: whether this thread has an element at all. */
function staged(conditions: readonly string[], value: string, into: string, guard: string | undefined): string[] {
  // a read under a condition is not a read: select would evaluate it with any address
  const put =
    conditions.length === 0 ? `${into} = ${value};` : `if (${conditions.join(" && ")}) { ${into} = ${value}; } else { ${into} = vec4f(); }`;
  return [guard === undefined ? put : `if (${guard}) { ${put} }`];
}

/** vec4s of K in one step: few input channels make short steps. */
interface Walk {
  /** vec4s of a run that lies contiguously in memory: the channels of one tap, or one kernel row of a stem with at most 4 channels. */
  readonly run: number;
  /** Whether a run goes over neighbouring pixels. */
  readonly overPixels: boolean;
  readonly tapsY: number;
  readonly tapsX: number;
  readonly step: number;
}

function walkOf(g: Geometry): Walk {
  const [kh, kw] = g.window.kernel;
  const overPixels = g.inQuads === 1 && kw > 1 && g.window.dilation[1] === 1 && g.input.layout.lanes === 4;
  const run = overPixels ? kw : g.inQuads;
  return { run, overPixels, tapsY: kh, tapsX: overPixels ? 1 : kw, step: Math.min(8, run) };
}

/** Workgroups of the tiled form; below 16 a device idles and the register form is taken instead. */
export function tiledGroups(g: Geometry): readonly [x: number, y: number, z: number] {
  return [Math.ceil(g.outQuads / COLUMNS) * g.blocks.count, g.sums ? 1 : Math.ceil((g.layers === 1 ? g.rows : g.pixels) / ROWS), g.layers];
}

export function printTiled(frame: Frame, kernel: ContractKernel): Shader {
  const g = geometryOf(frame, kernel);
  const w = g.window;
  const walk = walkOf(g);
  const { step } = walk;
  const steps = walk.tapsY * walk.tapsX * Math.ceil(walk.run / step);
  const perBlock = Math.ceil(g.outQuads / COLUMNS);
  const single = g.blocks.count === 1;
  const [gx, gy, gz] = tiledGroups(g);
  const inputQuads = g.input.layout.lanes / 4;
  const blockOffset = single ? "" : ` + block * ${g.inQuads}`;
  const simple = g.pointwise;
  const partial = walk.run % step !== 0;

  // a thread stages up to four rows and up to `step` / 2 weights: indices over the whole workgroup
  const inputLoads = range(Math.ceil((ROWS * step) / 64));
  const weightLoads = range(Math.ceil((step * 4 * COLUMNS) / 64));
  /** Index of the element this thread stages in round `i`. */
  const at = (i: number): string => (i === 0 ? "local" : `local + ${i * 64}`);
  const quotient = (i: number, by: number): string => (i === 0 ? `local / ${by}` : `(local + ${i * 64}) / ${by}`);
  const remainder = (i: number, by: number): string => (by === 1 ? "0" : i === 0 ? `local % ${by}` : `(local + ${i * 64}) % ${by}`);

  const inputStage = inputLoads.map((i) => {
    const lines: string[] = [];
    const k = `k${i}`;
    lines.push(`let ${k} = k + ${remainder(i, step)};`);
    const conditions = [...((ROWS * step) % 64 !== 0 ? [`${at(i)} < ${ROWS * step}`] : []), ...(partial ? [`${k} < ${walk.run}`] : [])];
    let value: string;
    if (simple) value = readQuad(g.input, `from${i} + ${k}`);
    else if (walk.overPixels) {
      lines.push(`let y${i} = from${i}.y + dy;`, `let x${i} = from${i}.z + ${k};`);
      if (g.clipped) conditions.push(`y${i} >= 0`, `y${i} < ${w.in[1]}`, `x${i} >= 0`, `x${i} < ${w.in[2]}`);
      value = readQuad(g.input, pixelAddress(g, `from${i}.x + y${i}`, `x${i}`));
    } else {
      lines.push(`let tap${i} = tap(from${i}, dy, dx);`);
      if (g.clipped) conditions.push(`tap${i} >= 0`);
      value = readQuad(g.input, `tap${i}${blockOffset} + ${k}`);
    }
    if (g.gate) value = `${value} * ${readQuad(g.gate, gateAddress(g, walk.overPixels ? "0" : `${k}${blockOffset}`))}`;
    const into = `tileInput[into * ${ROWS * step} + ${at(i)}]`;
    lines.push(...staged(conditions, value, into, (ROWS * step) % 64 === 0 ? undefined : `${at(i)} < ${ROWS * step}`));
    return lines.join("\n");
  });
  const ragged = g.outQuads % COLUMNS !== 0;
  const weightStage = weightLoads.map((i) => {
    // [k lane of the step][column]: the lane picks the vec4 inside of the packed 4x4 matrix
    const total = step * 4 * COLUMNS;
    const lines = [`let lane${i} = ${quotient(i, COLUMNS)};`, `let c${i} = tileColumn + ${remainder(i, COLUMNS)};`];
    const conditions = [
      ...(total % 64 !== 0 ? [`${at(i)} < ${total}`] : []),
      ...(partial ? [`k + lane${i} / 4 < ${walk.run}`] : []),
      ...(ragged ? [`c${i} < ${g.outQuads}`] : []),
    ];
    const value = readQuad(g.weight, `((q + lane${i} / 4) * ${g.outQuads} + c${i}) * 4 + lane${i} % 4`);
    lines.push(
      ...staged(conditions, value, `tileWeight[into * ${total} + ${at(i)}]`, total % 64 === 0 ? undefined : `${at(i)} < ${total}`),
    );
    return lines.join("\n");
  });
  // after each step: the next channels of the tap, else the next tap
  const [dilationY, dilationX] = w.dilation;
  const nextRow = walk.tapsY > 1 ? [`dy += ${dilationY};`] : [];
  const nextTap =
    walk.tapsX > 1
      ? [`dx += ${dilationX};`, `if (dx == ${walk.tapsX * dilationX}) {`, indent(["dx = 0;", ...nextRow].join("\n"), 2), "}"]
      : nextRow;
  const single1 = Math.ceil(walk.run / step) === 1;
  const advance = single1
    ? [`q += ${walk.run};`, ...nextTap]
    : [
        `k += ${step};`,
        `q += ${step};`,
        `if (k >= ${walk.run}) {`,
        indent([...(partial ? [`q -= k - ${walk.run};`] : []), "k = 0;", ...nextTap].join("\n"), 2),
        "}",
      ];

  const stageBlock = [...inputStage, ...weightStage, ...advance];
  const state = ["var k = 0;", ...(simple ? [] : ["var dy = 0;", ...(walk.overPixels ? [] : ["var dx = 0;"])])];
  const q0 = single ? "0" : `block * ${w.kernel[0] * w.kernel[1] * g.inQuads}`;
  const from = inputLoads.map((i) => {
    const row = `min(row + ${quotient(i, step)}, limit - 1)`;
    return simple ? `let from${i} = ${row} * ${inputQuads}${blockOffset};` : `let from${i} = window(${row});`;
  });

  const multiply = [
    `for (var kk = 0; kk < ${step}; kk++) {`,
    indent(
      [
        ...range(4).map((r) => `let a${r} = tileInput[side * ${ROWS * step} + (ly * 4 + ${r}) * ${step} + kk];`),
        ...range(4).map((j) => `let b${j} = tileWeight[side * ${step * 4 * COLUMNS} + (kk * 4 + ${j}) * ${COLUMNS} + lx];`),
        ...range(4).map((r) => `acc${r} += a${r}.x * b0 + a${r}.y * b1 + a${r}.z * b2 + a${r}.w * b3;`),
      ].join("\n"),
      2,
    ),
    "}",
  ];
  const column = `${single ? "" : `block * ${g.outQuads} + `}column`;
  const finish = range(4).map((r) => {
    const row = r === 0 ? "own" : `own + ${r}`;
    return `if (${ragged ? `column < ${g.outQuads} && ` : ""}${row} < limit) { ${g.sums ? "total += " : ""}finish(acc${r}, ${row}, ${column}); }`;
  });
  const block = [
    ...from,
    ...range(4).map((r) => `var acc${r} = vec4f();`),
    ...state,
    `var q = ${q0};`,
    // step s is staged while step s - 1 is multiplied; the barrier between them is the only one
    `for (var s = 0; s <= ${steps}; s++) {`,
    indent(
      [
        `if (s < ${steps}) {`,
        "  let into = s % 2;",
        indent(stageBlock.join("\n"), 2),
        "}",
        "if (s > 0) {",
        "  let side = (s - 1) % 2;",
        indent(multiply.join("\n"), 2),
        "}",
        "workgroupBarrier();",
      ].join("\n"),
      2,
    ),
    "}",
    "let own = row + ly * 4;",
    ...finish,
  ];
  const sums = g.sums
    ? [
        // eight threads hold parts of one column's sum
        "tileInput[ly * 8 + lx] = total;",
        "workgroupBarrier();",
        `if (ly == 0${ragged ? ` && column < ${g.outQuads}` : ""}) {`,
        indent(
          [
            "var whole = tileInput[lx];",
            "for (var i = 1; i < 8; i++) { whole += tileInput[i * 8 + lx]; }",
            `sums[${sumsAddress(g.sums, "z", column)}] = whole;`,
          ].join("\n"),
          2,
        ),
        "}",
      ]
    : [];
  const body = g.sums
    ? [
        "var total = vec4f();",
        `for (var b = 0; b < ${Math.ceil(g.tilePixels / ROWS)}; b++) {`,
        `  let row = first + b * ${ROWS};`,
        indent(block.join("\n"), 2),
        "}",
        ...sums,
      ]
    : [`let row = first + i32(group.y) * ${ROWS};`, ...block];
  const stageSize = Math.max(2 * ROWS * step, g.sums ? 64 : 0);
  const code = shaderText(`tiled 32x32: ${describe(kernel)}`, frame.half, [
    g.declared.declarations,
    `var<workgroup> tileInput: array<vec4f, ${stageSize}>;`,
    `var<workgroup> tileWeight: array<vec4f, ${2 * step * 4 * COLUMNS}>;`,
    g.pointwise ? [] : windowFunctions(g).slice(0, walk.overPixels ? 3 : undefined),
    finishFunction(g, kernel),
    "@compute @workgroup_size(8, 8)",
    "fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) thread: vec3u) {",
    indent(
      [
        "let lx = i32(thread.x);",
        "let ly = i32(thread.y);",
        "let local = ly * 8 + lx;",
        ...(g.layers > 1 ? ["let z = i32(group.z);"] : g.sums ? ["let z = 0;"] : []),
        ...(single ? [] : [`let block = i32(group.x) / ${perBlock};`]),
        `let tileColumn = ${single ? "i32(group.x)" : `i32(group.x) % ${perBlock}`} * ${COLUMNS};`,
        "let column = tileColumn + lx;",
        ...layerRows(g, "z"),
        ...body,
      ].join("\n"),
      2,
    ),
    "}",
  ]);
  return { code, groups: [gx, gy, gz], bindings: g.declared.bindings };
}
