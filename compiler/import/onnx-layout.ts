/** Models that are channels last outside and transpose at their inputs and outputs, as those of TensorFlow do. */
import type { Message } from "../diagnostics/diagnostic.ts";
import { messages } from "../diagnostics/messages.gen.ts";
import { shapeText } from "../ir/type.ts";
import type { OnnxNode } from "./onnx-file.ts";
import { draftDims, fileDims, ints, isPixel, type Reading, type Seen } from "./onnx-reading.ts";
import { sameDims } from "./reading.ts";

/** Axes of [N, C, H, W] in the order [N, H, W, C], and the way back. */
const LAST = [0, 2, 3, 1];
const FIRST = "0,3,1,2";

/** Nodes that leave every element where it is: a picture is scaled and shifted before it is transposed. */
const ELEMENTWISE = new Set(["Add", "Sub", "Mul", "Div", "Cast", "Identity"]);
const LONGEST = 8;

/** Whether everything that reads a value brings its last axis to the front. */
function isBroughtForward(
  readers: ReadonlyMap<string, readonly OnnxNode[]>,
  name: string,
  known = new Map<string, boolean>(),
  left = LONGEST,
): boolean {
  const before = known.get(name);
  if (before !== undefined) return before;
  const found = readers.get(name) ?? [];
  const answer =
    found.length > 0 &&
    found.every((node) =>
      node.op === "Transpose"
        ? ints(node, "perm")?.join() === FIRST
        : left > 0 && ELEMENTWISE.has(node.op) && isBroughtForward(readers, node.outputs[0] ?? "", known, left - 1),
    );
  known.set(name, answer);
  return answer;
}

/** The sizes of an input in our order, and how the file sees them; undefined where the file is channels first too. */
export function channelsLastInput(
  readers: ReadonlyMap<string, readonly OnnxNode[]>,
  name: string,
  sizes: readonly number[],
  isKnown: boolean,
): Pick<Seen, "dims" | "perm"> | undefined {
  const [height, width, channels] = sizes;
  if (sizes.length !== 3 || !(isKnown || isBroughtForward(readers, name))) return undefined;
  return { dims: [channels, height, width] as number[], perm: LAST };
}

const shown = (dims: readonly number[]): string => shapeText(["N", ...dims]);

export const inputNote = (file: string, input: string, seen: Seen): Message =>
  messages.SE605.input({ file, input, theirs: shown(fileDims(seen)), ours: shown(seen.dims) });

/** An output that the file brings to channels last is the value before that. */
export function channelsLastOutput(
  cx: Reading,
  file: string,
  output: string,
  found: Seen,
  isKnown: boolean,
): { seen: Seen; note?: Message } {
  const seen = isKnown && isPixel(cx, found) ? { value: found.value, dims: draftDims(cx, found.value), perm: LAST } : found;
  const { value, dims, perm } = seen;
  if (perm?.join() !== LAST.join() || !sameDims(cx.draft.typeOf(value).shape.slice(1) as number[], dims)) return { seen };
  return { seen: { value, dims }, note: messages.SE605.output({ file, output, theirs: shown(fileDims(seen)), ours: shown(dims) }) };
}
