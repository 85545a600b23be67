/** --input NAME=FILE: .npy, .npz, .json, .png, .jpg or `random` become the net's input arrays. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { messages } from "../compiler/diagnostics/messages.gen.ts";
import { nearest } from "../compiler/diagnostics/suggest.ts";
import { randomInput, readNpy, readNpz } from "../compiler/index.ts";
import { decodePicture, pictureToTensor } from "./images.ts";
import type { InputOptions } from "./options.ts";
import type { Port } from "./ports.ts";
import { dims } from "./report.ts";
import type { Session } from "./session.ts";
import { systemReason } from "./spec-files.ts";

export interface NetInput {
  readonly name: string;
  readonly shape: readonly number[];
  /** The file as the user wrote it, or "random, seed 0". */
  readonly source: string;
  readonly data: Float32Array;
}

interface Read {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** Told by the extension, before anything is read. */
const READABLE = /\.(npy|npz|json|png|jpe?g)$/i;

const count = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Nested lists of numbers: shape and values. Undefined when ragged or not numbers. */
function fromJson(value: unknown): Read | undefined {
  const shape: number[] = [];
  for (let v = value; Array.isArray(v); v = v[0]) shape.push(v.length);
  const data = new Float32Array(count(shape));
  let at = 0;
  const fill = (v: unknown, depth: number): boolean => {
    if (depth === shape.length) {
      if (typeof v !== "number" || !Number.isFinite(Math.fround(v))) return false;
      data[at++] = v;
      return true;
    }
    return Array.isArray(v) && v.length === shape[depth] && v.every((x) => fill(x, depth + 1));
  };
  return fill(value, 0) ? { shape, data } : undefined;
}

function readArray(file: string, bytes: Uint8Array, name: string): Read | string {
  switch (path.extname(file).toLowerCase()) {
    case ".npy": {
      const array = readNpy(bytes);
      return typeof array === "string" ? array : { shape: array.shape, data: array.data };
    }
    case ".npz": {
      const arrays = readNpz(bytes);
      if (typeof arrays === "string") return arrays;
      const found = arrays.get(name) ?? (arrays.size === 1 ? [...arrays.values()][0] : undefined);
      return found ? { shape: found.shape, data: found.data } : `it has no array called ${name} (it has ${[...arrays.keys()].join(", ")})`;
    }
    default:
      try {
        return fromJson(JSON.parse(new TextDecoder().decode(bytes))) ?? "nested lists of f32 numbers are wanted, all of the same length";
      } catch (error) {
        return error instanceof RangeError ? "its lists are nested too deeply" : (error as Error).message;
      }
  }
}

function fitted(session: Session, port: Port, file: string, read: Read): Float32Array | undefined {
  const want = count(port.shape);
  if (read.data.length === want) return read.data;
  session.usage(messages.SE524.shape({ file, have: dims(read.shape), name: port.name, want: dims(port.shape) }));
  return undefined;
}

function readPicture(session: Session, port: Port, file: string, bytes: Uint8Array, options: InputOptions): Float32Array | undefined {
  const [n = 1, c = 0, h = 0, w = 0] = port.shape;
  if (port.shape.length !== 4 || (c !== 1 && c !== 3)) {
    session.usage(messages.SE524.picture({ name: port.name, want: dims(port.shape) }));
    return undefined;
  }
  try {
    const one = pictureToTensor(decodePicture(bytes, /\.png$/i.test(file) ? "png" : "jpg"), c, h, w, {
      scale: options.scale,
      mean: options.mean ?? [0],
      std: options.std ?? [1],
      bgr: options.bgr === true,
    });
    if (n === 1) return one;
    const all = new Float32Array(n * one.length);
    for (let i = 0; i < n; i++) all.set(one, i * one.length);
    return all;
  } catch (error) {
    session.usage(messages.SE524.kind({ file, reason: (error as Error).message }));
    return undefined;
  }
}

/** Every input of the net: from --input, else random from `seed`. Undefined after a reported problem. */
export function readInputs(
  session: Session,
  net: string,
  ports: readonly Port[],
  options: InputOptions,
  seed: number,
): NetInput[] | undefined {
  const given = new Map<string, string>();
  for (const [name, file] of options.input ?? []) {
    if (!ports.some((p) => p.name === name)) {
      const names = ports.map((p) => p.name);
      const near = nearest(name, names);
      session.usage(
        messages.SE524.unknown({ net, name, names: names.join(", ") }),
        undefined,
        near ? { help: `did you mean \`${near}\`?` } : {},
      );
    }
    if (given.has(name)) session.usage(messages.SE520.value({ option: "--input", want: "each input once", given: name }));
    given.set(name, file);
  }
  const inputs: NetInput[] = [];
  for (const port of ports) {
    const file = given.get(port.name) ?? "random";
    if (file === "random") {
      inputs.push({ name: port.name, shape: port.shape, source: `random, seed ${seed}`, data: randomInput(port.name, port.shape, seed) });
      continue;
    }
    if (!READABLE.test(file)) {
      session.usage(messages.SE524.kind({ file, reason: "the kind of file is told by its extension" }));
      continue;
    }
    let bytes: Uint8Array;
    try {
      bytes = readFileSync(path.resolve(session.options.directory, file));
    } catch (error) {
      session.usage(messages.SE009.file({ file, reason: systemReason(error) }));
      continue;
    }
    let data: Float32Array | undefined;
    if (/\.(png|jpe?g)$/i.test(file)) data = readPicture(session, port, file, bytes, options);
    else {
      const read = readArray(file, bytes, port.name);
      if (typeof read === "string") session.usage(messages.SE524.kind({ file, reason: read }));
      else data = fitted(session, port, file, read);
    }
    if (data) inputs.push({ name: port.name, shape: port.shape, source: file, data });
  }
  return session.failed ? undefined : inputs;
}
