/** `kernels/*.wat`: the text of every distinct function, those that only the relaxed binary has marked as such. */
import { WRITTEN_BY } from "../backend.ts";
import { type LinkedFunction, latin } from "./encoder.ts";
import type { FunctionBody } from "./function-writer.ts";
import { closureOf, functionText, type NameOf } from "./print-wat.ts";

export interface KernelFile {
  readonly name: string;
  readonly text: string;
}

/** What calls the kernels, and what loading needs. */
const NO_KERNELS = new Set(["run", "digest", "expand", "warm", "warm-all"]);

/** A complete module a file: the function, exported, and what it calls. */
function moduleText(body: FunctionBody): string {
  const list = closureOf(body);
  const names = new Map(list.map((f, i) => [f, `${f.name.replace(/[^\w.-]/g, "_")}${f === body ? "" : `_${i}`}`]));
  const nameOf: NameOf = (f) => names.get(f) ?? f.name;
  const functions = list.map((f) => functionText(f, nameOf)).join("\n");
  return `(module\n(import "env" "memory" (memory 1))\n${functions}\n(export "kernel" (func $${nameOf(body)})))\n`;
}

export function kernelFiles(plain: readonly LinkedFunction[], relaxed: readonly LinkedFunction[]): KernelFile[] {
  // calls are by number, which differs between the binaries: a function is told apart by its text as well
  const seen = new Set<string>();
  const files: KernelFile[] = [];
  for (const [list, own] of [
    [plain, false],
    [relaxed, true],
  ] as const) {
    for (const { body, bytes } of list) {
      if (NO_KERNELS.has(body.name)) continue;
      const calls = body.code.some((i) => i.kind === "call");
      const key = calls ? `${own} ${latin(bytes)}` : latin(bytes);
      if (seen.has(key)) continue;
      seen.add(key);
      const number = String(files.length).padStart(3, "0");
      const name = `${number}-${body.name.replace(/[^\w-]+/g, "-")}${own ? "-relaxed" : ""}`;
      files.push({ name, text: `;; ${WRITTEN_BY}. Do not edit.\n${moduleText(body)}` });
    }
  }
  return files;
}
