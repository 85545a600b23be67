/**
 * LoopKernel -> WGSL: one thread per output element, or per four channels when every load allows it. Any op of any program prints through
 * here; contract, depthwise and excite have schedules of their own.
 */
import { must } from "../../compiler/invariant.ts";
import { walk } from "../../compiler/ir/expr.ts";
import type { Expr, LoopKernel } from "../../compiler/ir/kernel.ts";
import { indent } from "../module/text.ts";
import { inQuads, sizesOf } from "./layout.ts";
import { declare, type Frame, foldGroups, type Shader, shaderText, stored } from "./shader.ts";
import { floatText, loadForm, printExpr, type Scope, sum } from "./wgsl.ts";

const THREADS = 64;

function loadsOf(kernel: LoopKernel): Extract<Expr, { kind: "load" }>[] {
  const loads: Extract<Expr, { kind: "load" }>[] = [];
  for (const e of [kernel.body, ...(kernel.epilogue ? [kernel.epilogue] : [])])
    walk(e, (x) => {
      if (x.kind === "load") loads.push(x);
    });
  return loads;
}

/** Four channels at a time: the store is at c itself (plus a multiple of 4) and no load would have to gather. */
function isWide(frame: Frame, kernel: LoopKernel): boolean {
  const output = frame.layout(kernel.output);
  const c = kernel.space.find((a) => a.name === "c");
  const store: Expr = { kind: "load", buffer: kernel.output, at: kernel.store };
  if (!c || output.lanes % 4 !== 0 || loadForm(store as Extract<Expr, { kind: "load" }>, output, "c") !== "quad") return false;
  // a part of a joined value must not clear lanes that a neighbour writes
  const whole = sizesOf(frame.value(kernel.output))[output.unit] === c.size && kernel.store[output.unit]?.kind === "index";
  if (!whole && c.size % 4 !== 0) return false;
  return loadsOf(kernel).every((l) => loadForm(l, frame.layout(l.buffer), "c") !== "gather");
}

/** Axes in the order in which the output lies in memory, so that neighbouring threads store side by side. */
function inMemoryOrder(frame: Frame, kernel: LoopKernel): LoopKernel["space"] {
  const { strides } = frame.layout(kernel.output);
  const strideOf = (name: string): number => {
    const at = kernel.store.findIndex((e) => {
      let found = false;
      walk(e, (x) => {
        if (x.kind === "index" && x.name === name) found = true;
      });
      return found;
    });
    return at < 0 ? 0 : (strides[at] as number);
  };
  return [...kernel.space]
    .map((axis, i) => ({ axis, i }))
    .sort((a, b) => strideOf(b.axis.name) - strideOf(a.axis.name) || a.i - b.i)
    .map((x) => x.axis);
}

/** A scalar walk visits logical channels only; further threads write the zeros of the padding lanes. */
function paddingText(frame: Frame, kernel: LoopKernel, from: number, name: string, wide: boolean): { count: number; text: string } {
  const { lanes, unit, elements } = frame.layout(kernel.output);
  const size = must(sizesOf(frame.value(kernel.output))[unit], "unit axis");
  const padding = lanes - size;
  if (wide || padding === 0 || unit === 3) return { count: 0, text: "" };
  const count = (elements / lanes) * padding;
  const at = `(thread - ${from}) / ${padding} * ${lanes} + ${size} + (thread - ${from}) % ${padding}`;
  return {
    count,
    text: `if (thread >= ${from}) {\n  if (thread < ${from + count}) { ${name}[${at}] = ${frame.isHalf(kernel.output) ? "0h" : "0.0f"}; }\n  return;\n}`,
  };
}

export function printLoop(frame: Frame, kernel: LoopKernel): Shader {
  const wide = isWide(frame, kernel);
  const quadBuffers = new Set<number>();
  if (wide) {
    quadBuffers.add(kernel.output);
    for (const l of loadsOf(kernel)) if (loadForm(l, frame.layout(l.buffer), "c") === "quad") quadBuffers.add(l.buffer);
  }
  const names = new Map([[kernel.output, "result"]]);
  const { operands, declarations, bindings } = declare(frame, names, (b) => quadBuffers.has(b));
  const order = inMemoryOrder(frame, kernel);
  const output = must(operands.get(kernel.output), "output");
  const c = kernel.space.find((a) => a.name === "c");

  const sizes = order.map((a) => (wide && a.name === "c" ? Math.ceil(a.size / 4) : a.size));
  const total = sizes.reduce((p, s) => p * s, 1);
  const pad = paddingText(frame, kernel, total, output.name, wide);
  const threads = total + pad.count;
  const [gx, gy] = foldGroups(Math.ceil(threads / THREADS));

  const decompose: string[] = [];
  let inner = 1;
  const positions = [...order.keys()].reverse();
  for (const position of positions) {
    const axis = must(order[position], "axis");
    const size = must(sizes[position], "size");
    const name = wide && axis.name === "c" ? "c4" : axis.name;
    const quotient = inner === 1 ? "thread" : `thread / ${inner}`;
    const text = size === 1 ? "0" : position === 0 ? quotient : inner === 1 ? `thread % ${size}` : `${quotient} % ${size}`;
    decompose.push(`let ${name} = ${text};`);
    inner *= size;
  }
  // unused coordinates are not an error, but noise
  const scopeOf = (prefix: string, acc?: string): Scope => ({
    operands,
    axis: (name) => (wide && name === "c" ? "c4 * 4" : name),
    ...(wide && c ? { wide: { axis: "c", quad: "c4", size: c.size } } : {}),
    ...(acc === undefined ? {} : { acc }),
    prefix,
  });

  const type = wide ? "vec4f" : "f32";
  const lines: string[] = [];
  let result: string;
  if (kernel.reduce) {
    const { over, fn, init } = kernel.reduce;
    lines.push(`var acc = ${type}(${floatText(init)});`);
    const body = printExpr(kernel.body, scopeOf("t"));
    const step = fn === "add" ? `acc += ${body.text};` : `acc = max(acc, ${body.text});`;
    let block = [...body.lets, step].join("\n");
    for (const axis of [...over].reverse())
      block = `for (var ${axis.name} = 0; ${axis.name} < ${axis.size}; ${axis.name}++) {\n${indent(block, 2)}\n}`;
    lines.push(block);
    const epilogue = kernel.epilogue ? printExpr(kernel.epilogue, scopeOf("e", "acc")) : undefined;
    lines.push(...(epilogue?.lets ?? []));
    result = epilogue?.text ?? "acc";
  } else {
    const body = printExpr(kernel.body, scopeOf("t"));
    lines.push(...body.lets);
    result = body.text;
  }
  if (wide && c && c.size % 4 !== 0) result = `select(vec4f(), ${result}, vec4i(c4 * 4) + vec4i(0, 1, 2, 3) < vec4i(${c.size}))`;

  const storeAt = storeAddress(frame, kernel, scopeOf("s"), wide);
  lines.push(...storeAt.lets, `${output.name}[${storeAt.text}] = ${stored(output, result, wide)};`);

  const used = lines.join("\n");
  const needed = decompose.filter((d) => new RegExp(`\\b${/^let (\w+)/.exec(d)?.[1]}\\b`).test(used));
  const position = gy === 1 ? "i32(id.x)" : `i32(id.y * ${gx * THREADS} + id.x)`;
  const code = shaderText(`${order.map((a) => `${a.name} ${a.size}`).join(", ")}${wide ? ", four channels a thread" : ""}`, frame.half, [
    declarations,
    `@compute @workgroup_size(${THREADS})`,
    "fn main(@builtin(global_invocation_id) id: vec3u) {",
    indent([`let thread = ${position};`, pad.text || `if (thread >= ${total}) { return; }`, ...needed, ...lines].join("\n"), 2),
    "}",
  ]);
  return { code, groups: [gx, gy, 1], bindings };
}

/** The address of the store: printed as the address of a load from the output. */
function storeAddress(frame: Frame, kernel: LoopKernel, scope: Scope, wide: boolean): { lets: readonly string[]; text: string } {
  const layout = frame.layout(kernel.output);
  const lets: string[] = [];
  const quads = wide && inQuads(layout);
  const terms = kernel.store.map((e, i): [number, string] => {
    const stride = must(layout.strides[i], "stride");
    if (quads && i === layout.unit) {
      const { wide: _wide, ...narrow } = scope;
      const printed = printExpr(e, { ...narrow, axis: (name) => (name === "c" ? "c4" : name) });
      // c + 4k in quads: only the constant has to shrink
      const offset =
        e.kind === "binary" && e.b.kind === "const"
          ? (e.fn === "sub" ? -e.b.value : e.b.value) / 4
          : e.kind === "binary" && e.a.kind === "const"
            ? e.a.value / 4
            : 0;
      return [1, e.kind === "index" ? printed.text : sum([[1, "c4"]], offset)];
    }
    const { wide: _wide, ...narrow } = scope;
    const printed = printExpr(e, { ...narrow, prefix: `${scope.prefix}${i}_` });
    lets.push(...printed.lets);
    return [quads ? stride / 4 : stride, printed.text];
  });
  return { lets, text: sum(terms, quads ? layout.base / 4 : layout.base) };
}
