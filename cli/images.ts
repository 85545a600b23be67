/** Pictures as net inputs: decoded by pure-JavaScript libraries and resized here, so that every machine gives the same numbers. */
import { decode as decodePng } from "fast-png";
import jpeg from "jpeg-js";

/** 8-bit samples, row-major, `channels` interleaved (1 grey, 3 RGB; alpha is dropped). */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
  readonly data: Float64Array;
}

export interface Preprocessing {
  /** value = (pixel / scale - mean) / std; one number for all channels or one each. */
  readonly scale: number;
  readonly mean: readonly number[];
  readonly std: readonly number[];
  readonly bgr: boolean;
}

const MAX_MEGAPIXELS = 100;

/** Throws the decoder's error on a damaged file; the caller reports it. */
export function decodePicture(bytes: Uint8Array, kind: "png" | "jpg"): Picture {
  if (kind === "jpg") {
    const image = jpeg.decode(bytes, { useTArray: true, formatAsRGBA: false, maxResolutionInMP: MAX_MEGAPIXELS });
    if (image.width * image.height === 0) throw new Error("it has no pixels");
    return { width: image.width, height: image.height, channels: 3, data: Float64Array.from(image.data) };
  }
  const image = decodePng(bytes);
  const { width, height, channels, depth, palette } = image;
  if (width * height === 0) throw new Error("it has no pixels");
  const top = 255 / (2 ** depth - 1);
  const keep = channels >= 3 || palette ? 3 : 1;
  const data = new Float64Array(width * height * keep);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < keep; c++) {
      const value = palette ? (palette[image.data[i] as number]?.[c] ?? 0) : (image.data[i * channels + c] as number) * top;
      data[i * keep + c] = value;
    }
  }
  return { width, height, channels: keep, data };
}

/** Bilinear with half-pixel centres, no smoothing beyond that: what PyTorch's interpolate(align_corners=False) computes. */
export function resize(picture: Picture, width: number, height: number): Picture {
  if (picture.width === width && picture.height === height) return picture;
  const { channels } = picture;
  const data = new Float64Array(width * height * channels);
  const source = (i: number, from: number, to: number): [number, number, number] => {
    const at = Math.max(0, ((i + 0.5) * from) / to - 0.5);
    const low = Math.min(Math.floor(at), from - 1);
    return [low, Math.min(low + 1, from - 1), at - low];
  };
  for (let y = 0; y < height; y++) {
    const [y0, y1, v] = source(y, picture.height, height);
    for (let x = 0; x < width; x++) {
      const [x0, x1, u] = source(x, picture.width, width);
      for (let c = 0; c < channels; c++) {
        const at = (yy: number, xx: number): number => picture.data[(yy * picture.width + xx) * channels + c] as number;
        const top = at(y0, x0) * (1 - u) + at(y0, x1) * u;
        const bottom = at(y1, x0) * (1 - u) + at(y1, x1) * u;
        data[(y * width + x) * channels + c] = top * (1 - v) + bottom * v;
      }
    }
  }
  return { width, height, channels, data };
}

/** NCHW values of one picture for `channels` (1 or 3) planes of height x width. Grey spreads to three planes; colour becomes grey by its mean. */
export function pictureToTensor(picture: Picture, channels: 1 | 3, height: number, width: number, p: Preprocessing): Float32Array {
  const small = resize(picture, width, height);
  const out = new Float32Array(channels * height * width);
  const plane = height * width;
  for (let i = 0; i < plane; i++) {
    const pixel = (c: number): number => small.data[i * small.channels + c] as number;
    for (let c = 0; c < channels; c++) {
      const from = p.bgr ? channels - 1 - c : c;
      const value = small.channels === 1 ? pixel(0) : channels === 1 ? (pixel(0) + pixel(1) + pixel(2)) / 3 : pixel(from);
      out[c * plane + i] = (value / p.scale - (p.mean[c] ?? p.mean[0] ?? 0)) / (p.std[c] ?? p.std[0] ?? 1);
    }
  }
  return out;
}
