/**
 * The op record: everything `sec` knows about one layer, in one file per op (architecture.md section 4).
 * From it come the call in the language, JSON validation, shape errors, costs, constant folding, the kernels of cpu and webgpu,
 * conformance cases, tolerances, documentation.
 */
import type * as z from "zod";
import type { Message } from "../diagnostics/diagnostic.ts";
import type { Init, Value } from "../ir/graph.ts";
import type { Kernel } from "../ir/kernel.ts";
import type { TensorType } from "../ir/type.ts";
import { once } from "../once.ts";

export type Category = "convolution" | "normalisation" | "activation" | "elementwise" | "pooling" | "moving" | "merge" | "other";

/** A dense f64 tensor of the reference interpreter. */
export interface Tensor {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

export interface WeightSpec {
  readonly shape: readonly number[];
  /** f32 unless said; "i64" for num_batches_tracked. */
  readonly dtype?: "f32" | "i64";
  /** false for running statistics. */
  readonly trainable?: boolean;
  /** Start by `init default` and by `init paper` (language.md section 10). */
  readonly init: { readonly default: Init; readonly paper: Init };
}

export interface Cost {
  /** Multiply-adds by language.md section 11: conv, deconv, linear, chanconv only; of one image (batch 1). */
  readonly macs: number;
  /** Element operations: what an elementwise, pooling or norm layer does per image; 0 for pure moves. */
  readonly elementOps: number;
}

/** A user's mistake found while inferring a shape. `arg` is the argument to point at; without it the call is. */
export interface Problem {
  readonly problem: Message;
  readonly arg?: string;
}

export function isProblem(x: object): x is Problem {
  return "problem" in x;
}

/**
 * Largest allowed absolute error of one f32 output element against the f64 reference on the same inputs (kernels.md section 1).
 * eps = 2^-23. A = the reference on absolute values of inputs and weights.
 */
export type Bound<A> =
  | { readonly kind: "exact" }
  /** 4 sqrt(K) eps A; K products per output element (+1 for a bias). */
  | { readonly kind: "contraction"; readonly products: (inputs: readonly TensorType[], attrs: A) => number }
  /** eps |y| (add, mul, times, ...). */
  | { readonly kind: "rounding" }
  /** n eps, times (1 + |x|) when `scaled`, times |y| when `relative`. */
  | { readonly kind: "ulps"; readonly ulps: number; readonly scaled?: boolean; readonly relative?: boolean }
  /** Norms and everything the table gives a formula of its own for: per output element. */
  | {
      readonly kind: "custom";
      readonly of: (inputs: readonly Tensor[], weights: Readonly<Record<string, Tensor>>, attrs: A, output: Tensor) => Float64Array;
    };

/** A conformance case. Input values are made from a seed by shape; `range` widens or shifts them. */
export interface Sample<A> {
  readonly name: string;
  /** Shapes with the batch, e.g. [2, 3, 7, 5]. */
  readonly inputs: readonly (readonly number[])[];
  /** As a user would write them: defaults may be left out. */
  readonly attrs: A;
  /** Values are uniform in this range; default [-2, 2]. Norm variances are always positive. */
  readonly range?: readonly [number, number];
}

export interface LowerContext<A> {
  /** "layer1.0.conv1". */
  readonly name: string;
  readonly inputs: readonly Value[];
  readonly output: Value;
  readonly weights: Readonly<Record<string, Value>>;
  readonly attrs: A;
  /** A new intermediate value of this op, f32. */
  readonly temp: (shape: readonly number[]) => Value;
}

export interface OpDef<S extends z.ZodObject = z.ZodObject> {
  /** One line, shown by `sec ops`. */
  readonly summary: string;
  readonly category: Category;
  /** Key order = positional order in the language; descriptions by `.meta({ description })`. Output type must equal input type plus defaults. */
  readonly attrs: S;
  /** Number of activations it reads; "many" for add, mul, concat. */
  readonly arity: 1 | "many";
  /** Shape rule. Types may have an open batch. */
  readonly infer: (inputs: readonly TensorType[], attrs: z.output<S>) => TensorType | Problem;
  /** Own tensors in state-dict order. */
  readonly weights?: (inputs: readonly TensorType[], attrs: z.output<S>) => Readonly<Record<string, WeightSpec>>;
  readonly cost: (inputs: readonly TensorType[], output: TensorType, attrs: z.output<S>) => Cost;
  /** f64, plain, never optimised: the judge of every backend. */
  readonly reference: (inputs: readonly Tensor[], weights: Readonly<Record<string, Tensor>>, attrs: z.output<S>) => Tensor;
  /** Kernels that compute it; several when it needs intermediate values. */
  readonly lower: (context: LowerContext<z.output<S>>) => readonly Kernel[];
  readonly bound: Bound<z.output<S>>;
  readonly samples: readonly Sample<z.input<S>>[];
}

/** The record as its file has it: a schema is made when an op is used first, since a net uses few of them and zod takes its time. */
export type OpRecord<S extends z.ZodObject> = Omit<OpDef<S>, "attrs"> & { readonly attrs: () => S };

/** Types the record from its schema. */
export function defineOp<S extends z.ZodObject>(op: OpRecord<S>): OpDef<S> {
  const attrs = once(op.attrs);
  return {
    ...op,
    get attrs() {
      return attrs();
    },
  };
}
