/** Files that people take for models: what they are, and what makes an ONNX model of them. */
import type { Message } from "../diagnostics/diagnostic.ts";
import { messages } from "../diagnostics/messages.gen.ts";

interface Format {
  readonly names: RegExp;
  /** The first bytes, where they say it too. */
  readonly starts?: readonly number[];
  readonly what: string;
  readonly how: string;
}

const FORMATS: readonly Format[] = [
  {
    names: /\.(?:pth?|ckpt|bin|pkl)$/i,
    starts: [0x50, 0x4b],
    what: "a file of PyTorch, which only its own program can open",
    how: "run torch.onnx.export there, and import what it writes",
  },
  {
    names: /\.(?:h5|hdf5|keras)$/i,
    starts: [0x89, 0x48, 0x44, 0x46],
    what: "a Keras model",
    how: "convert it to ONNX with tf2onnx.convert.from_keras, and import that",
  },
  {
    names: /\.tflite$/i,
    what: "a TensorFlow Lite model",
    how: "python3 -m tf2onnx.convert --tflite {file} --output model.onnx, and import that",
  },
  {
    names: /\.pb$/i,
    what: "a TensorFlow graph",
    how: "python3 -m tf2onnx.convert --saved-model FOLDER --output model.onnx, and import that",
  },
  {
    names: /\.safetensors$/i,
    what: "a file of weights, without the layers that read them",
    how: "give it to the net that it belongs to: sec compile net.se --weights {file}",
  },
];

/** Undefined for what may be a model. */
export function otherFormat(file: string, bytes: Uint8Array): Message | undefined {
  const found = FORMATS.find(({ names, starts }) => names.test(file) || starts?.every((b, i) => bytes[i] === b));
  return found && messages.SE601.other({ file, what: found.what, how: found.how.replace("{file}", file) });
}
