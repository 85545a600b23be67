/**
 * Joining two kernels: `fuseInto` appends a map kernel to the kernel that computes its input, `inlineInto` computes a map kernel where its
 * result is loaded. Both return the joined kernel or the reason why not, in words for --remarks.
 */
import * as x from "../../ir/expr.ts";
import type { Value } from "../../ir/graph.ts";
import type { ContractKernel, DepthwiseKernel, Expr, Kernel, LoopKernel, Window } from "../../ir/kernel.ts";
import type { Capabilities } from "../pass.ts";
import { expressionsOf, fieldBuffers, loadedBuffers, mapExpressions, tidy } from "./buffers.ts";
import { sameExprs, substitution, treeSize, visitOnce } from "./substitute.ts";

export type Producer = ContractKernel | DepthwiseKernel | LoopKernel;
export type Joined<K extends Kernel = Kernel> = K | string;
export const isReason = (j: Joined): j is string => typeof j === "string";

/** Longest expression, in tree nodes, that joining may make: activations that use their input many times would otherwise double at each step. */
const LONGEST = 320;

export const sizeOf = (v: Value): readonly number[] => v.type.shape as readonly number[];
export const bufferValue = (k: Kernel, buffer: number): Value => (k.buffers[buffer] as Kernel["buffers"][number]).value;
export const isMap = (k: Kernel): k is LoopKernel => k.kind === "loop" && k.reduce === undefined;

/** "+relu": what a fused kernel's name says about the node that was added. */
const suffix = (k: Kernel): string => k.from.map((n) => `+${n.op}`).join("");

export function fusedName(host: Kernel, guest: Kernel, label?: string): string {
  return host.name + (label === undefined ? suffix(guest) || `+${guest.name}` : `+${label}`);
}

const indexOr0 = (name: string, size: number): Expr => (size === 1 ? x.int(0) : x.index(name));

/** Coordinates of the output written at each point of the kernel's walk. */
export function storeOf(k: Producer): readonly Expr[] {
  if (k.kind === "loop") return k.store;
  const [, h, w] = k.window.out;
  const all = [x.index("n"), x.add(x.index("c"), k.firstChannel ?? 0), indexOr0("y", h), indexOr0("x", w)];
  return all.slice(0, bufferValue(k, k.output).type.shape.length);
}

/** The value stored, over acc and the kernel's axes. */
export const resultOf = (k: Producer): Expr => (k.kind === "loop" ? (k.reduce ? (k.epilogue ?? x.ACC) : k.body) : k.epilogue);

/** The one coordinate list all loads of `buffers` use; undefined when there are several. */
function onlyCoordinates(e: Expr, buffers: ReadonlySet<number>): readonly Expr[] | undefined {
  let at: readonly Expr[] | undefined;
  let several = false;
  visitOnce(e, (n) => {
    if (n.kind !== "load" || !buffers.has(n.buffer)) return;
    if (at && !sameExprs(at, n.at)) several = true;
    at = n.at;
  });
  return several ? undefined : at;
}

export function buffersOf(k: Kernel, value: Value): Set<number> {
  return new Set([...k.buffers.keys()].filter((i) => k.buffers[i]?.value === value && k.buffers[i]?.access === "read"));
}

/** guest axis -> host expression, when guest's walk over `shape` is one to one with the host's stores. */
function matchAxes(
  guest: LoopKernel,
  at: readonly Expr[],
  store: readonly Expr[],
  shape: readonly number[],
): Map<string, Expr> | undefined {
  const axes = new Map(guest.space.map((a) => [a.name, a.size]));
  const to = new Map<string, Expr>();
  for (const [i, e] of at.entries()) {
    if (e.kind === "const" ? shape[i] !== 1 : e.kind !== "index" || axes.get(e.name) !== shape[i] || to.has(e.name)) return undefined;
    if (e.kind === "index") to.set(e.name, store[i] as Expr);
  }
  for (const a of guest.space) {
    if (to.has(a.name)) continue;
    if (a.size !== 1) return undefined;
    to.set(a.name, x.int(0));
  }
  return to;
}

const ravel = (at: readonly Expr[], shape: readonly number[]): Expr =>
  at.reduce((sum: Expr, e, i) => x.add(x.mul(sum, shape[i] as number), e), x.int(0));

/** Row-major coordinates of the flat position; the outermost needs no remainder. */
function unravel(flat: Expr, shape: readonly number[]): Expr[] {
  const at: Expr[] = [];
  let rest = flat;
  for (let i = shape.length - 1; i > 0; i--) {
    at.unshift(x.imod(rest, shape[i] as number));
    rest = x.idiv(rest, shape[i] as number);
  }
  return [rest, ...at];
}

/** A pure copy made by flatten or reshape: element order is kept by definition of these layers. */
const keepsOrder = (k: LoopKernel): boolean =>
  k.body.kind === "load" && k.from.length === 1 && (k.from[0]?.op === "flatten" || k.from[0]?.op === "reshape");

const plainAt = (at: readonly Expr[], names: readonly string[]): boolean =>
  at.every((e, i) => (e.kind === "const" ? e.value === 0 : e.kind === "index" && e.name === names[i]));

/** Backends read epilogue operands at [n, c, y, x], [n, c] or [c], each coordinate possibly 0: anything else stays a kernel of its own. */
function plainEpilogue(e: Expr): boolean {
  let plain = true;
  visitOnce(e, (n) => {
    if (n.kind !== "load") return;
    const names = n.at.length === 1 ? ["c"] : ["n", "c", "y", "x"];
    if (n.at.length > 4 || n.at.length === 3 || !plainAt(n.at, names)) plain = false;
  });
  return plain;
}

function checked<K extends Kernel>(k: K, maxBuffers: number): Joined<K> {
  const size = Math.max(...expressionsOf(k).map(treeSize));
  if (size > LONGEST) return `the joined expression would have ${size} terms`;
  if ((k.kind === "contract" || k.kind === "depthwise") && !(plainEpilogue(k.epilogue) && (!k.squeeze || plainEpilogue(k.squeeze.of))))
    return "an operand is not read at the output's own position";
  const joined = tidy(k);
  return joined.buffers.length > maxBuffers
    ? `the joined kernel would bind ${joined.buffers.length} buffers of at most ${maxBuffers}`
    : joined;
}

/**
 * The channel of the joined value at which a contraction may store its channel 0: stores of whole vectors must not touch a neighbour. The
 * contraction's own value is no part of another: undefined.
 */
function firstChannelAt(
  target: readonly Expr[],
  { out: [c, h, w] }: Window,
  shape: readonly number[],
  multiple: number,
): number | undefined {
  const own = [x.index("n"), x.index("c"), indexOr0("y", h), indexOr0("x", w)];
  const at = target[1];
  const first = at?.kind === "binary" && at.fn === "add" && at.b.kind === "const" ? at.b.value : 0;
  const [, channels = 0] = shape;
  if (first === 0 && channels === c) return undefined;
  const whole = [first, c, channels].every((n) => n % multiple === 0) && first + c <= channels;
  return whole && sameExprs(target, [own[0], x.add(own[1] as Expr, first), own[2], own[3]] as Expr[]) ? first : undefined;
}

type Limits = Pick<Capabilities, "maxBuffers" | "channelMultiple">;

/** `host` followed by `guest`, a map that reads `host`'s output; the joined kernel writes guest's output. Host must be the only writer, guest the only reader. */
export function fuseInto(host: Producer, guest: LoopKernel, { maxBuffers, channelMultiple }: Limits, label?: string): Joined<Producer> {
  const value = bufferValue(host, host.output);
  const shape = sizeOf(value);
  const own = buffersOf(guest, value);
  const at = onlyCoordinates(guest.body, own);
  if (!at) return `${guest.name} reads ${host.name} at several positions`;
  const store = storeOf(host);
  const to = matchAxes(guest, at, store, shape);
  const move = host.buffers.length;
  const output = move + guest.output;
  const buffers = [...host.buffers, ...guest.buffers];
  const name = fusedName(host, guest, label);
  const from = [...host.from, ...guest.from];
  if (!to) {
    const target = sizeOf(bufferValue(guest, guest.output));
    if (host.kind !== "loop" || !keepsOrder(guest) || shape[0] !== target[0])
      return `${guest.name} does not walk over ${host.name} element by element`;
    const flat = ravel(store.slice(1), shape.slice(1));
    const moved: LoopKernel = { ...host, name, from, buffers, output, store: [store[0] as Expr, ...unravel(flat, target.slice(1))] };
    return checked(moved, maxBuffers);
  }
  const rewrite = substitution({
    index: (axis) => to.get(axis),
    load: (b, where) => (own.has(b) ? resultOf(host) : x.load(b + move, where)),
  });
  const result = rewrite(guest.body);
  const target = guest.store.map(rewrite);
  if (host.kind === "loop") {
    const into = host.reduce ? { epilogue: result } : { body: result };
    return checked({ ...host, ...into, name, from, buffers, output, store: target }, maxBuffers);
  }
  const [c, h, w] = host.window.out;
  const shaped = sizeOf(bufferValue(guest, guest.output));
  const first = firstChannelAt(target, host.window, shaped, channelMultiple);
  const part = first === undefined ? {} : { firstChannel: first };
  const channelsFit = first !== undefined || shaped[1] === c;
  const fits = channelsFit && sameExprs(target, storeOf({ ...host, ...part }).slice(0, target.length));
  if (!fits || shaped[0] !== host.window.batch || (shaped[2] ?? 1) !== h || (shaped[3] ?? 1) !== w)
    return `${guest.name} moves elements, which a ${host.kind} kernel cannot while it stores`;
  return checked({ ...host, name, from, buffers, output, ...part, epilogue: result }, maxBuffers);
}

const product = (axes: readonly { readonly size: number }[]): number => axes.reduce((n, a) => n * a.size, 1);

/** Points at which the kernel evaluates its expressions that load `buffers`. */
function evaluations(k: Kernel, buffers: ReadonlySet<number>): number {
  if (k.kind === "excite") return Number.POSITIVE_INFINITY;
  if (k.kind !== "loop") return k.window.batch * product(k.window.out.map((size) => ({ size })));
  let inBody = false;
  visitOnce(k.body, (n) => {
    if (n.kind === "load" && buffers.has(n.buffer)) inBody = true;
  });
  return product(k.space) * (inBody && k.reduce ? product(k.reduce.over) : 1);
}

/** `reader` with the map `guest` computed in place of each load of its result. Refuses when elements would be computed more than once. */
export function inlineInto(reader: Kernel, guest: LoopKernel, maxBuffers: number, label?: string): Joined {
  const value = bufferValue(guest, guest.output);
  const own = buffersOf(reader, value);
  if (fieldBuffers(reader).some((b) => own.has(b))) return `${reader.name} reads ${guest.name} as a matrix`;
  if (![...loadedBuffers(reader)].some((b) => own.has(b))) return `${reader.name} does not read ${guest.name}`;
  if (evaluations(reader, own) > product(sizeOf(value).map((size) => ({ size }))))
    return `${reader.name} reads elements of ${guest.name} more than once`;
  const axis = new Map<string, number>();
  for (const [i, e] of guest.store.entries()) {
    if (e.kind === "index") axis.set(e.name, i);
    else if (!(e.kind === "const" && e.value === 0 && sizeOf(value)[i] === 1)) return `${guest.name} writes its result in another order`;
  }
  const move = reader.buffers.length;
  const places = new Map<string, Expr>();
  const inline = (at: readonly Expr[]): Expr => {
    const key = JSON.stringify(at);
    const made =
      places.get(key) ??
      substitution({
        index: (name) => (axis.has(name) ? at[axis.get(name) as number] : x.int(0)),
        load: (b, where) => x.load(b + move, where),
      })(guest.body);
    places.set(key, made);
    return made;
  };
  const rewrite = substitution({ load: (b, at) => (own.has(b) ? inline(at) : undefined) });
  const joined = mapExpressions({ ...reader, buffers: [...reader.buffers, ...guest.buffers] }, rewrite);
  return checked({ ...joined, name: fusedName(reader, guest, label), from: [...reader.from, ...guest.from] }, maxBuffers);
}
