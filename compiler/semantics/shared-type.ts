/** The type a `shared` use gives: its part evaluated again on what arrives, without changing the part's own types. */
import type { TensorType } from "../ir/type.ts";
import { layerType, mergeType, type Report, sharedFits } from "./infer-types.ts";
import type { SharedNode } from "./tree.ts";
import { evaluateUse } from "./tree-values.ts";

/** Undefined after a report (SE202, SE2xx), or when the input is unknown. */
export function sharedType(node: SharedNode, input: TensorType | undefined, report: Report): TensorType | undefined {
  if (!input) return undefined;
  // every problem is shown at the use: the part itself is fine where it stands
  const atUse: Report = (message, _place, extra) => report(message, node.nameSpan, extra);
  return evaluateUse<TensorType | undefined>(node, input, {
    input: (item) => item.type,
    layer: (layer, type, use) => (use && !sharedFits(layer, type, use, atUse) ? undefined : layerType(layer, type, atUse)),
    merge: (merge, types, _use, arriving) => mergeType(merge, types, arriving, atUse),
    unknown: () => undefined,
  });
}
