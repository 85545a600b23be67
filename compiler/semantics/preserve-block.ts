/**
 * `init preserve`, step 1 (language.md section 10): which layers of an inserted block start at zero, and what the block
 * then does to whatever arrives. A rule is here only when it holds bit for bit; what no rule covers is unknown.
 */
import { must } from "../invariant.ts";
import type { TensorType } from "../ir/type.ts";
import { numel, sameShape } from "../ir/type.ts";
import { opOf } from "../ops/index.ts";
import { type Flow, type Region, type Step, tensorNames } from "./preserve-flow.ts";
import { type LayerNode, pathOf, type TreeNode } from "./tree.ts";

export type Abstract =
  /** `k` times the block's input. Inexact once an intermediate value was rounded: then nothing is proved. */
  | { readonly kind: "scaled"; readonly k: number; readonly exact: boolean }
  /** Every element is `k`. */
  | { readonly kind: "constant"; readonly k: number }
  | { readonly kind: "unknown"; readonly why: string };

export type BlockProof =
  | { readonly ok: true; readonly k: number; readonly zeroed: readonly LayerNode[] }
  | { readonly ok: false; readonly reason: string };

const ZEROABLE: ReadonlySet<string> = new Set(["conv", "deconv", "linear", "chanconv", "affine", "bn", "ln", "gn"]);
const NOTHING: ReadonlySet<string> = new Set(["identity", "dropout", "droppath"]);
const ELEMENTWISE: ReadonlySet<string> = new Set(
  `relu relu6 leaky_relu elu silu mish softplus tanh sigmoid gelu hsigmoid6 hsigmoid5 hswish
   square sqrt rsqrt recip abs times plus clip`.split(/\s+/),
);
const MAXIMA: ReadonlySet<string> = new Set(["gmp", "chanmax", "maxpool", "maxpool_to"]);
const MEANS: ReadonlySet<string> = new Set(["gap", "chanmean", "avgpool", "avgpool_to"]);
const MOVES: ReadonlySet<string> = new Set(["pixelshuffle", "pixelunshuffle", "chanshuffle", "slice", "flatten", "reshape", "swaphw"]);

const unknown = (why: string): Abstract => ({ kind: "unknown", why });
const constant = (k: number): Abstract => (Number.isFinite(k) ? { kind: "constant", k } : unknown("a value is not finite"));

/** True for 2^n with a whole n of either sign. */
export function isPowerOfTwo(k: number): boolean {
  if (!(k > 0) || !Number.isFinite(k)) return false;
  let x = k;
  while (x < 1) x *= 2;
  while (x > 1) x /= 2;
  return x === 1;
}

/** Multiplying by these never rounds (short of overflow and subnormals). */
const isExactFactor = (k: number): boolean => k === 0 || isPowerOfTwo(Math.abs(k));

/** The innermost insertion a node came with. */
export function insertionOf(node: TreeNode): TreeNode | undefined {
  let at: TreeNode | undefined = node;
  while (at && !at.inserted) at = at.parent;
  return at;
}

export function proveBlock(flow: Flow, region: Region): BlockProof {
  const refuse = (reason: string): BlockProof => ({ ok: false, reason });
  const own = (layer: LayerNode): boolean => insertionOf(layer) === region.node;
  const zeroed = new Set(lastWeighted(flow, region).filter((l) => own(l) && ZEROABLE.has(l.op)));

  const used = new Map<LayerNode, number>();
  for (const step of inside(flow, region)) if (step.node?.kind === "layer") used.set(step.node, (used.get(step.node) ?? 0) + 1);
  for (const [layer, n] of used)
    if (own(layer) && flow.uses.get(layer) !== n) return refuse(`the weights of \`${pathOf(layer)}\` are used outside the block, too`);

  const values = new Map<Step, Abstract>([[region.entry, { kind: "scaled", k: 1, exact: true }]]);
  for (const step of inside(flow, region)) {
    const inputs = step.inputs.map((s) => values.get(s) ?? unknown("a value comes from outside the block"));
    const layer = step.node?.kind === "layer" ? step.node : undefined;
    let value = evaluateStep(step, inputs, layer !== undefined && zeroed.has(layer), layer !== undefined && own(layer));
    if (value.kind === "scaled" && !sameType(step.type, region.entry.type))
      value = unknown(`\`${step.what}\` changes the size of the value`);
    values.set(step, value);
  }

  const result = must(values.get(region.result), "result of an inserted block");
  switch (result.kind) {
    case "unknown":
      return refuse(result.why);
    case "constant":
      return refuse(`the block's result is ${number(result.k)} whatever arrives`);
    case "scaled":
      if (!result.exact && isPowerOfTwo(result.k))
        return refuse(`the block's result is ${number(result.k)} times its input only up to rounding`);
      if (!result.exact || !isPowerOfTwo(result.k)) return refuse(`the block's result is ${number(result.k)} times its input`);
      return { ok: true, k: result.k, zeroed: [...zeroed] };
    default:
      return result satisfies never;
  }
}

const inside = (flow: Flow, region: Region): readonly Step[] => flow.steps.slice(region.start, region.end);

const sameType = (a: TensorType | undefined, b: TensorType | undefined): boolean =>
  a !== undefined && b !== undefined && sameShape(a.shape, b.shape);

/** Short, and exact where it can be: 1.5, 0.25. */
const number = (k: number): string => String(Number(k.toPrecision(6)));

/** The layers from which some path to the block's result passes no other layer with weights. */
function lastWeighted(flow: Flow, region: Region): LayerNode[] {
  const last = new Set<LayerNode>();
  const seen = new Set<Step>();
  const open: Step[] = [region.result];
  for (let step = open.pop(); step; step = open.pop()) {
    if (seen.has(step) || step.id < region.start || step.id >= region.end) continue;
    seen.add(step);
    if (step.node?.kind === "layer" && tensorNames(step).length > 0) last.add(step.node);
    else open.push(...step.inputs);
  }
  // in the order of the text, whatever the search order was
  return [...new Set(inside(flow, region).flatMap((s) => (s.node?.kind === "layer" && last.has(s.node) ? [s.node] : [])))];
}

/** `fresh`: the layer belongs to this insertion, so it starts as section 10 says. */
function evaluateStep(step: Step, inputs: readonly Abstract[], zeroed: boolean, fresh: boolean): Abstract {
  for (const input of inputs) if (input.kind === "unknown" && !zeroed) return input;
  const data = (): Abstract => unknown(`the block's result depends on the data: ${describe(step)}`);
  if (zeroed) return constant(0);
  const [first] = inputs;
  if (!first) return data();
  const args = (step.node?.kind === "layer" ? step.node.args : {}) as Readonly<Record<string, unknown>>;
  switch (step.what) {
    case "mul":
      return product(inputs) ?? data();
    case "add":
    case "residual":
      return sum(inputs) ?? data();
    case "concat":
      return inputs.every((v) => v.kind === "constant" && first.kind === "constant" && v.k === first.k) ? first : data();
  }
  if (NOTHING.has(step.what)) return first;
  if (first.kind === "scaled") {
    const m = step.what === "times" ? args.k : undefined;
    return typeof m === "number" ? { kind: "scaled", k: first.k * m, exact: first.exact && isExactFactor(m) } : data();
  }
  if (first.kind !== "constant") return data();
  const { k } = first;
  // a fresh bn has mean 0 and bias 0; whatever a norm was trained to is unknown
  if (step.what === "bn") return fresh && k === 0 ? first : data();
  // its slope only acts below zero
  if (step.what === "prelu") return k >= 0 ? first : data();
  if (ELEMENTWISE.has(step.what)) return elementwise(step.what, k, args);
  if (MOVES.has(step.what)) return first;
  if (step.what === "pad") return args.mode !== "constant" || args.value === k ? first : data();
  if (MAXIMA.has(step.what)) return isUnpadded(args.pad) ? first : data();
  if (step.what === "upsample") return k === 0 || args.mode === "nearest" ? first : data();
  if (MEANS.has(step.what)) return isUnpadded(args.pad) && meanIsExact(step, k, args) ? first : data();
  return data();
}

const describe = (step: Step): string => `\`${step.what}\`${step.node ? ` (${pathOf(step.node)})` : ""}`;

function product(inputs: readonly Abstract[]): Abstract | undefined {
  let scaled: Extract<Abstract, { kind: "scaled" }> | undefined;
  let k = 1;
  let exact = true;
  for (const input of inputs) {
    if (input.kind === "unknown" || (input.kind === "scaled" && scaled)) return undefined;
    if (input.kind === "scaled") scaled = input;
    else {
      k = Math.fround(k * input.k);
      // whatever order a target multiplies in
      exact &&= isExactFactor(input.k);
    }
  }
  return scaled ? { kind: "scaled", k: scaled.k * k, exact: exact && scaled.exact } : constant(k);
}

function sum(inputs: readonly Abstract[]): Abstract | undefined {
  const scaled = inputs.filter((v) => v.kind === "scaled");
  const constants = inputs.filter((v) => v.kind === "constant");
  if (scaled.length + constants.length < inputs.length) return undefined;
  if (scaled.length === 0) return constant(constants.reduce((total, v) => Math.fround(total + v.k), 0));
  if (constants.some((v) => v.k !== 0)) return undefined;
  const k = scaled.reduce((total, v) => total + v.k, 0);
  const terms = scaled.filter((v) => v.k !== 0);
  // one addition of two exact terms rounds only the result, and not when that is a power of two times the input; three terms
  // have an intermediate sum that may need more bits
  return { kind: "scaled", k, exact: terms.length <= 2 && scaled.every((v) => v.exact) && isExactFactor(k) };
}

/** The op's own reference on one element; attributes and result rounded to f32 as a target holds them. */
function elementwise(op: string, k: number, args: Readonly<Record<string, unknown>>): Abstract {
  const rounded = Object.fromEntries(Object.entries(args).map(([key, v]) => [key, typeof v === "number" ? Math.fround(v) : v]));
  const one = { shape: [1, 1, 1, 1], data: new Float64Array([k]) };
  return constant(Math.fround(must(opOf(op).reference([one], {}, rounded as never).data[0], "value")));
}

function isUnpadded(pad: unknown): boolean {
  if (Array.isArray(pad)) return pad.every((p) => p === 0);
  return pad === undefined || pad === 0 || pad === "valid";
}

/**
 * A mean of equal numbers is that number only if neither the sum nor the division rounds: always for 0; for powers of two
 * when their count is one too, because a target may multiply by a rounded 1/count.
 */
function meanIsExact(step: Step, k: number, args: Readonly<Record<string, unknown>>): boolean {
  if (k === 0) return true;
  if (!isExactFactor(k) || args.ceil === true) return false;
  const [input] = step.inputs;
  if (!input?.type || !step.type) return false;
  if (step.what !== "avgpool") {
    const count = numel(input.type.shape) / numel(step.type.shape);
    return isPowerOfTwo(count) && count <= 2 ** 20;
  }
  const kernel = args.kernel;
  const [h, w] = Array.isArray(kernel) ? kernel : [kernel, kernel];
  return typeof h === "number" && typeof w === "number" && isPowerOfTwo(h * w) && h * w <= 2 ** 20;
}
