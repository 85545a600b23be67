/** What a target cannot do is said before anything is emitted: SE501 (a layer), SE503 (memory). */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import * as z from "zod";
import { API_VERSION, type Backend, defineBackend } from "../../backends/backend.ts";
import { emitTarget } from "../../backends/emit.ts";
import { wasm } from "../../backends/wasm/index.ts";
import { webgpu } from "../../backends/webgpu/index.ts";
import { check, Diagnostics, type Graph, renderText, sourceFile, weightReader } from "../../compiler/index.ts";

function graphOf(file: string): Graph {
  const { nets } = check(sourceFile(file, readFileSync(`specs/nets/${file}`, "utf8")), { readText: () => ({ ok: false, reason: "none" }) });
  return nets[0]!.graph;
}

function emit(backend: Backend, graph: Graph, batch: number): { texts: string[]; artifacts: number } {
  const diagnostics = new Diagnostics();
  const emitted = emitTarget({
    backend,
    graph,
    options: backend.options.parse({}),
    weights: weightReader(),
    batch,
    level: 2,
    diagnostics,
    source: "net.se",
  });
  return { texts: diagnostics.all.map((d) => renderText(d)), artifacts: emitted.artifacts.length };
}

test("SE501: a graph target that lacks ops is told every place, and does not emit", () => {
  let asked = false;
  const dot = defineBackend({
    name: "dot",
    apiVersion: API_VERSION,
    level: "graph",
    summary: "a part of the layers",
    options: z.strictObject({}),
    ops: ["conv", "relu", "maxpool", "gap", "flatten", "linear", "sigmoid"],
    training: () => false,
    emit: () => {
      asked = true;
      return { artifacts: [], metrics: {} };
    },
  });
  const { texts } = emit(dot, graphOf("plain.se"), 1);
  expect(asked).toBe(false);
  expect(texts.join("\n")).toMatchSnapshot();
});

test("SE503: a map that no device can bind is refused, one that fits is not", () => {
  const graph = graphOf("plain.se");
  const { texts, artifacts } = emit(webgpu, graph, 20_000);
  expect(artifacts).toBe(0);
  expect(texts.join("\n")).toMatchSnapshot();
  expect(emit(webgpu, graph, 2).texts).toEqual([]);
});

test("SE503: what does not fit into the 4 GiB of a WebAssembly memory is refused before weights are packed", () => {
  const graph = graphOf("plain.se");
  const { texts, artifacts } = emit(wasm as unknown as Backend, graph, 40_000);
  expect(artifacts).toBe(0);
  expect(texts.join("\n")).toMatchSnapshot();
  expect(emit(wasm as unknown as Backend, graph, 2).texts).toEqual([]);
});
