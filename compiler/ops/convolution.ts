/**
 * The f64 convolution, the judge of `conv`, `linear` and everything fused from them: for every output row the window of each pixel is
 * written out, zeros where it hangs over the edge, and each output is the dot product of its window with a row of weights.
 */
import type { Window } from "../ir/kernel.ts";
import type { Tensor } from "./op.ts";
import { zeros } from "./tensor.ts";

/** Windows of the pixels of output row `y`: out width x (channels of the group, kh, kw). */
function windowsOfRow(input: Tensor, w: Window, image: number, group: number, y: number, windows: Float64Array): void {
  const [inC, inH, inW] = w.in;
  const perGroup = inC / w.groups;
  let i = 0;
  for (let x = 0; x < w.out[2]; x++)
    for (let ci = 0; ci < perGroup; ci++) {
      const plane = (image * inC + group * perGroup + ci) * inH;
      for (let kh = 0; kh < w.kernel[0]; kh++) {
        const row = y * w.stride[0] + kh * w.dilation[0] - w.pad[0];
        for (let kw = 0; kw < w.kernel[1]; kw++) {
          const column = x * w.stride[1] + kw * w.dilation[1] - w.pad[1];
          const inside = row >= 0 && row < inH && column >= 0 && column < inW;
          windows[i++] = inside ? input.data[(plane + row) * inW + column]! : 0;
        }
      }
    }
}

/** input [n, in, h, w] * weight [out, in/groups, kh, kw] + bias [out] -> [n, out, h', w']. */
export function convolve(input: Tensor, weight: Tensor, bias: Tensor | undefined, w: Window): Tensor {
  const [outC, outH, outW] = w.out;
  const outPerGroup = outC / w.groups;
  const length = (w.in[0] / w.groups) * w.kernel[0] * w.kernel[1];
  const windows = new Float64Array(outW * length);
  const output = zeros([w.batch, outC, outH, outW]);
  const factors = weight.data;
  const plane = outH * outW;
  for (let image = 0; image < w.batch; image++)
    for (let group = 0; group < w.groups; group++)
      for (let y = 0; y < outH; y++) {
        windowsOfRow(input, w, image, group, y, windows);
        const end = (group + 1) * outPerGroup;
        // four channels at a time, so that a window is read once for all of them
        for (let co = group * outPerGroup; co < end; co += 4) {
          const [f0, f1] = [co * length, Math.min(co + 1, end - 1) * length];
          const [f2, f3] = [Math.min(co + 2, end - 1) * length, Math.min(co + 3, end - 1) * length];
          for (let x = 0; x < outW; x++) {
            let s0 = 0;
            let s1 = 0;
            let s2 = 0;
            let s3 = 0;
            for (let k = 0, at = x * length; k < length; k++, at++) {
              const v = windows[at]!;
              s0 += v * factors[f0 + k]!;
              s1 += v * factors[f1 + k]!;
              s2 += v * factors[f2 + k]!;
              s3 += v * factors[f3 + k]!;
            }
            const to = ((image * outC + co) * outH + y) * outW + x;
            output.data[to] = s0 + (bias?.data[co] ?? 0);
            if (co + 1 < end) output.data[to + plane] = s1 + (bias?.data[co + 1] ?? 0);
            if (co + 2 < end) output.data[to + 2 * plane] = s2 + (bias?.data[co + 2] ?? 0);
            if (co + 3 < end) output.data[to + 3 * plane] = s3 + (bias?.data[co + 3] ?? 0);
          }
        }
      }
  return output;
}
