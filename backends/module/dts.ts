/** The `.d.ts` of an emitted module: literal shapes, so that a wrong name is a type error at the user's desk (architecture.md section 8.1). */

import { invariant } from "../../compiler/invariant.ts";
import type { Value } from "../../compiler/ir/graph.ts";
import type { Program } from "../../compiler/ir/kernel.ts";
import { indent, propertyKey, stringLiteral } from "./text.ts";

export interface Port {
  readonly name: string;
  readonly shape: readonly number[];
}

/** What a module takes and gives; printed into the module as `signature` and into the `.d.ts`. */
export interface Signature {
  readonly name: string;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
}

/** A member of `LoadOptions` or `Net` beyond those that every target has. */
export interface Member {
  /** "device?: Device", "profile(inputs: Inputs): Promise<Profile>". */
  readonly text: string;
  readonly doc: string;
}

export interface DeclarationExtras {
  /** Type declarations before `LoadOptions`, e.g. that of `Device`. */
  readonly types?: string;
  readonly options?: readonly Member[];
  /** True when an option is required, so that `load` cannot be called without. */
  readonly optionsRequired?: boolean;
  readonly net?: readonly Member[];
}

/** Ports of values with a bound batch; works on the inputs and outputs of a Graph's `inputs.map(v => ({name: v.name, value: v}))` too. */
export function signatureOf(
  name: string,
  inputs: Program["inputs"],
  outputs: readonly { readonly name: string; readonly value: Value }[],
): Signature {
  const port = (p: { readonly name: string; readonly value: Value }): Port => ({
    name: p.name,
    shape: p.value.type.shape.map((size) => {
      invariant(typeof size === "number", `the batch of ${p.name} is open`);
      return size;
    }),
  });
  return { name, inputs: inputs.map(port), outputs: outputs.map(port) };
}

const portLiteral = (p: Port): string => `{ name: ${stringLiteral(p.name)}, dtype: "f32", shape: [${p.shape.join(", ")}] }`;

/** One port beside the brackets, several on lines of their own. */
const portList = (ports: readonly Port[]): string =>
  ports.length === 1 ? `[${portLiteral(ports[0] as Port)}]` : `[\n${ports.map((p) => `    ${portLiteral(p)},\n`).join("")}  ]`;

/** `export const signature = ...;` of the module. */
export function signatureText(s: Signature): string {
  return [
    "/** Names and shapes of everything this net takes and gives; row-major, NCHW. */",
    "export const signature = /** @type {const} */ ({",
    `  name: ${stringLiteral(s.name)},`,
    `  inputs: ${portList(s.inputs)},`,
    `  outputs: ${portList(s.outputs)},`,
    "});",
  ].join("\n");
}

const literalPort = (p: Port): string =>
  `{ readonly name: ${stringLiteral(p.name)}; readonly dtype: "f32"; readonly shape: readonly [${p.shape.join(", ")}] }`;
const record = (ports: readonly Port[]): string => `{ ${ports.map((p) => `${propertyKey(p.name)}: Float32Array`).join("; ")} }`;
const member = (m: Member): string => `  /** ${m.doc} */\n  ${m.text};`;

/** The whole `.d.ts`. */
export function declarations(s: Signature, extras: DeclarationExtras = {}): string {
  const options: Member[] = [
    {
      text: "weights?: ArrayBuffer | Uint8Array | URL | string",
      doc: "Default: the file beside this module; fetched in browsers, read in Node, Deno and Bun. Bytes are not copied: leave them as they are.",
    },
    ...(extras.options ?? []),
  ];
  const inputs = s.inputs.length === 0 ? "Record<string, never>" : record(s.inputs);
  return `// Written by sec. Do not edit.
${extras.types ? `${extras.types.trimEnd()}\n` : ""}export interface LoadOptions {
${options.map(member).join("\n")}
}

export interface Net {
  /** Arrays are row-major in the shapes of \`signature\`. Inputs are copied; the returned arrays are the caller's. Calls are served in order. */
  run(inputs: ${inputs}): Promise<${record(s.outputs)}>;
  /** Frees everything; twice is harmless; \`run\` rejects afterwards. */
  dispose(): void;
${(extras.net ?? []).map((m) => `${member(m)}\n`).join("")}}

export declare const signature: {
  readonly name: ${stringLiteral(s.name)};
  readonly inputs: readonly [
${indent(s.inputs.map((p) => `${literalPort(p)},`).join("\n"), 4)}
  ];
  readonly outputs: readonly [
${indent(s.outputs.map((p) => `${literalPort(p)},`).join("\n"), 4)}
  ];
};

export declare function load(options${extras.optionsRequired ? "" : "?"}: LoadOptions): Promise<Net>;
`;
}
