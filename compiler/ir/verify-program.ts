/**
 * Legality of a Program: buffers, coordinates, coverage of stores, memory.
 * Coordinates are checked by evaluating them at corners of the iteration space: what is reported is a point that is really reached.
 */

import { evaluateAt, type Point } from "./evaluate.ts";
import type { Value } from "./graph.ts";
import type { BufferUse, ContractKernel, DepthwiseKernel, Expr, Kernel, Place, Program } from "./kernel.ts";
import { numel } from "./type.ts";
import type { Fault } from "./verify.ts";

/** The part of a backend's capabilities that the memory table must obey. */
export interface MemoryRules {
  readonly alignment: number;
  readonly arenas: "single" | "colored";
}

type Report = (what: string) => void;

/** Every way in which `program` is not a legal Program. Memory is checked once it is planned. */
export function verifyProgram(program: Program, rules: MemoryRules = { alignment: 256, arenas: "single" }): Fault[] {
  const faults: Fault[] = [];
  const weights = new Set(program.weights.map((w) => w.value));
  const written = new Map<Value, number>();
  for (const { value } of program.inputs) written.set(value, numel(value.type.shape));

  for (const kernel of program.kernels) {
    const report: Report = (what) => {
      faults.push({ at: kernel.name, what });
    };
    for (const [i, use] of kernel.buffers.entries()) verifyUse(kernel, i, use, program, weights, written, report);
    verifyKernel(kernel, report);
    for (const [i, use] of kernel.buffers.entries())
      if (use.access === "write") written.set(use.value, (written.get(use.value) ?? 0) + storedElements(kernel, i, use.value));
  }
  for (const [value, count] of written)
    if (count !== numel(value.type.shape))
      faults.push({ at: value.name, what: `${count} elements of %${value.id} are stored, it has ${numel(value.type.shape)}` });
  for (const o of program.outputs)
    if (!written.has(o.value)) faults.push({ at: "program", what: `output ${o.name} (%${o.value.id}) is never written` });
  if (program.memory.places.size > 0) verifyMemory(program, weights, rules, faults);
  return faults;
}

function verifyUse(
  kernel: Kernel,
  index: number,
  { value, access }: BufferUse,
  program: Program,
  weights: ReadonlySet<Value>,
  written: ReadonlyMap<Value, number>,
  report: Report,
): void {
  const name = `buffer ${index} (%${value.id}, ${value.name})`;
  if (!value.type.shape.every((d) => typeof d === "number")) report(`${name} has an open size`);
  if (weights.has(value)) {
    if (access === "write") report(`${name} is a constant and is written`);
    return;
  }
  if (!program.storage.has(value)) report(`${name} has no storage`);
  if (access === "read" && !written.has(value)) report(`${name} is read before any kernel writes it`);
  if (access === "read" && kernel.buffers.some((b) => b.access === "write" && b.value === value)) report(`${name} is read and written`);
}

/** How many elements of the written buffer the kernel stores. */
function storedElements(kernel: Kernel, buffer: number, value: Value): number {
  if (kernel.kind === "loop" && buffer === kernel.output) return kernel.space.reduce((n, a) => n * a.size, 1);
  const part = (kernel.kind === "contract" || kernel.kind === "depthwise") && kernel.firstChannel !== undefined;
  if (part && buffer === kernel.output) return kernel.window.out.reduce((n, size) => n * size, kernel.window.batch);
  return numel(value.type.shape);
}

/** Corners of a box of axes, at most 2^8 of them. */
export function corners(axes: readonly { readonly name: string; readonly size: number }[]): Point[] {
  let points: Map<string, number>[] = [new Map()];
  for (const [i, axis] of axes.entries()) {
    const ends = axis.size > 1 && i < 8 ? [0, axis.size - 1] : [axis.size - 1];
    points = points.flatMap((p) => ends.map((v) => new Map(p).set(axis.name, v)));
  }
  return points;
}

function verifyKernel(kernel: Kernel, report: Report): void {
  const reading = (index: number, what: string): void => verifyBuffer(kernel, index, "read", what, report);
  const writing = (index: number, what: string): void => verifyBuffer(kernel, index, "write", what, report);
  switch (kernel.kind) {
    case "loop": {
      writing(kernel.output, "output");
      if (kernel.epilogue && !kernel.reduce) report("an epilogue without a reduction");
      const space = corners(kernel.space);
      verifyExpr(kernel, kernel.body, corners([...kernel.space, ...(kernel.reduce?.over ?? [])]), false, report);
      if (kernel.epilogue) verifyExpr(kernel, kernel.epilogue, space, true, report);
      const value = kernel.buffers[kernel.output]?.value;
      if (value) verifyCoordinates(kernel.store, value, space, "stores", report);
      break;
    }
    case "contract":
    case "depthwise": {
      const { window } = kernel;
      reading(kernel.input, "input");
      reading(kernel.weight, "weight");
      writing(kernel.output, "output");
      if (kernel.kind === "contract" && kernel.gate !== undefined) reading(kernel.gate, "gate");
      const [c, y, x] = window.out;
      const points = corners([
        { name: "n", size: window.batch },
        { name: "c", size: c },
        { name: "y", size: y },
        { name: "x", size: x },
      ]);
      verifyExpr(kernel, kernel.epilogue, points, true, report);
      if (kernel.squeeze) {
        writing(kernel.squeeze.buffer, "squeeze");
        verifyExpr(kernel, kernel.squeeze.of, points, true, report);
      }
      const expect = (index: number, what: string, count: number): void => {
        const value = kernel.buffers[index]?.value;
        if (value && numel(value.type.shape) !== count) report(`${what} has ${numel(value.type.shape)} elements, the window says ${count}`);
      };
      const product = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, window.batch);
      expect(kernel.input, "input", product(window.in));
      if (kernel.firstChannel === undefined) expect(kernel.output, "output", product(window.out));
      else verifyPart(kernel, kernel.firstChannel, report);
      expect(kernel.weight, "weight", c * (window.in[0] / window.groups) * window.kernel[0] * window.kernel[1]);
      break;
    }
    case "excite": {
      reading(kernel.sums, "sums");
      writing(kernel.output, "output");
      let width = kernel.channels;
      for (const [i, layer] of kernel.layers.entries()) {
        reading(layer.weight, `weight of layer ${i}`);
        if (layer.bias !== undefined) reading(layer.bias, `bias of layer ${i}`);
        if (layer.in !== width) report(`layer ${i} reads ${layer.in} values, ${width} arrive`);
        width = layer.out;
        verifyExpr(kernel, layer.act, [new Map()], true, report);
      }
      break;
    }
    default:
      kernel satisfies never;
  }
}

/** The output of a contraction that is a part of a joined value lies in it. */
function verifyPart({ window, buffers, output }: ContractKernel | DepthwiseKernel, first: number, report: Report): void {
  const [n, c, ...map] = buffers[output]?.value.type.shape ?? [];
  const [channels, ...own] = window.out;
  const fits = n === window.batch && typeof c === "number" && first + channels <= c && own.every((size, i) => size === (map[i] ?? 1));
  if (!fits) report(`channels ${first} to ${first + channels} of ${own.join("x")} are no part of the output`);
}

function verifyBuffer(kernel: Kernel, index: number, access: "read" | "write", what: string, report: Report): void {
  const use = kernel.buffers[index];
  if (!use) report(`${what} is buffer ${index} of ${kernel.buffers.length}`);
  else if (use.access !== access) report(`${what} (%${use.value.id}) is bound for ${use.access === "read" ? "reading" : "writing"}`);
}

/** Indices exist, loads have the right rank and stay inside at every point, `acc` only where there is one. */
function verifyExpr(kernel: Kernel, e: Expr, points: readonly Point[], hasAcc: boolean, report: Report): void {
  const seen = new Set<string>();
  const once = (what: string): void => {
    if (seen.has(what)) return;
    seen.add(what);
    report(what);
  };
  // the first bad point is enough to find the mistake
  for (const point of points) {
    if (seen.size > 0) return;
    evaluateAt(e, point, {
      index: (name) => once(`no axis ${name}`),
      acc: () => {
        if (!hasAcc) once("acc outside an epilogue");
      },
      load: (load, at) => {
        const use = kernel.buffers[load.buffer];
        if (!use) once(`loads from buffer ${load.buffer} of ${kernel.buffers.length}`);
        else if (use.access !== "read") once(`loads from %${use.value.id}, which it writes`);
        else checkAt(at, use.value, point, "loads", once);
      },
    });
  }
}

function verifyCoordinates(coordinates: readonly Expr[], value: Value, points: readonly Point[], verb: string, report: Report): void {
  for (const point of points) {
    let bad = false;
    const at = coordinates.map((e) => evaluateAt(e, point, { index: () => (bad = true), acc: () => {}, load: () => {} }));
    if (bad) report(`${verb} at an axis that is not there`);
    checkAt(at, value, point, verb, (what) => {
      bad = true;
      report(what);
    });
    if (bad) return;
  }
}

function checkAt(at: readonly (number | undefined)[], value: Value, point: Point, verb: string, report: Report): void {
  const { shape } = value.type;
  const name = `%${value.id} [${shape.join(", ")}]`;
  if (at.length !== shape.length) {
    report(`${verb} ${name} with ${at.length} coordinates`);
    return;
  }
  for (const [i, c] of at.entries())
    if (c !== undefined && !(Number.isInteger(c) && c >= 0 && c < (shape[i] as number))) {
      const where = [...point].map(([k, v]) => `${k}=${v}`).join(" ");
      report(`${verb} ${name} at ${c} on axis ${i} (${where})`);
      return;
    }
}

/** Bytes the value needs at least, in its storage. */
export function storageBytes(program: Program, value: Value): number {
  const storage = program.storage.get(value);
  const shape = value.type.shape as readonly number[];
  if (storage?.order === "nhwc" && shape.length === 4) {
    const [n = 1, , h = 1, w = 1] = shape;
    return 4 * n * (h + 2 * storage.halo) * (w + 2 * storage.halo) * storage.channels;
  }
  return 4 * numel(shape);
}

function verifyMemory(program: Program, weights: ReadonlySet<Value>, rules: MemoryRules, faults: Fault[]): void {
  const { arenas, places, mixed } = program.memory;
  const report = (value: Value, what: string): void => {
    faults.push({ at: value.name, what: `%${value.id} ${what}` });
  };
  for (const [value, place] of places) {
    if (place.offset % rules.alignment !== 0) report(value, `lies at ${place.offset}, which is not a multiple of ${rules.alignment}`);
    if (place.bytes < storageBytes(program, value)) report(value, `has ${place.bytes} bytes and needs ${storageBytes(program, value)}`);
    if (place.offset < 0 || place.offset + place.bytes > (arenas[place.arena] ?? -1)) report(value, `lies outside arena ${place.arena}`);
  }
  // by first use: what is alive with a value follows it closely
  const list = [...places].sort(([, p], [, q]) => p.live[0] - q.live[0]);
  for (const [i, [a, p]] of list.entries())
    for (let j = i + 1; j < list.length; j++) {
      const [b, q] = list[j] as [Value, Place];
      if (q.live[0] > p.live[1]) break;
      if (clash(p, q)) report(a, `and %${b.id} (${b.name}) overlap`);
    }

  for (const [k, kernel] of program.kernels.entries()) {
    const at = (access: "read" | "write"): Set<number> =>
      new Set(
        kernel.buffers.flatMap((b) => {
          const place = places.get(b.value);
          return b.access === access && place ? [place.arena] : [];
        }),
      );
    for (const { value } of kernel.buffers) {
      const place = places.get(value);
      if (weights.has(value)) continue;
      if (!place) report(value, "has no place");
      else if (k < place.live[0] || k > place.live[1]) report(value, `is used by kernel ${k} and lives ${place.live[0]}..${place.live[1]}`);
    }
    if (rules.arenas === "single") continue;
    const shared = [...at("write")].filter((arena) => at("read").has(arena));
    if (!mixed.has(k))
      for (const arena of shared) faults.push({ at: kernel.name, what: `reads and writes arena ${arena} in one dispatch` });
    // two bindings for writing must not overlap, so nothing that is bound like an output can be bound twice
    else if (bindsTwice(kernel, weights)) faults.push({ at: kernel.name, what: "is mixed and binds a value twice" });
  }
}

function bindsTwice({ buffers }: Kernel, weights: ReadonlySet<Value>): boolean {
  const values = buffers.map((b) => b.value).filter((v) => !weights.has(v));
  return new Set(values).size < values.length;
}

/** Alive at one time and overlapping in space. */
function clash(p: Place, q: Place): boolean {
  const together = p.live[0] <= q.live[1] && q.live[0] <= p.live[1];
  return p.arena === q.arena && together && p.offset < q.offset + q.bytes && q.offset < p.offset + p.bytes;
}
