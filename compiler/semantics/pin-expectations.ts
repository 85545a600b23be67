/** `sec fmt --pin`: writes the number of matches into every edit of a file. */
import type { Diagnostics } from "../diagnostics/diagnostic.ts";
import type { ImportOnnx } from "../import/onnx.ts";
import type { Edit, NetDef, SpecFile } from "../syntax/ast.ts";
import { expandNet } from "./expand-net.ts";
import type { Workspace } from "./workspace.ts";

/**
 * The entry file with `expect` on every edit of every net that can stand alone; an expression that gives the right number stays.
 * Undefined after errors, which are reported.
 */
export function pinExpectations(workspace: Workspace, diagnostics: Diagnostics, importOnnx?: ImportOnnx): SpecFile | undefined {
  const { spec } = workspace;
  if (!spec) return undefined;
  const counts = new Map<Edit, number>();
  for (const name of workspace.declared) {
    if (workspace.isComplete(name))
      expandNet(workspace, name, diagnostics, { importOnnx, onMatches: (edit, count) => counts.set(edit, count) });
  }
  if (diagnostics.hasErrors) return undefined;
  const pinned = (edit: Edit): Edit => {
    const count = counts.get(edit);
    return count === undefined || edit.expect ? edit : { ...edit, expect: { kind: "number", value: count, span: edit.span } };
  };
  const net = (def: NetDef): NetDef =>
    def.form.kind === "derived" ? { ...def, form: { ...def.form, edits: def.form.edits.map(pinned) } } : def;
  return { ...spec, defs: spec.defs.map((def) => (def.kind === "net" ? net(def) : def)) };
}
