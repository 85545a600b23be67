/** model.py of every net that ships, without its numbers: PyTorch builds it and carries shapes through it (on the meta device). */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { modelText } from "../backends/pytorch/model.ts";
import { pythonFor, runScript, temporary } from "./judges/python.ts";
import { smallNet } from "./judges/pytorch-nets.ts";
import { everyNet } from "./judges/whole-nets.ts";

test("every net that ships builds and runs: names, shapes and order of its tensors, shapes of its outputs", (context) => {
  const python = pythonFor(context);
  const root = temporary();
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  const nets = everyNet().map((which) => ({ ...smallNet(which), folder: path.join(root, which.net) }));
  for (const { graph, tree, folder } of nets) {
    mkdirSync(folder);
    writeFileSync(path.join(folder, "model.py"), modelText(graph, tree, "net.se", "none.safetensors").text);
  }
  const paths = nets.map((n) => n.folder);
  const states = JSON.parse(runScript(python, "pytorch_state.py", paths)) as { name: string; shape: number[]; dtype: string }[][];
  for (const [i, { graph }] of nets.entries()) {
    const tensors = graph.weights.map((w) => `${w.path} [${w.value.type.shape}]`);
    const outputs = graph.outputs.map((o) => `${o.name} [${o.value.type.shape.map((d) => (typeof d === "number" ? d : 1))}]`);
    expect(
      states[i]?.map((t) => `${t.name} [${t.shape}]`),
      graph.name,
    ).toEqual([...tensors, ...outputs]);
  }
}, 600_000);
