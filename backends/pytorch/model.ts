/** The text of `model.py`: the classes of the net, then how its weights are loaded, saved and started. */
import type { Graph } from "../../compiler/ir/graph.ts";
import { startOf } from "../../compiler/semantics/build-graph.ts";
import { uniquePaths } from "../../compiler/semantics/paths.ts";
import type { NetTree } from "../../compiler/semantics/tree.ts";
import { walk } from "../../compiler/semantics/tree.ts";
import { WRITTEN_BY } from "../backend.ts";
import { classesOf, type PythonClass, placeOf, shapesOf, withNames } from "./classes.ts";
import { LINE, print } from "./expr.ts";

import { layers, weights } from "./host.gen.ts";
import { docText, isFreeName, isPlainAttribute, literal, pythonString } from "./python-text.ts";
import { structureOf } from "./structure.ts";

/** Names the fixed part of the file uses. */
const FIXED =
  "PaddedConv2d CroppedConvTranspose2d ChannelConv LayerNorm2d Affine DropPath drop_path average_pool Any Dict Optional Tuple Union Tensor " +
  "OrderedDict F nn torch math json os load_weights save_weights init_weights read_tensors write_tensors NET INPUTS OUTPUTS INSERTED FIXED_INIT " +
  "PRESERVE_ZERO PRESERVE_FACTOR Exception ValueError";

/** Classes and functions of python/layers.py by name. */
function extraTexts(): ReadonlyMap<string, string> {
  const parts = layers.trim().split(/\n\n\n(?=class |def )/);
  return new Map(parts.map((p) => [/^(?:class|def) (\w+)/.exec(p)?.[1] ?? "", p]));
}

/** The fixed classes that the text needs, in their own order. */
function extrasIn(text: string): string[] {
  const all = extraTexts();
  const needed = new Set<string>();
  const need = (from: string): void => {
    for (const [name, body] of all)
      if (!needed.has(name) && new RegExp(`\\b${name}\\(`).test(from)) {
        needed.add(name);
        need(body.replace(new RegExp(`^(class|def) ${name}\\(`), ""));
      }
  };
  need(text);
  return [...all].filter(([name]) => needed.has(name)).map(([, body]) => body);
}

const typeOf = (value: unknown): string =>
  typeof value === "boolean"
    ? "bool"
    : typeof value === "number"
      ? Number.isInteger(value)
        ? "int"
        : "float"
      : typeof value === "string"
        ? "str"
        : "tuple";

function annotation(values: readonly unknown[]): string {
  const types = [...new Set(values.map(typeOf))];
  return types.length === 1
    ? (types[0] as string)
    : types.every((t) => t === "int" || t === "float")
      ? "float"
      : `Union[${types.join(", ")}]`;
}

function signature(cls: PythonClass): string {
  const parameters = cls.parameters.map((p) => {
    const typed = `${p.name}: ${annotation(p.values)}`;
    return p.standard === undefined ? typed : `${typed} = ${literal(p.standard)}`;
  });
  const flat = `    def __init__(self${parameters.map((p) => `, ${p}`).join("")}) -> None:`;
  if (flat.length <= LINE) return flat;
  return `    def __init__(\n        self,\n${parameters.map((p) => `        ${p},`).join("\n")}\n    ) -> None:`;
}

function docOf(cls: PythonClass): string {
  const { level, places } = cls;
  const where = placeOf(level);
  const what = level.kind === "group" ? `Group \`${level.path}\`` : level.parent ? `Block \`${level.type}\`` : `Net \`${level.type}\``;
  const head = docText(`${what}${where ? ` (${where})` : ""}.`);
  const shapes = docText(shapesOf(level));
  if (!level.parent) return `    """${head}\n\n    ${shapes}\n    """`;
  const paths = places.map((p) => p.path);
  const listed = paths.length > 4 ? `${paths.slice(0, 3).join(", ")}, ... (${paths.length} places)` : paths.join(", ");
  const first = places.length > 1 ? `At ${paths[0]}: ` : "";
  return `    """${head}\n\n    ${docText(first)}${shapes}\n    ${docText(`Used as ${listed}`)}\n    """`;
}

/** `self.conv1 = ...`, also for labels that Python or nn.Module has a meaning of its own for. */
function registration(parts: readonly string[], value: (at: number) => string): string {
  const part = parts.at(-1) as string;
  const object = parts
    .slice(0, -1)
    .reduce((o, p) => (isPlainAttribute(p) ? `${o}.${p}` : `${o}._modules[${pythonString(p)}]`), "        self")
    .trim();
  if (isPlainAttribute(part)) return `        ${object}.${part} = ${value(8)}`;
  if (isFreeName(part)) return `        ${object}.add_module(${pythonString(part)}, ${value(8)})`;
  return `        # add_module refuses names of attributes\n        ${object}._modules[${pythonString(part)}] = ${value(8)}`;
}

function classText(cls: PythonClass, outputNames: readonly string[]): string {
  const head = `class ${cls.name}(${cls.sequence ? "nn.Sequential" : "nn.Module"}):\n${docOf(cls)}\n`;
  if (cls.sequence) {
    const text = print(cls.sequence, cls.inConstructor, 8).replace(/^nn\.Sequential\(/, "super().__init__(");
    return `${head}\n${signature(cls)}\n        ${text}`;
  }
  const kept = cls.parameters.filter((p) => p.isRead).map((p) => `        self.${p.name} = ${p.name}`);
  const modules = cls.registrations.map((r) =>
    registration(r.parts, (at) => (r.value ? print(r.value, cls.inConstructor, at) : "nn.Module()")),
  );
  const hasConstructor = kept.length + modules.length > 0 || cls.parameters.length > 0;
  const built = hasConstructor ? `\n${signature(cls)}\n        super().__init__()\n${[...kept, ...modules].join("\n")}\n` : "";
  return `${head}${built}\n${forwardText(cls, outputNames)}`;
}

function forwardText(cls: PythonClass, outputNames: readonly string[]): string {
  const { inputs, statements, results } = cls.forward;
  const isNet = cls.level.parent === undefined;
  const show = (e: (typeof results)[number], at: number): string => print(e, cls.inForward, at);
  const lines = statements.map((s) => {
    const left = `        ${s.targets.join(", ")} = `;
    return `${left}${show(s.value, 8)}`;
  });
  const several = results.length > 1;
  const type = !several ? "Tensor" : isNet ? "Dict[str, Tensor]" : `Tuple[${results.map(() => "Tensor").join(", ")}]`;
  const result = !several
    ? show(results[0] as (typeof results)[number], 8)
    : isNet
      ? `{${results.map((r, i) => `${pythonString(outputNames[i] ?? "")}: ${show(r, 8)}`).join(", ")}}`
      : results.map((r) => show(r, 8)).join(", ");
  return [`    def forward(self, ${inputs.map((i) => `${i}: Tensor`).join(", ")}) -> ${type}:`, ...lines, `        return ${result}`].join(
    "\n",
  );
}

/** Where inserted layers are, what `init preserve` does, and which layers start by a policy of their own. */
function startTables(graph: Graph, tree: NetTree | undefined): string[] {
  const inserted: string[] = [];
  const fixed: string[] = [];
  if (tree) {
    const paths = uniquePaths(tree.root);
    walk(tree.root, (node) => {
      const path = paths.get(node) ?? "";
      const mark = node.inserted;
      if (mark?.policy === "preserve") inserted.push(path);
      if (node.kind !== "layer") return;
      // a clause of an edit decides where both defaults lead to the same policy
      const [a, b] = [startOf(node, "default"), startOf(node, "paper")];
      if (a === b) fixed.push(`    ${pythonString(path)}: ${pythonString(a)},`);
    });
  }
  const factors = graph.weights.flatMap((w) => (w.preserve ? [`    ${pythonString(w.path)}: ${literal(w.preserve.factor)},`] : []));
  const zeroed = graph.weights
    .filter((w) => w.inserted?.policy === "preserve" && w.trainable && w.init.kind === "constant" && w.init.value === 0)
    .map((w) => `    ${pythonString(w.path)},`);
  const list = (items: readonly string[], [a, b]: readonly [string, string]): string =>
    items.length === 0 ? `${a}${b}` : `${a}\n${items.join("\n")}\n${b}`;
  return [
    "# Modules that edits with `init preserve` put in, tensors that are 0 there, and factors of the neighbours that make up for it.",
    `INSERTED: Tuple[str, ...] = ${list(
      inserted.map((p) => `    ${pythonString(p)},`),
      ["(", ")"],
    )}`,
    `PRESERVE_ZERO: Tuple[str, ...] = ${list(zeroed, ["(", ")"])}`,
    `PRESERVE_FACTOR: Dict[str, float] = ${list(factors, ["{", "}"])}`,
    "# Layers whose edit says how they start, whatever the policy.",
    `FIXED_INIT: Dict[str, str] = ${list(fixed, ["{", "}"])}`,
  ];
}

export interface ModelText {
  readonly text: string;
  /** Name of the net's class. */
  readonly net: string;
}

export function modelText(graph: Graph, tree: NetTree | undefined, source: string, weightsFile: string): ModelText {
  const taken = new Set(FIXED.split(" "));
  const root = structureOf(graph, tree);
  const classes = classesOf(root, taken);
  const net = classes.at(-1) as PythonClass;
  const outputNames = graph.outputs.map((o) => o.name);
  const body = withNames(classes.map((c) => classText(c, outputNames)).join("\n\n\n"), classes);
  const needs = (word: string): boolean => new RegExp(`\\b${word}\\b`).test(body);
  const extras = extrasIn(body);
  const inputs = graph.inputs.map((v) => `${pythonString(v.name)}: ${literal(v.type.shape.slice(1) as number[])}`);
  const text = [
    `"""${docText(`${graph.name}, as a PyTorch module. ${WRITTEN_BY} from ${source.split("/").at(-1)}.`)}

    net = ${net.name}()
    load_weights(net, ${docText(pythonString(weightsFile))})

The names in \`state_dict()\` are those of the spec. Runs on PyTorch 1.13 and later, needs nothing but torch and numpy.
"""
from __future__ import annotations

import json
import math
import os${needs("OrderedDict") ? "\nfrom collections import OrderedDict" : ""}
from typing import Any, Dict, Optional, Tuple, Union

import torch${needs("F") || extras.some((e) => /\bF\./.test(e)) ? "\nimport torch.nn.functional as F" : ""}
from torch import Tensor, nn`,
    [...extras, body].join("\n\n\n"),
    [
      `NET = ${net.name}`,
      "# Sizes of the inputs, without the batch.",
      `INPUTS: Dict[str, Tuple[int, ...]] = {${inputs.join(", ")}}`,
      `OUTPUTS: Tuple[str, ...] = (${outputNames.map(pythonString).join(", ")}${outputNames.length === 1 ? "," : ""})`,
      ...startTables(graph, tree),
    ].join("\n"),
    weights.trim(),
  ].join("\n\n\n");
  return { text: `${text}\n`, net: net.name };
}
