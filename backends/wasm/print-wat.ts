/** Functions in the text format of WebAssembly, for people and for the judges of tests. */
import { unreachable } from "../../compiler/invariant.ts";
import type { Callee, FunctionBody, Instruction } from "./function-writer.ts";

/** Callees by their text name, which is unique in a module. */
export type NameOf = (callee: FunctionBody) => string;

const number = (v: number): string =>
  Number.isNaN(v) ? "nan" : v === Infinity ? "inf" : v === -Infinity ? "-inf" : Object.is(v, -0) ? "-0" : String(v);

const calleeName = (callee: Callee, nameOf: NameOf): string => ("imported" in callee ? String(callee.imported) : `$${nameOf(callee)}`);

function instructionText(i: Instruction, nameOf: NameOf): string {
  switch (i.kind) {
    case "plain":
      return i.op;
    case "memory":
      return `${i.op}${i.offset ? ` offset=${i.offset}` : ""}${i.align === undefined ? "" : ` align=${2 ** i.align}`}`;
    case "lane":
      return `${i.op} ${i.lane}`;
    case "laneMemory":
      return `${i.op}${i.offset ? ` offset=${i.offset}` : ""} ${i.lane}`;
    case "local":
      return `${i.op} ${i.local}`;
    case "global":
      return `${i.op} ${i.global}`;
    case "const":
      return `${i.type}.const ${number(i.value)}`;
    case "i64":
      return `i64.const ${i.value}`;
    case "v128":
      return `v128.const ${i.type}x4 ${i.lanes.map(number).join(" ")}`;
    case "shuffle":
      return `i8x16.shuffle ${i.bytes.join(" ")}`;
    case "open":
      return `${i.op}${i.result ? ` (result ${i.result})` : ""}`;
    case "else":
    case "end":
      return i.kind;
    case "branch":
      return `${i.op} ${i.depth}`;
    case "table":
      return `br_table ${[...i.depths, i.otherwise].join(" ")}`;
    case "call":
      return `call ${calleeName(i.callee, nameOf)}`;
    default:
      return unreachable(i);
  }
}

/** `(func $name ...)` with its instructions indented by block. */
export function functionText(body: FunctionBody, nameOf: NameOf): string {
  const list = (word: string, types: readonly string[]): string => (types.length > 0 ? ` (${word} ${types.join(" ")})` : "");
  const lines = [`(func $${nameOf(body)}${list("param", body.params)}${list("result", body.results)}`];
  if (body.locals.length > 0) lines.push(`  ${list("local", body.locals).trim()}`);
  let depth = 1;
  for (const i of body.code) {
    if (i.kind === "end" || i.kind === "else") depth--;
    lines.push(`${"  ".repeat(depth)}${instructionText(i, nameOf)}`);
    if (i.kind === "open" || i.kind === "else") depth++;
  }
  return `${lines.join("\n")})`;
}

/** Every function that `body` calls, directly or not, callees first; itself last. */
export function closureOf(body: FunctionBody): FunctionBody[] {
  const found = new Set<FunctionBody>();
  const visit = (f: FunctionBody): void => {
    if (found.has(f)) return;
    for (const i of f.code) if (i.kind === "call" && !("imported" in i.callee)) visit(i.callee);
    found.add(f);
  };
  visit(body);
  return [...found];
}
