/**
 * Reads the text form of a Program (`print-program.ts`). The nodes a kernel was made from come back as op and path only.
 * Malformed text throws.
 */
import { InternalError } from "../invariant.ts";
import { sourceFile, span } from "../source.ts";
import { readExpr } from "./expr-text.ts";
import type { Node, Value, Weight } from "./graph.ts";
import type { Axis, BufferUse, ExciteLayer, Expr, Kernel, Place, Program, Schedule, Squeeze, Storage } from "./kernel.ts";
import { freeId, numberedLines, readReference, readWeights } from "./parse.ts";
import { bufferNames } from "./print-program.ts";
import { type LineReader, lineReader, readId, readList, readName, readNumber, readType, referTo } from "./text.ts";
import { f32 } from "./type.ts";

type Lines = ReturnType<typeof numberedLines>;

const natural = (r: LineReader): number => Number(r.accept(/\d+/y) ?? r.fail("a whole number"));
const KINDS = /^\s*(loop|contract|depthwise|excite) /;

function readSizes<T extends readonly number[]>(r: LineReader, word: string): T {
  r.expect(word);
  r.expect("[");
  return readList(r, "]", () => readNumber(r)) as unknown as T;
}

function readAxes(r: LineReader): Axis[] {
  const axes: Axis[] = [];
  if (r.has("nothing")) return axes;
  do {
    const name = r.accept(/[A-Za-z_]\w*/y) ?? r.fail("an axis");
    r.expect("<");
    axes.push({ name, size: natural(r) });
  } while (r.has(","));
  return axes;
}

/** The lines of one kernel, read in order: each method takes the next line if it starts as asked. */
function kernelReader(lines: Lines, values: ReadonlyMap<number, Value>, weights: ReadonlyMap<string, Weight>) {
  let next = 0;
  const open = (): LineReader => {
    const line = lines[next++];
    if (!line) throw new InternalError(`IR text: the kernel of line ${lines[0]?.number} ends too early`);
    return lineReader(line.line, line.number);
  };
  const head = open();
  const kind = (head.accept(/\w+/y) ?? head.fail("a kernel")) as Kernel["kind"];
  const name = readName(head);
  const from: Node[] = [];
  let r = open();
  if (r.has("from ")) {
    const text = lines[next - 1]!;
    const origin = { span: span(sourceFile("program.txt", text.line), 0, text.line.length), via: [] };
    do {
      const op = r.accept(/\w+/y) ?? r.fail("an op");
      const path = readName(r);
      from.push({ op, path, inputs: [], weights: {}, attrs: {}, output: { id: -1, type: f32(), name: path }, origin });
    } while (r.has(","));
    r = open();
  }
  r.expect("buffers ");
  const buffers: BufferUse[] = [];
  do {
    const access = r.has("out ") ? "write" : "read";
    buffers.push({ value: readReference(r, values, weights), access });
    r.accept(/'\d+/y);
  } while (r.has(","));
  const names = bufferNames({ buffers } as unknown as Kernel, referTo([...weights.values()]));
  const indexOf = (spelling: string): number | undefined => (names.includes(spelling) ? names.indexOf(spelling) : undefined);
  const readBuffer = (reader: LineReader): number => {
    const spelling = reader.accept(/(?:%\d+|@(?:"(?:[^"\\]|\\.)*"|[\w./~+:@*-]+))(?:'\d+)?/y) ?? reader.fail("a buffer");
    return indexOf(spelling) ?? reader.fail("a buffer of this kernel");
  };
  return {
    base: { kind, name, from, buffers },
    open,
    more: () => next < lines.length,
    peek: (word: string) => lines[next]?.line.trimStart().startsWith(word) ?? false,
    buffer: readBuffer,
    expr: (reader: LineReader): Expr => readExpr(reader, indexOf),
  };
}

type KernelReader = ReturnType<typeof kernelReader>;

function readKernel(k: KernelReader): Kernel {
  const { kind } = k.base;
  const kernel = kind === "loop" ? readLoop(k) : kind === "excite" ? readExcite(k) : readWindow(k, kind);
  if (k.more()) k.open().fail("the end of the kernel");
  return kernel;
}

function readLoop(k: KernelReader): Kernel {
  const head = k.open();
  head.expect("for ");
  const space = readAxes(head);
  const reduction = k.peek("acc =") ? k.open() : undefined;
  const readReduce = (r: LineReader) => {
    r.expect("acc =");
    const fn = r.has("add ") ? "add" : r.has("max ") ? "max" : r.fail("add or max");
    r.expect("from ");
    const start = k.expr(r);
    const init = start.kind === "const" ? start.value : r.fail("a constant");
    r.expect("over ");
    const over = readAxes(r);
    r.expect("of");
    return { reduce: { over, fn, init } as const, body: k.expr(k.open()) };
  };
  const reduced = reduction && readReduce(reduction);
  const r = k.open();
  const output = k.buffer(r);
  r.expect("[");
  const store = readList(r, "]", () => k.expr(r));
  r.expect("=");
  const value = k.expr(r);
  const base = { ...k.base, kind: "loop" as const, space, output, store };
  if (!reduced) return { ...base, body: value };
  return { ...base, ...reduced, ...(value.kind === "acc" ? {} : { epilogue: value }) };
}

function readWindow(k: KernelReader, kind: "contract" | "depthwise"): Kernel {
  const w = k.open();
  const after = <T extends readonly number[]>(word: string): T => {
    w.expect(",");
    return readSizes<T>(w, word);
  };
  const input3 = readSizes<[number, number, number]>(w, "window ");
  const output3 = readSizes<[number, number, number]>(w, "to ");
  const kernel = after<[number, number]>("kernel ");
  const stride = after<[number, number]>("stride ");
  const dilation = after<[number, number]>("dilation ");
  const pad = after<[number, number, number, number]>("pad ");
  w.expect(", groups ");
  const groups = natural(w);
  w.expect(", batch ");
  const window = { in: input3, out: output3, kernel, stride, dilation, pad, groups, batch: natural(w) };
  const a = k.open();
  a.expect("acc =");
  const input = k.buffer(a);
  a.expect("conv ");
  const weight = k.buffer(a);
  const gate = a.has("gated by ") ? { gate: k.buffer(a) } : {};
  const r = k.open();
  const output = k.buffer(r);
  const part = r.has("from channel ") ? { firstChannel: natural(r) } : {};
  r.expect("=");
  const epilogue = k.expr(r);
  const squeeze = k.peek("squeeze ") ? { squeeze: readSqueeze(k) } : {};
  const schedule = k.peek("schedule ") ? { schedule: readSchedule(k.open()) } : {};
  const base = { ...k.base, window, input, weight, output, ...part, epilogue, ...squeeze, ...schedule };
  return kind === "contract" ? { ...base, kind, ...gate } : { ...base, kind };
}

function readSqueeze(k: KernelReader): Squeeze {
  const r = k.open();
  r.expect("squeeze ");
  const buffer = k.buffer(r);
  r.expect("by ");
  const tiles = natural(r);
  r.expect("of ");
  return { buffer, tiles, of: k.expr(r) };
}

function readSchedule(r: LineReader): Schedule {
  r.expect("schedule ");
  const parts: string[] = [];
  do parts.push(JSON.parse(r.accept(/"(?:[^"\\]|\\.)*"/y) ?? r.fail("a quoted text")) as string);
  while (r.has(","));
  const [algorithm = "", tile = "", why] = parts;
  return why === undefined ? { algorithm, why: tile } : { algorithm, tile, why };
}

function readExcite(k: KernelReader): Kernel {
  const m = k.open();
  m.expect("mean of ");
  const sums = k.buffer(m);
  m.expect("over ");
  const pixels = natural(m);
  m.expect("pixels in ");
  const tiles = natural(m);
  m.expect("tiles, batch ");
  const batch = natural(m);
  m.expect(", channels ");
  const channels = natural(m);
  const layers: ExciteLayer[] = [];
  while (k.peek("dense ") || k.peek("chanconv ")) {
    const r = k.open();
    const kind = r.has("dense ") ? "dense" : r.has("chanconv ") ? "chanconv" : r.fail("dense or chanconv");
    const weight = k.buffer(r);
    const bias = r.has("+") ? { bias: k.buffer(r) } : {};
    const circular = r.has("circular") ? { circular: true } : r.has("zeros") ? { circular: false } : {};
    r.expect(",");
    const from = natural(r);
    r.expect("to ");
    const to = natural(r);
    r.expect(",");
    layers.push({ kind, weight, in: from, out: to, act: k.expr(r), ...bias, ...circular });
  }
  const r = k.open();
  const output = k.buffer(r);
  r.expect("= gate");
  return { ...k.base, kind: "excite", sums, tiles, pixels, batch, channels, layers, output };
}

export function parseProgram(text: string): Program {
  const lines = numberedLines(text);
  const weights = readWeights(lines, freeId(text));
  const values = new Map<number, Value>();
  const storage = new Map<Value, Storage>();
  const places = new Map<Value, Place>();
  const sources = new Set<string>();
  let arenas: readonly number[] = [];
  let lowerBound = 0;
  let mixed: ReadonlySet<number> = new Set();
  let name: string | undefined;
  for (const { line, number } of lines) {
    const r = lineReader(line, number);
    if (r.has("program ")) name = readName(r);
    if (r.has("source @")) sources.add(readName(r));
    if (r.has("value ")) readValueLine(r, values, storage, places);
    if (r.has("memory ")) {
      arenas = readSizes(r, "arenas ");
      r.expect(", lower bound ");
      lowerBound = natural(r);
      if (r.has(", ")) mixed = new Set(readSizes<readonly number[]>(r, "mixed kernels "));
    }
  }
  if (name === undefined) throw new InternalError("IR text: no line `program NAME`");

  const inputs: { name: string; value: Value }[] = [];
  const outputs: { name: string; value: Value }[] = [];
  const kernels: Kernel[] = [];
  for (let i = 0; i < lines.length; i++) {
    const { line, number } = lines[i]!;
    const r = lineReader(line, number);
    const port = r.has("input ") ? inputs : r.has("output ") ? outputs : undefined;
    if (port) {
      const portName = readName(r);
      r.expect("=");
      port.push({ name: portName, value: readReference(r, values, weights) });
    } else if (KINDS.test(line)) {
      const indent = line.search(/\S/);
      let end = i + 1;
      while (end < lines.length && lines[end]!.line.search(/\S/) > indent) end++;
      kernels.push(readKernel(kernelReader(lines.slice(i, end), values, weights)));
      i = end - 1;
    } else if (!/^\s*(program|value|memory|tensor|source) /.test(line)) r.fail("a kernel");
  }
  const read = [...weights.values()].filter((w) => !sources.has(w.path));
  return { name, inputs, outputs, kernels, weights: read, storage, memory: { arenas, places, lowerBound, mixed } };
}

function readValueLine(r: LineReader, values: Map<number, Value>, storage: Map<Value, Storage>, places: Map<Value, Place>): void {
  const id = readId(r);
  r.expect(":");
  const type = readType(r);
  const value: Value = { id, type, name: readName(r) };
  if (values.has(id)) r.fail("a new value");
  values.set(id, value);
  while (r.has(",")) {
    if (r.has("arena ")) {
      const arena = natural(r);
      r.expect("at ");
      const offset = natural(r);
      r.expect("bytes ");
      const bytes = natural(r);
      r.expect("live ");
      const first = natural(r);
      r.expect("..");
      places.set(value, { arena, offset, bytes, live: [first, natural(r)] });
    } else {
      const order = r.has("nhwc ") ? "nhwc" : r.has("nchw ") ? "nchw" : r.fail("nchw, nhwc or arena");
      r.expect("channels ");
      const channels = natural(r);
      r.expect("halo ");
      storage.set(value, { order, channels, halo: natural(r) });
    }
  }
  if (!r.atEnd()) r.fail("the end of the line");
}
