/** Shipped nets with their trees: what the pytorch target writes modules from. */
import { readdirSync, readFileSync } from "node:fs";
import { Diagnostics } from "../../compiler/diagnostics/diagnostic.ts";
import { type CheckedNet, compileFrontend } from "../../compiler/frontend.ts";
import { sourceFile } from "../../compiler/source.ts";
import { smallGraph, type WholeNet } from "./whole-nets.ts";

const FOLDER = new URL("../../specs/nets/", import.meta.url);

/** A net of `text`, which may use the nets that ship. */
export function checkedNet(text: string, file: string, net: string, shapes?: Readonly<Record<string, readonly number[]>>): CheckedNet {
  const diagnostics = new Diagnostics();
  const shipped = readdirSync(FOLDER);
  const host = {
    readText(path: string) {
      const name = path.replace(/^sec\//, "");
      return shipped.includes(name)
        ? ({ ok: true, text: readFileSync(new URL(name, FOLDER), "utf8") } as const)
        : ({ ok: false, reason: "there is no such file" } as const);
    },
  };
  const { nets } = compileFrontend(sourceFile(file, text), host, diagnostics, { net, ...(shapes ? { shapes } : {}) });
  const [found] = nets;
  if (diagnostics.hasErrors || !found) throw new Error(diagnostics.all.map((d) => `${d.code} ${d.title}`).join("\n"));
  return found;
}

/** A shipped net at the size the other targets are tested at. */
export function smallNet(net: WholeNet): CheckedNet {
  const shapes = Object.fromEntries(smallGraph(net).inputs.map((v) => [v.name, v.type.shape.map((d) => (typeof d === "number" ? d : 1))]));
  return checkedNet(readFileSync(new URL(net.file, FOLDER), "utf8"), net.file, net.net, shapes);
}
