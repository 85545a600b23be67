/** Attributes as an op's schema reads them: checked, with defaults filled in. */
import type * as z from "zod";
import type { Attrs } from "../ir/graph.ts";
import type { OpDef } from "./op.ts";

/** What a schema gave, and whose: it is not read again. */
const complete = new WeakMap<object, OpDef>();

/** Few values a schema: writing a program for each, as zod does by itself, would take longer than going through it. */
const ONCE = { jitless: true } as const;

export function readAttributes(op: OpDef, written: Attrs): z.ZodSafeParseResult<Attrs> {
  const result = op.attrs.safeParse(written, ONCE) as z.ZodSafeParseResult<Attrs>;
  if (result.success) complete.set(result.data, op);
  return result;
}

/** The same for attributes that the schema accepts. */
export function completeAttributes(op: OpDef, written: Attrs): Attrs {
  if (complete.get(written) === op) return written;
  const result = readAttributes(op, written);
  if (!result.success) throw result.error;
  return result.data;
}
