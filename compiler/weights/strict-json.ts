/**
 * JSON as weight files need it: objects become Maps (so `__proto__` is a name like any other), a repeated key is refused,
 * nothing but spaces may follow. `JSON.parse` can do none of the three.
 */
import { LIMITS } from "../limits.ts";

export type StrictJson = { readonly value: unknown } | { readonly reason: string };

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const SPACE = /[ \t\r\n]*/y;
const WORDS = new Map<string, unknown>([
  ["true", true],
  ["false", false],
  ["null", null],
]);

/** The value, or why the text is none: "not well-formed JSON at character 17", "JSON with the key `a` twice". */
export function strictJson(text: string): StrictJson {
  let at = 0;
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0];
    if (found !== undefined) at += found.length;
    return found;
  };
  const skip = (): void => {
    match(SPACE);
  };
  const bad = (reason = `not well-formed JSON at character ${at}`): never => {
    throw new Malformed(reason);
  };
  const take = (c: string): boolean => {
    if (text[at] !== c) return false;
    at++;
    skip();
    return true;
  };
  const string = (): string => {
    // no regular expression: on a string of 100 MB its backtracking stack would overflow
    let end = at + 1;
    while (end < text.length && text[end] !== '"') end += text[end] === "\\" ? 2 : 1;
    if (end >= text.length) bad();
    try {
      const result = JSON.parse(text.slice(at, end + 1)) as string;
      at = end + 1;
      return result;
    } catch {
      return bad();
    }
  };
  const value = (depth: number): unknown => {
    if (depth > LIMITS.nesting) bad("JSON nested too deeply");
    const result = scalarOrNested(depth);
    skip();
    return result;
  };
  const scalarOrNested = (depth: number): unknown => {
    if (take("{")) return object(depth);
    if (take("[")) return list(depth);
    if (text[at] === '"') return string();
    for (const [word, v] of WORDS)
      if (text.startsWith(word, at)) {
        at += word.length;
        return v;
      }
    return Number(match(NUMBER) ?? bad());
  };
  const object = (depth: number): Map<string, unknown> => {
    const out = new Map<string, unknown>();
    if (take("}")) return out;
    do {
      const key = text[at] === '"' ? string() : bad();
      skip();
      if (out.has(key)) bad(`JSON with the key \`${key}\` twice`);
      if (!take(":")) bad();
      out.set(key, value(depth + 1));
    } while (take(","));
    if (text[at] !== "}") bad();
    at++;
    return out;
  };
  const list = (depth: number): unknown[] => {
    const out: unknown[] = [];
    if (take("]")) return out;
    do out.push(value(depth + 1));
    while (take(","));
    if (text[at] !== "]") bad();
    at++;
    return out;
  };
  try {
    skip();
    const result = value(0);
    if (at < text.length) bad(`followed by something else at character ${at}`);
    return { value: result };
  } catch (error) {
    if (error instanceof Malformed) return { reason: error.reason };
    throw error;
  }
}

/** Leaves the recursion; never leaves this file. */
class Malformed extends Error {
  readonly reason: string;
  constructor(reason: string) {
    super(reason);
    this.reason = reason;
  }
}
