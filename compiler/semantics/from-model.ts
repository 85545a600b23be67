/** `net A from onnx "FILE"`: the model as a net of the language, and its tensors on the layers that read them (language.md section 9.3). */
import { Diagnostics } from "../diagnostics/diagnostic.ts";
import { messages } from "../diagnostics/messages.gen.ts";
import type { ImportedNet } from "../import/imported.ts";
import { partOf } from "../import/label-items.ts";
import { type ImportedSpec, toSpec } from "../import/to-spec.ts";
import { must } from "../invariant.ts";
import type { TensorValues } from "../ir/values.ts";
import { sourceFile } from "../source.ts";
import type { NetDef, StringLiteral } from "../syntax/ast.ts";
import { parseSpec } from "../syntax/parse.ts";
import { type Context, report } from "./expand-context.ts";
import { library } from "./library.ts";
import type { FileScope } from "./scope.ts";
import { children, type LevelNode, pathOf, type TreeNode, walk } from "./tree.ts";

export interface OpenedModel {
  readonly def: NetDef;
  readonly home: FileScope;
  readonly net: ImportedNet;
  readonly spec: ImportedSpec;
}

/** Reads the model and writes it as a spec; undefined after a reported problem. */
export function openModel(cx: Context, path: StringLiteral, home: FileScope, name: string): OpenedModel | undefined {
  const file = path.value;
  const importOnnx = cx.importOnnx;
  const read = (importOnnx && home.readBytes?.(file)) ?? { ok: false as const, reason: "model files are not read here" };
  if (!importOnnx || !read.ok) {
    report(cx, messages.SE009.file({ file, reason: read.ok ? "" : read.reason }), path.span);
    return undefined;
  }
  const folder = file.includes("/") ? file.slice(0, file.lastIndexOf("/") + 1) : "";
  // one file holds the numbers of many tensors
  const parts = new Map<string, ReturnType<NonNullable<FileScope["readBytes"]>>>();
  const net = importOnnx(read.bytes, {
    file,
    name,
    shapes: cx.shapes,
    readPart(location, offset, length) {
      const part = parts.get(location) ?? home.readBytes?.(folder + location);
      if (part) parts.set(location, part);
      return part?.ok ? part.bytes.subarray(offset, length === undefined ? undefined : offset + length) : undefined;
    },
  });
  if ("problem" in net) {
    report(cx, net.problem, path.span);
    return undefined;
  }
  for (const note of net.notes ?? []) report(cx, note, path.span);
  const spec = toSpec(net, { inPlace: true });
  if ("problem" in spec) {
    report(cx, messages.SE601.unread({ file, reason: spec.problem }), path.span);
    return undefined;
  }
  const diagnostics = new Diagnostics();
  const text = sourceFile(file, spec.text);
  const parsed = parseSpec(text, diagnostics);
  const [problem] = diagnostics.all;
  if (problem) {
    report(cx, messages.SE601.unread({ file, reason: problem.title }), path.span);
    return undefined;
  }
  const def = must(parsed?.defs[0], "the net of an imported spec") as NetDef;
  return { def, home: { file: text, library: false, definitions: library() }, net, spec };
}

/** Puts the file's tensors on the layers, under the names they have there. */
export function giveTensors(level: LevelNode, { net, spec }: OpenedModel): void {
  const own = pathOf(level);
  const prefix = own === "" ? "" : `${own}.`;
  const byLayer = new Map<string, Map<string, { name: string; data: TensorValues }>>();
  for (const [path, name] of spec.names) {
    const at = path.lastIndexOf(".");
    const tensors = byLayer.get(path.slice(0, at)) ?? new Map();
    byLayer.set(path.slice(0, at), tensors);
    tensors.set(path.slice(at + 1), { name: prefix + name, data: must(net.weights.get(name), name).data });
  }
  const labels = spec.labels[Symbol.iterator]();
  const visit = (node: TreeNode): void => {
    if (node.kind !== "branch") {
      const label: string | undefined = labels.next().value;
      if (label !== undefined) node.fileName = label;
      if (node.kind === "merge" && spec.isFlat) node.alias = partOf(label ?? "");
      const given = byLayer.get(pathOf(node).slice(prefix.length));
      if (node.kind === "layer" && given) node.given = given;
      // what an `se` stands for: its own layers, in the order of its text
      if (node.kind === "level" && node.level !== "group") {
        walk(node, (inner) => {
          const own = byLayer.get(pathOf(inner).slice(prefix.length));
          if (inner.kind === "layer" && own) inner.given = own;
        });
        return;
      }
    }
    for (const inner of children(node)) visit(inner);
  };
  for (const node of children(level)) visit(node);
}
