/** What a row of the bad-input table says, and the small texts that many rows use. */
import type { Project } from "./project.ts";

export interface Row {
  readonly name: string;
  /** Contents of net.se, unless `files` says otherwise. */
  readonly net?: string;
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  readonly prepare?: (p: Project) => void;
  /** Default: compile net.se for every target. */
  readonly args?: readonly string[];
  readonly stdin?: Uint8Array;
  readonly code: string;
  readonly exit: 1 | 2;
  /** Parts of the message. */
  readonly says: readonly string[];
  /** Files that may be there afterwards besides those that were there before. */
  readonly writes?: boolean;
}

export const net = (body: string, more = ""): string => `se 1\n${more}net n {\n  input x: f32[N, 4, 8, 8]\n  ${body}\n  output y\n}\n`;

/** A safetensors file with a header as given and `bytes` of zeros. */
export function tensors(header: unknown, bytes: number): Uint8Array {
  const text = typeof header === "string" ? header : JSON.stringify(header);
  const head = new TextEncoder().encode(text.padEnd(Math.ceil(text.length / 8) * 8));
  const out = new Uint8Array(8 + head.length + bytes);
  new DataView(out.buffer).setBigUint64(0, BigInt(head.length), true);
  out.set(head, 8);
  return out;
}

export const ONE = net("c: conv(2, 1)");
export const WEIGHT = { "c.weight": { dtype: "F32", shape: [2, 4, 1, 1], data_offsets: [0, 32] } };
export const withWeights = ["compile", "net.se", "-t", "cpu", "--weights", "w.safetensors"];
