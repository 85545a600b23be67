/** Schemas of the arguments that several layers take. Output types equal input types, so that attributes survive a round trip. */
import * as z from "zod";

export const count = z.number().int().min(1);
const natural = z.number().int().min(0);

/** Kernel, stride, dilation: a number or [height, width]. */
export const size = z.union([count, z.array(count).length(2)]);

/** A number, [height, width] or [top, left, bottom, right]. */
export const amounts = z.union([natural, z.array(natural).length(2), z.array(natural).length(4)]);

/** What convolutions and pools accept for `pad`. */
export const padding = z.union([...amounts.options, z.enum(["half", "valid", "same"])]);

export const describe = {
  out: "output channels",
  kernel: "window: a number or [height, width]",
  stride: "step of the window: a number or [height, width]",
  poolStride: "step of the window: a number or [height, width]; the kernel unless given",
  pad: 'zeros around the map: a number, [h, w], [top, left, bottom, right], "half", "valid" or "same" (TensorFlow)',
  poolPad: 'padding, which never counts as a value: a number, [h, w], [top, left, bottom, right], "half", "valid" or "same"',
  dilation: "distance between the taps of the window",
  groups: "runs of channels that do not mix; the number of input channels makes it depthwise",
  bias: "add one number per output channel",
  ceil: "round the output size up instead of down",
  eps: "added to the variance before the root",
  affine: "scale and shift the result per channel",
} as const;

/** Of layers that take no arguments. */
export const noAttrs = () => z.strictObject({});
