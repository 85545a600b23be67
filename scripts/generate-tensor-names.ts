/**
 * specs/nets/* -> specs/tensor-names.json: the nets that ship, by a hash of their tensors' names. `sec weights` looks a file up there that
 * does not fit the net it was given for; expanding every net then would take seconds.
 */
import { readdirSync, readFileSync } from "node:fs";
import { check } from "../compiler/frontend.ts";
import { sourceFile } from "../compiler/source.ts";
import { tensorNamesKey } from "../compiler/weights/fitting.ts";

const FOLDER = "specs/nets";
const textOf = (path: string): string => readFileSync(`${FOLDER}/${path.replace(/^sec\//, "")}`, "utf8");
const host = { readText: (path: string) => ({ ok: true as const, text: textOf(path) }) };

export function generateTensorNames(): string {
  const nets = new Map<string, string[]>();
  for (const file of readdirSync(FOLDER).sort()) {
    for (const { name, graph } of check(sourceFile(file, textOf(file)), host).nets) {
      const key = tensorNamesKey(graph.weights.map((w) => w.path));
      nets.set(key, [...(nets.get(key) ?? []), name]);
    }
  }
  const lines = [...nets]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, names]) => `  ${JSON.stringify(key)}: ${JSON.stringify(names.join(" "))}`);
  return `{\n${lines.join(",\n")}\n}\n`;
}
