/** Arguments of pooling layers: PyTorch pads both sides alike and by half a window at most; what it cannot say gets a border of its own. */
import type { TensorType } from "../../compiler/ir/type.ts";
import { type PoolAttrs, poolAxes } from "../../compiler/ops/pool.ts";
import { pairOf, resolvePad, spatial } from "../../compiler/ops/shape.ts";
import type { Arg, Expr } from "./expr.ts";
import { compact, type Holes } from "./holes.ts";

type AveragePoolAttrs = PoolAttrs & { readonly count_pad: boolean };

/** Kernel, stride, padding; undefined where PyTorch's pools cannot do it. */
function windowArgs(input: TensorType, a: PoolAttrs, h: Holes): (Expr | Arg)[] | undefined {
  const kernel = pairOf(a.kernel);
  const stride = pairOf(a.stride ?? a.kernel);
  const [top, left, bottom, right] = resolvePad(a.pad, spatial(input), kernel, stride, pairOf(a.dilation ?? 1));
  if (top !== bottom || left !== right || 2 * top > kernel[0] || 2 * left > kernel[1]) return undefined;
  return [
    h.of("kernel", compact(kernel)),
    // without it the stride is the kernel
    h.option("stride", compact(stride), compact(kernel)),
    h.option("padding", compact([top, left]), 0),
  ];
}

export function maxPoolArgs(input: TensorType, a: PoolAttrs, h: Holes): (Expr | Arg)[] | undefined {
  const args = windowArgs(input, a, h);
  return args && [...args, h.option("dilation", compact(a.dilation ?? 1), 1), h.option("ceil_mode", a.ceil, false)];
}

export function averagePoolArgs(input: TensorType, a: AveragePoolAttrs, h: Holes): (Expr | Arg)[] | undefined {
  const args = windowArgs(input, a, h);
  const counts = a.count_pad && a.pad !== "same";
  // without padding both ways of counting are one
  const same = pairs(input, a).every(({ before, after }) => before === 0 && after === 0);
  return args && [...args, h.option("ceil_mode", a.ceil, false), h.option("count_include_pad", counts || same, true)];
}

const pairs = (input: TensorType, a: PoolAttrs) => poolAxes(input, a);

export interface Border {
  /** (left, right, top, bottom) of the declared padding. */
  readonly padding: readonly number[];
  /** (0, right, 0, bottom): what the last windows read beyond it. */
  readonly beyond: readonly number[];
}

/** The border that windows read, for pools that are padded by hand. */
export function poolBorder(input: TensorType, a: PoolAttrs): Border {
  const beyond = ({ in: size, out, kernel, stride, dilation, before, after }: ReturnType<typeof poolAxes>[number]): number =>
    Math.max(0, (out - 1) * stride + dilation * (kernel - 1) + 1 - size - before - after);
  const [y, x] = poolAxes(input, a);
  return { padding: [x.before, x.after, y.before, y.after], beyond: [0, beyond(x), 0, beyond(y)] };
}
