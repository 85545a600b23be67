/**
 * A foreign network in our vocabulary, before it becomes a spec: SSA over value names, NCHW meaning.
 * Every reader of a foreign format ends here; recovering modules and naming layers is the same work for all of them.
 */
import type { Message } from "../diagnostics/diagnostic.ts";
import type { TensorValues } from "../ir/values.ts";

export interface ImportedNet {
  /** An identifier: what the net is called in the spec. */
  readonly name: string;
  readonly inputs: readonly ImportedInput[];
  /** Topological. */
  readonly nodes: readonly ImportedNode[];
  /** `name` is the user's; `value` the name of an input or of a node's output. */
  readonly outputs: readonly { readonly name: string; readonly value: string }[];
  /** By the file's names; f32, in our layout (`compiler/ops`: conv weights are OIHW, linear weights [out, in]). */
  readonly weights: ReadonlyMap<string, ImportedTensor>;
  /** Those of `weights` that the file itself names; the others are called after their layers. Undefined: it names none. */
  readonly fileNames?: ReadonlySet<string>;
  /**
   * Labels that the file's tool made up ("re_lu_3"). Where it does that, names without a module do not say that a layer without tensors
   * lies in none.
   */
  readonly madeUp?: ReadonlySet<string>;
  /** What the net has otherwise than the file. */
  readonly notes?: readonly Message[];
}

export interface ImportedInput {
  readonly name: string;
  /** Only the first size may be open ("N"). */
  readonly shape: readonly (number | "N")[];
}

export interface ImportedNode {
  /** The file's node name, unique in the net; any text. */
  readonly label: string;
  /** A built-in layer (a key of `compiler/ops`) or a merge word: `add`, `mul`, `concat`. */
  readonly op: string;
  /** Names of inputs of the net or outputs of earlier nodes. */
  readonly inputs: readonly string[];
  /** The name of the value it makes. */
  readonly output: string;
  /** As a user would write them in a spec: defaults may be left out. */
  readonly attrs: Readonly<Record<string, unknown>>;
  /** The layer's own tensors ("weight", "bias", "running_mean") to names in `weights`. */
  readonly tensors: Readonly<Record<string, string>>;
  /** The value of an earlier node whose layer this is once more, with the same weights; then `tensors` is empty. */
  readonly same?: string;
}

export interface ImportedTensor {
  readonly shape: readonly number[];
  readonly data: TensorValues;
}
