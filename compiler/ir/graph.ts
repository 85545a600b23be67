/**
 * The typed graph: SSA, topological, NCHW meaning, weights by name. Every backend starts from it; the graph backends end with it.
 * Immutable: passes return new graphs and share what did not change. Ids are dense integers in order of creation.
 */
import type { Origin } from "../source.ts";
import type { TensorType } from "./type.ts";
import type { TensorValues } from "./values.ts";

export interface Value {
  readonly id: number;
  readonly type: TensorType;
  /** The user's name for an input or output, or the path of the node that makes it. For people; identity is `id`. */
  readonly name: string;
}

/** Evaluated arguments of a layer after its op's schema filled the defaults in. Values are numbers, booleans, strings, lists of numbers. */
export type Attrs = Readonly<Record<string, unknown>>;

export interface Node {
  /** A key of the op table (`compiler/ops/index.ts`). */
  readonly op: string;
  readonly inputs: readonly Value[];
  /** Own tensors by their own name ("weight", "running_mean"); `shared` uses point at the same values. */
  readonly weights: Readonly<Record<string, Value>>;
  readonly attrs: Attrs;
  readonly output: Value;
  /** "layer1.0.se.fc1"; unique, used in every listing and message. */
  readonly path: string;
  /** Never optional: every later error can point at the spec. */
  readonly origin: Origin;
}

/** How a tensor starts when no file gives it (language.md section 10). */
export type Init =
  | { readonly kind: "constant"; readonly value: number }
  /** uniform(-bound, bound), PyTorch's default: bound = 1/sqrt(fanIn). */
  | { readonly kind: "uniform"; readonly bound: number }
  | { readonly kind: "normal"; readonly std: number }
  /** Computed at compile time from other tensors by a recipe of `compiler/weights/recipes.ts`, in f64, rounded once. */
  | { readonly kind: "derived"; readonly recipe: string; readonly from: readonly Weight[]; readonly attrs: Attrs };

export interface Weight {
  readonly value: Value;
  /** "layer1.0.se.fc1.weight": the name in weight files. Derived tensors get a readable path of their own. */
  readonly path: string;
  /** False for running statistics and for derived tensors. */
  readonly trainable: boolean;
  readonly init: Init;
  /** Values that came with the net's own model file; they stand where others are initialised. */
  readonly given?: TensorValues;
  /** Its name in weight files, where that is not `path`. */
  readonly fileName?: string;
  /**
   * `init preserve` (language.md section 10): the exact power of two this tensor is multiplied by when the file does not
   * have the inserted layers that `group` names. Absent on everything else.
   */
  readonly preserve?: { readonly factor: number; readonly group: number };
  /** Set on tensors of inserted layers: which insertion they belong to, so that loading can be all or nothing. */
  readonly inserted?: { readonly group: number; readonly policy: "default" | "paper" | "preserve" };
}

export interface Graph {
  readonly name: string;
  readonly inputs: readonly Value[];
  readonly outputs: readonly Output[];
  /** The whole state dict in text order (num_batches_tracked included), derived tensors after it. */
  readonly weights: readonly Weight[];
  /** Topological. */
  readonly nodes: readonly Node[];
}

export interface Output {
  readonly name: string;
  readonly value: Value;
}
