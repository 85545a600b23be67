/** Reads the text form of a Graph (`print.ts`). Origins are lost: everything points at the text itself. Malformed text throws. */

import { InternalError } from "../invariant.ts";
import { type Origin, sourceFile, span } from "../source.ts";
import type { Graph, Node, Output, Value, Weight } from "./graph.ts";
import type { PrintRules } from "./print.ts";
import { type LineReader, lineReader, readAttrs, readId, readList, readName, readType, readWeight } from "./text.ts";

/** The lines of a text with their 1-based numbers; empty lines and lines that are only a comment are left out. */
export function numberedLines(text: string): { readonly line: string; readonly number: number; readonly start: number }[] {
  let start = 0;
  return text.split("\n").flatMap((line, i) => {
    const at = start;
    start += line.length + 1;
    return /^\s*(#.*)?$/.test(line) ? [] : [{ line, number: i + 1, start: at }];
  });
}

/** Tensor lines come last but are read first, because nodes name them. Returns them in order, by path. */
export function readWeights(lines: ReturnType<typeof numberedLines>, firstId: number): Map<string, Weight> {
  const weights = new Map<string, Weight>();
  for (const { line, number } of lines) {
    const r = lineReader(line, number);
    if (!r.has("tensor ") && !r.has("source ")) continue;
    const weight = readWeight(r, weights, firstId + weights.size);
    if (weights.has(weight.path)) r.fail("a tensor that is not there already");
    weights.set(weight.path, weight);
  }
  return weights;
}

/** First number that no `%` of the text uses: tensors have no number in the text. */
export const freeId = (text: string): number => 1 + [...text.matchAll(/%(\d+)/g)].reduce((top, m) => Math.max(top, Number(m[1])), -1);

/** A `%12` or `@path` that is defined already. */
export function readReference(r: LineReader, values: ReadonlyMap<number, Value>, weights: ReadonlyMap<string, Weight>): Value {
  if (r.has("@")) return weights.get(readName(r))?.value ?? r.fail("a tensor that is listed");
  return values.get(readId(r)) ?? r.fail("a value that is defined before");
}

/** `rules` must be those it was printed with: attributes left out get their defaults back. */
export function parseGraph(text: string, rules?: PrintRules): Graph {
  const file = sourceFile("graph.txt", text);
  const lines = numberedLines(text);
  const weights = readWeights(lines, freeId(text));
  const values = new Map<number, Value>();
  const inputs: Value[] = [];
  const outputs: Output[] = [];
  const nodes: Node[] = [];
  let name: string | undefined;

  const define = (r: LineReader, value: Value): Value => {
    if (values.has(value.id)) r.fail(`a new value, %${value.id} is there already`);
    values.set(value.id, value);
    return value;
  };
  const readNode = (r: LineReader, origin: Origin): Node => {
    const id = readId(r);
    r.expect("=");
    const op = r.accept(/\w+/y) ?? r.fail("an op");
    const own: Record<string, Value> = {};
    const operands: Value[] = [];
    r.expect("(");
    readList(r, ")", () => {
      const key = r.accept(/\w+(?==)/y);
      if (key !== undefined) r.expect("=");
      const value = readReference(r, values, weights);
      if (key === undefined) operands.push(value);
      else own[key] = value;
    });
    const written = readAttrs(r);
    const defaults = Object.entries(rules?.defaults(op) ?? {}).filter(([key]) => !(key in written));
    r.expect(":");
    const type = readType(r);
    r.expect("#");
    const path = readName(r);
    const output = define(r, { id, type, name: path });
    return { op, inputs: operands, weights: own, attrs: { ...written, ...Object.fromEntries(defaults) }, output, path, origin };
  };

  for (const { line, number, start } of lines) {
    const r = lineReader(line, number);
    if (r.has("tensor ")) continue;
    if (r.has("graph ")) name = readName(r);
    else if (r.has("input ")) {
      const inputName = readName(r);
      r.expect("=");
      const id = readId(r);
      r.expect(":");
      inputs.push(define(r, { id, type: readType(r), name: inputName }));
    } else if (r.has("output ")) {
      const outputName = readName(r);
      r.expect("=");
      outputs.push({ name: outputName, value: readReference(r, values, weights) });
    } else nodes.push(readNode(r, { span: span(file, start, start + line.length), via: [] }));
    if (!r.atEnd()) r.fail("the end of the line");
  }
  if (name === undefined) throw new InternalError("IR text: no line `graph NAME`");
  return { name, inputs, outputs, weights: [...weights.values()], nodes };
}
