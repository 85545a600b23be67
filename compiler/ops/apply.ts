/** Applies an op's own rules when a node is built: defaults, shape, tensors. Used by semantics, importers, passes and tests. */
import type { GraphBuilder } from "../ir/build.ts";
import type { Attrs, Value, Weight } from "../ir/graph.ts";
import { f32 } from "../ir/type.ts";
import type { Origin } from "../source.ts";
import { opOf } from "./index.ts";
import { isProblem, type Problem } from "./op.ts";
import { completeAttributes } from "./read-attributes.ts";

export interface ApplyOptions {
  readonly path: string;
  readonly origin: Origin;
  /** Existing tensors by own name (shared uses); the others are made under `path`. */
  readonly weights?: Readonly<Record<string, Value>>;
  /** Which `init` policy new tensors get; default "default". */
  readonly init?: "default" | "paper";
  /** Extra marks for new tensors. */
  readonly mark?: Pick<Weight, "inserted" | "preserve">;
}

/** `attrs` as written: the op's schema fills the defaults in (and must accept them: callers validate user input first). */
export function applyOp(builder: GraphBuilder, op: string, inputs: readonly Value[], attrs: Attrs, options: ApplyOptions): Value | Problem {
  const record = opOf(op);
  const full = completeAttributes(record, attrs) as never;
  const types = inputs.map((v) => v.type);
  const type = record.infer(types, full);
  if (isProblem(type)) return type;
  const weights: Record<string, Value> = {};
  for (const [name, spec] of Object.entries(record.weights?.(types, full) ?? {})) {
    weights[name] =
      options.weights?.[name] ??
      builder.weight(
        {
          path: options.path === "" ? name : `${options.path}.${name}`,
          trainable: spec.trainable ?? true,
          init: spec.init[options.init ?? "default"],
          ...options.mark,
        },
        { ...f32(...spec.shape), dtype: spec.dtype ?? "f32" },
      );
  }
  return builder.node({ op, inputs, attrs: full, weights, type, path: options.path, origin: options.origin });
}
