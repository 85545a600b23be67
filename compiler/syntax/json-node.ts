/** Reading jsonc-parser's tree: keys, places, plain values, and the text inside a string with the offsets its escapes shift. */
import type { Node } from "jsonc-parser";
import { type SourceFile, type Span, span } from "../source.ts";
import type { Fragment } from "./fragment.ts";

/** The property `key` of an object: a node whose children are the key and, when it is well formed, the value. */
export function property(node: Node | undefined, key: string): Node | undefined {
  if (node?.type !== "object") return undefined;
  return node.children?.find((child) => child.children?.[0]?.value === key);
}

export function valueAt(node: Node | undefined, key: string): Node | undefined {
  return property(node, key)?.children?.[1];
}

export function items(node: Node | undefined): readonly Node[] {
  return node?.type === "array" ? (node.children ?? []) : [];
}

export function nodeSpan(file: SourceFile, node: Node): Span {
  return span(file, node.offset, node.offset + node.length);
}

/** The node at a path of keys and indices, or the deepest one on the way. */
export function nodeAt(root: Node, path: readonly PropertyKey[]): Node {
  let node = root;
  for (const step of path) {
    const next = typeof step === "number" ? items(node)[step] : valueAt(node, String(step));
    if (!next) return node;
    node = next;
  }
  return node;
}

/** The value of a node; objects without prototype, so that `__proto__` is a key like any other. */
export function plain(node: Node): unknown {
  if (node.type === "array") return items(node).map(plain);
  if (node.type !== "object") return node.value;
  const object: Record<string, unknown> = Object.create(null);
  for (const { children } of node.children ?? []) {
    const [key, value] = children ?? [];
    if (key && value) object[key.value] = plain(value);
  }
  return object;
}

/** The text of a string node from its character `from` on, knowing where in the file each character was written. */
export function stringFragment(file: SourceFile, node: Node, from = 0): Fragment {
  const text: string = node.value;
  const offsets: number[] = [];
  let offset = node.offset + 1;
  for (let i = 0; i < text.length; i++) {
    offsets.push(offset);
    offset += file.text[offset] !== "\\" ? 1 : file.text[offset + 1] === "u" ? 6 : 2;
  }
  offsets.push(offset);
  return { file, text: text.slice(from), offsets: offsets.slice(from) };
}
