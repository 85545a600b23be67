/** The f64 convolution, the judge of `conv`, `linear` and everything fused from them: plain loops, weight in a local, pixels innermost. */
import type { Window } from "../ir/kernel.ts";
import type { Tensor } from "./op.ts";
import { zeros } from "./tensor.ts";

/** First output whose tap is inside, and the first one after the last: 0 <= o*stride + offset < size. */
function insideRange(offset: number, stride: number, size: number, out: number): readonly [number, number] {
  const first = Math.max(0, Math.ceil(-offset / stride));
  const end = Math.min(out, Math.floor((size - 1 - offset) / stride) + 1);
  return [first, end];
}

/** input [n, in, h, w] * weight [out, in/groups, kh, kw] + bias [out] -> [n, out, h', w']. */
export function convolve(input: Tensor, weight: Tensor, bias: Tensor | undefined, w: Window): Tensor {
  const [inC, inH, inW] = w.in;
  const [outC, outH, outW] = w.out;
  const [kernelH, kernelW] = w.kernel;
  const [strideH, strideW] = w.stride;
  const perGroup = inC / w.groups;
  const outPerGroup = outC / w.groups;
  const output = zeros([w.batch, outC, outH, outW]);
  const from = input.data;
  const to = output.data;
  let weightAt = 0;
  for (let co = 0; co < outC; co++) {
    const firstIn = Math.floor(co / outPerGroup) * perGroup;
    if (bias) for (let n = 0; n < w.batch; n++) to.fill(bias.data[co]!, (n * outC + co) * outH * outW, (n * outC + co + 1) * outH * outW);
    for (let ci = 0; ci < perGroup; ci++) {
      for (let kh = 0; kh < kernelH; kh++) {
        const offsetH = kh * w.dilation[0] - w.pad[0];
        const [y0, y1] = insideRange(offsetH, strideH, inH, outH);
        for (let kw = 0; kw < kernelW; kw++) {
          const offsetW = kw * w.dilation[1] - w.pad[1];
          const [x0, x1] = insideRange(offsetW, strideW, inW, outW);
          const factor = weight.data[weightAt++]!;
          for (let n = 0; n < w.batch; n++) {
            for (let y = y0; y < y1; y++) {
              const row = ((n * inC + firstIn + ci) * inH + y * strideH + offsetH) * inW + offsetW;
              const outRow = ((n * outC + co) * outH + y) * outW;
              for (let x = x0; x < x1; x++) to[outRow + x]! += factor * from[row + x * strideW]!;
            }
          }
        }
      }
    }
  }
  return output;
}
