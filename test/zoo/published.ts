/** What torchvision (test/python/zoo_lists.py) and torch modules written by hand (timm_lists.py) say of nets, compared with those that ship. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { costOf } from "../../compiler/analysis/cost.ts";
import { must } from "../../compiler/invariant.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
import { everyNet, shippedGraph } from "../judges/whole-nets.ts";

export interface Facts {
  readonly tensors: number;
  readonly parameters: number;
  readonly macs: number;
}

interface Published extends Facts {
  readonly size: number;
  readonly sha256: string;
}

const listsOf = (fixture: string): Readonly<Record<string, Published>> =>
  JSON.parse(readFileSync(new URL(`../fixtures/${fixture}.json`, import.meta.url), "utf8"));
const lists = { ...listsOf("zoo-lists"), ...listsOf("timm-lists") };
const fileOf = new Map(everyNet().map(({ file, net }) => [net, file]));

export const netGraph = (net: string, size?: number): Graph =>
  shippedGraph(must(fileOf.get(net), `a file with ${net}`), net, size === undefined ? undefined : { image: [1, 3, size, size] });

const linesOf = (graph: Graph): string[] => graph.weights.map((w) => `${w.path} [${w.value.type.shape.join(", ")}]`);

/** One line for each tensor, in order: `name [a, b]`. */
export const tensorLines = (net: string): string[] => linesOf(netGraph(net));

export const publishedList = (name: string): string[] =>
  readFileSync(new URL(`../fixtures/tensor-names/${name}.txt`, import.meta.url), "utf8")
    .trim()
    .split("\n");

export function factsOf(net: string): Facts {
  const graph = netGraph(net);
  const { params, macs } = costOf(graph);
  return { parameters: params, macs, tensors: graph.weights.length };
}

/** torchvision's efficientnet has timm's names taken: ours is called torchvision_efficientnet there. */
const ourName = (net: string): string => (net.startsWith("efficientnet") ? `torchvision_${net}` : net);

/** Every net of the fixture that `wanted` accepts: names, shapes and order of the tensors, parameters, multiply-adds, all exact. */
export function describePublished(wanted: (net: string) => boolean): void {
  test.each(Object.entries(lists).filter(([net]) => wanted(net)))(
    "%s is as published: tensors in order, parameters, multiply-adds",
    (net, of) => {
      const graph = netGraph(ourName(net), of.size);
      const lines = linesOf(graph);
      expect(lines).toHaveLength(of.tensors);
      const { params, macs } = costOf(graph);
      expect({ parameters: params, macs }).toEqual({ parameters: of.parameters, macs: of.macs });
      // `python3 test/python/zoo_lists.py NET` (or timm_lists.py) prints what the hash stands for
      expect(createHash("sha256").update(lines.join("\n")).digest("hex"), lines.join("\n")).toBe(of.sha256);
    },
  );
}
