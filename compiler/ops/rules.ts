/** What the IR's text form and its verifier need to know of ops, as a value they are given: `ir/` itself knows no op. */
import type { OpRules } from "../ir/verify.ts";
import { isOpName, opOf } from "./index.ts";
import { isProblem } from "./op.ts";

export const opRules: OpRules = {
  isOp: isOpName,
  infer(node) {
    const type = opOf(node.op).infer(
      node.inputs.map((v) => v.type),
      node.attrs as never,
    );
    return isProblem(type) ? type.problem.title : type;
  },
  weights: (node) =>
    opOf(node.op).weights?.(
      node.inputs.map((v) => v.type),
      node.attrs as never,
    ) ?? {},
  defaults(op) {
    if (!isOpName(op)) return {};
    const shape: Readonly<Record<string, { safeParse(value: unknown): { success: boolean; data?: unknown } }>> = opOf(op).attrs.shape;
    const out: Record<string, unknown> = {};
    for (const [name, schema] of Object.entries(shape)) {
      const parsed = schema.safeParse(undefined);
      if (parsed.success && parsed.data !== undefined) out[name] = parsed.data;
    }
    return out;
  },
};
