/** Looks at the values a file gives (weights.md section 4, step 11), one tensor at a time. */
import { type Diagnostic, diagnostic } from "../diagnostics/diagnostic.ts";
import { messages } from "../diagnostics/messages.gen.ts";
import type { WeightPlan } from "./check.ts";
import type { TensorFile } from "./safetensors.ts";
import { tensorValues } from "./values.ts";

/** SE408 for a negative `running_var`, SE491 for what is not finite. Reads the whole file once. */
export function checkValues(plan: WeightPlan, file: TensorFile): Diagnostic[] {
  const out: Diagnostic[] = [];
  const notFinite: string[] = [];
  let count = 0;
  for (const [path, source] of plan.sources) {
    if (source.kind !== "file") continue;
    const values = tensorValues(file, source.tensor);
    const bad = values.reduce((n, v) => (Number.isFinite(v) ? n : n + 1), 0);
    if (bad > 0) notFinite.push(`\`${path}\`: ${bad} of ${values.length}`);
    count += bad;
    const channel = /(^|\.)running_var$/.test(path) ? values.findIndex((v) => v < 0) : -1;
    if (channel >= 0) out.push(diagnostic(messages.SE408.variance({ path, channel, value: values[channel]! })));
  }
  if (notFinite.length > 0) {
    const notes = notFinite.length > 10 ? [...notFinite.slice(0, 10), `... and ${notFinite.length - 10} more`] : notFinite;
    out.push(diagnostic(messages.SE491.values({ count, tensors: notFinite.length }), undefined, { notes }));
  }
  return out;
}
