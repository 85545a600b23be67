/** `input name: f32[N, 3, size, size]` (language.md sections 5 and 8). */
import { messages } from "../diagnostics/messages.gen.ts";
import { type Dim, shapeText, type TensorType } from "../ir/type.ts";
import type { Expr, InputStatement } from "../syntax/ast.ts";
import { evaluate, kindText } from "./evaluate.ts";
import { type Context, envOf, type Flow, type Place, report } from "./expand-context.ts";
import { withinMemory } from "./infer-types.ts";
import type { InputItem } from "./tree.ts";
import { channelsNote } from "./whence.ts";

export function expandInput(cx: Context, statement: InputStatement, place: Place): Flow {
  const name = statement.name.text;
  const { inputs } = place.names;
  if (inputs.has(name)) {
    report(cx, messages.SE119.twice({ kind: "input", name }), statement.name.span);
    return undefined;
  }
  if (cx.scope.params.has(name)) report(cx, messages.SE103.input({ name }), statement.name.span);
  if (statement.dtype.text !== "f32") report(cx, messages.SE119.dtype({ dtype: statement.dtype.text, name }), statement.dtype.span);
  const declared = declaredType(cx, statement);
  const found = cx.feed === "alone" ? declared && resized(declared, cx.shapes[name]) : fed(cx, statement, declared, inputs.size);
  const type =
    found && withinMemory([{ what: `the input \`${name}\``, shape: found.shape }], statement.span, (m, at) => report(cx, m, at))
      ? found
      : undefined;
  const item: InputItem = { kind: "input", name, type: type ?? undefined, origin: { span: statement.span, via: cx.via } };
  inputs.set(name, item);
  place.container.items.push(item);
  (cx.scope.inputs as Map<string, TensorType | undefined>).set(name, item.type);
  // `in` is the net's input only while there is exactly one
  cx.arriving = inputs.size === 1 ? item.type : null;
  return item.type;
}

/** In a net used as a layer height, width and batch are those of what arrives; the channels must agree. */
function fed(cx: Context, statement: InputStatement, declared: TensorType | undefined, earlier: number): TensorType | undefined {
  const { feed } = cx;
  if (feed === "alone" || !feed || !declared) return undefined;
  // SE118 is reported once for the call, by the net's own count of inputs
  if (earlier > 0) return undefined;
  const name = cx.owner.type;
  const note = channelsNote(cx.owner, feed, cx.frame?.at ?? statement.span);
  const extra = note === undefined ? {} : { notes: [note] };
  if (feed.shape.length !== declared.shape.length) {
    const message = declared.shape.length === 4 ? messages.SE205.map : messages.SE205.vector;
    report(cx, message({ layer: name, shape: shapeText(feed.shape) }), statement.span, extra);
    return undefined;
  }
  if (feed.shape[1] === declared.shape[1]) return feed;
  report(cx, messages.SE202.net({ name, made: String(declared.shape[1]), arriving: String(feed.shape[1]) }), statement.span, extra);
  return undefined;
}

function declaredType(cx: Context, statement: InputStatement): TensorType | undefined {
  const rank = statement.dims.length;
  if (rank !== 4 && rank !== 2) {
    report(cx, messages.SE119.rank({ rank }), statement.span);
    return undefined;
  }
  const shape = statement.dims.map((dim, axis) => dimOf(cx, dim, axis, statement.name.text));
  return shape.some((d) => d === undefined) ? undefined : { dtype: "f32", shape: shape as Dim[] };
}

/** A number, or a capitalised word that is no parameter: an open size, allowed for the batch only. */
function dimOf(cx: Context, dim: Expr, axis: number, name: string): Dim | undefined {
  if (dim.kind === "name" && /^[A-Z]/.test(dim.text) && !cx.scope.params.has(dim.text)) {
    if (axis === 0) return dim.text;
    const fixed = dim.text.toLowerCase() === "c" ? "channels = 3" : "size = 224";
    report(cx, messages.SE207.open({ name: dim.text, fixed }), dim.span);
    return undefined;
  }
  const value = evaluate(dim, envOf(cx, null));
  if (value === undefined) return undefined;
  if (typeof value === "number" && Number.isInteger(value) && value >= 1) return value;
  report(cx, messages.SE112.argument({ arg: name, wants: "sizes that are whole numbers of at least 1", got: kindText(value) }), dim.span);
  return undefined;
}

/** `--shape image=1x3x320x320`: the sizes of a net that stands alone. */
const resized = (type: TensorType, shape: readonly number[] | undefined): TensorType =>
  shape && shape.length === type.shape.length ? { dtype: "f32", shape } : type;
