/** Nets and weight files for the tests of loading. */
import { readFileSync } from "node:fs";
import { Diagnostics } from "../../compiler/diagnostics/diagnostic.ts";
import { must } from "../../compiler/invariant.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
import { buildGraph } from "../../compiler/semantics/build-graph.ts";
import { bits } from "../../compiler/weights/init.ts";
import { type ByteSource, bytesSource, openSafetensors, type TensorFile } from "../../compiler/weights/safetensors.ts";
import { expand } from "../semantics/expanded.ts";

export function graphOf(text: string, net: string): Graph {
  const { tree, diagnostics } = expand(text, net);
  const graph = tree && buildGraph(tree, new Diagnostics());
  return must(graph, `net ${net}: ${diagnostics.map((d) => `${d.code} ${d.title}`).join("; ")}`);
}

export interface Listed {
  readonly name: string;
  readonly shape: readonly number[];
}

/** A list of test/fixtures/tensor-names: `conv1.weight [64, 3, 7, 7]` on every line. */
export function tensorList(name: string): Listed[] {
  return readFileSync(`test/fixtures/tensor-names/${name}.txt`, "utf8")
    .trim()
    .split("\n")
    .map((line) => {
      const [, path = "", sizes = ""] = /^(\S+) \[(.*)\]$/.exec(line) ?? [];
      return { name: path, shape: sizes === "" ? [] : sizes.split(",").map(Number) };
    });
}

export function opened(source: ByteSource, name = "w.safetensors"): TensorFile {
  const result = openSafetensors(name, source);
  if (!result.ok) throw new Error(result.problem.title);
  return result.file;
}

/** A file of these tensors whose values are made when they are read: 100 MB of weights cost nothing. */
export function virtualFile(tensors: readonly Listed[], name?: string): TensorFile {
  let at = 0;
  const header: Record<string, unknown> = {};
  for (const t of tensors) {
    const counter = t.name.endsWith("num_batches_tracked");
    const bytes = t.shape.reduce((a, b) => a * b, counter ? 8 : 4);
    header[t.name] = { dtype: counter ? "I64" : "F32", shape: t.shape, data_offsets: [at, at + bytes] };
    at += bytes;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const head = new Uint8Array(8 + json.length);
  new DataView(head.buffer).setBigUint64(0, BigInt(json.length), true);
  head.set(json, 8);
  const source: ByteSource = {
    size: head.length + at,
    read(begin, end) {
      if (end <= head.length) return head.subarray(begin, end);
      const values = new Float32Array((end - begin) / 4);
      const next = bits(String(begin), 0);
      for (let i = 0; i < values.length; i++) values[i] = (next() >>> 8) / 2 ** 24;
      return new Uint8Array(values.buffer);
    },
  };
  return opened(source, name);
}

export const fileOf = (bytes: Uint8Array, name?: string): TensorFile => opened(bytesSource(bytes), name);
