/** Looks at the values a file gives (weights.md section 4, step 11), one tensor at a time. */
import { type Diagnostic, diagnostic } from "../diagnostics/diagnostic.ts";
import { messages } from "../diagnostics/messages.gen.ts";
import type { WeightPlan } from "./check.ts";
import type { TensorFile } from "./safetensors.ts";
import { tensorValues } from "./values.ts";

/** SE408 for a negative `running_var`, SE491 for what is not finite. Reads the whole file once. */
export function checkValues(plan: WeightPlan, file: TensorFile): Diagnostic[] {
  const out: Diagnostic[] = [];
  const notFinite: { readonly path: string; readonly count: number; readonly of: number }[] = [];
  for (const [path, source] of plan.sources) {
    if (source.kind !== "file") continue;
    const values = tensorValues(file, source.tensor);
    const bad = values.reduce((n, v) => (Number.isFinite(v) ? n : n + 1), 0);
    if (bad > 0) notFinite.push({ path, count: bad, of: values.length });
    const channel = /(^|\.)running_var$/.test(path) ? values.findIndex((v) => v < 0) : -1;
    if (channel >= 0) out.push(diagnostic(messages.SE408.variance({ path, channel, value: Number(values[channel]!.toPrecision(4)) })));
  }
  const [first] = notFinite;
  if (first && notFinite.length === 1) out.push(diagnostic(messages.SE491.one({ path: first.path, count: first.count, total: first.of })));
  else if (first) {
    const notes = notFinite.slice(0, 10).map((t) => `\`${t.path}\`: ${t.count} of ${t.of}`);
    if (notFinite.length > 10) notes.push(`... and ${notFinite.length - 10} more`);
    out.push(diagnostic(messages.SE491.many({ tensors: notFinite.length }), undefined, { notes }));
  }
  return out;
}
