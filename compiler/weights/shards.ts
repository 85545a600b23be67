/** Sharded sets: `model.safetensors.index.json` says which file of the same folder holds which tensor. */
import { messages } from "../diagnostics/messages.gen.ts";
import { type ByteSource, type OpenResult, openSafetensors, type StoredTensor, type TensorFile } from "./safetensors.ts";
import { strictJson } from "./strict-json.ts";

export const isShardIndex = (name: string): boolean => name.endsWith(".safetensors.index.json");

/** A plain file name: it may not leave the index's folder. */
const isPlainName = (name: string): boolean => name !== "" && name !== "." && !/[/\\\0:]/.test(name) && !name.includes("..");

/**
 * `open` gives a file of the index's own folder, or undefined if there is none.
 * Every tensor of the index must be in the part it is said to be in, and every tensor of a part must be in the index.
 */
export function openShards(name: string, index: string, open: (part: string) => ByteSource | undefined): OpenResult {
  const broken = (reason: string): OpenResult => ({ ok: false, problem: messages.SE405.shards({ file: name, reason }) });
  const json = strictJson(index);
  if ("reason" in json) return broken(`it is ${json.reason}`);
  const map: unknown = json.value instanceof Map ? json.value.get("weight_map") : undefined;
  if (!(map instanceof Map) || map.size === 0) return broken("it has no `weight_map`");

  const parts = new Map<string, TensorFile>();
  const tensors = new Map<string, StoredTensor>();
  const metadata = new Map<string, string>();
  let bytes = 0;
  for (const [tensor, part] of map as Map<string, unknown>) {
    if (typeof part !== "string" || !isPlainName(part)) return broken(`the part of \`${tensor}\` is not the name of a file beside it`);
    let file = parts.get(part);
    if (!file) {
      const source = open(part);
      if (!source) return broken(`its part ${part} is missing`);
      const opened = openSafetensors(part, source);
      if (!opened.ok) return opened;
      file = opened.file;
      parts.set(part, file);
      bytes += file.bytes;
      for (const [key, value] of file.metadata) metadata.set(key, value);
    }
    const stored = file.tensors.get(tensor);
    if (!stored) return broken(`\`${tensor}\` is not in ${part}`);
    tensors.set(tensor, stored);
  }
  for (const [part, file] of parts)
    for (const tensor of file.tensors.keys())
      if (map.get(tensor) !== part) return broken(`${part} holds \`${tensor}\`, which the index does not say`);
  return { ok: true, file: { name, tensors, metadata, bytes } };
}
