/** The arguments of a layer that a picture shows, in a few characters: "3×3 · 64 · /2". */
import type { TensorType } from "../ir/type.ts";

const pair = (value: unknown): string | undefined => {
  if (typeof value === "number") return `${value}×${value}`;
  return Array.isArray(value) ? value.join("×") : undefined;
};

const isOne = (value: unknown): boolean => value === 1 || (Array.isArray(value) && value.every((v) => v === 1));
const plain = (value: unknown): string => (Array.isArray(value) ? value.join("×") : String(value));

/** Only what tells one layer from another at a glance; the listing of `sec inspect` has the rest. */
export function layerDetail(op: string, args: Readonly<Record<string, unknown>>, input: TensorType | undefined): string {
  const parts: string[] = [];
  const kernel = pair(args.kernel);
  if (kernel !== undefined) parts.push(kernel);
  if (typeof args.out === "number") parts.push(String(args.out));
  if (args.stride !== undefined && args.stride !== null && !isOne(args.stride)) parts.push(`/${plain(args.stride)}`);
  if (typeof args.groups === "number" && args.groups > 1) {
    parts.push(args.groups === input?.shape[1] ? "depthwise" : `${args.groups} groups`);
  }
  if (args.dilation !== undefined && !isOne(args.dilation)) parts.push(`dilation ${plain(args.dilation)}`);
  if (op === "dropout" && typeof args.p === "number") parts.push(String(args.p));
  return parts.join(" · ");
}
