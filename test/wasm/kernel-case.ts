/** Programs of one convolution, for tests and measurements of single kernels. */
import * as x from "../../compiler/ir/expr.ts";
import type { Value, Weight } from "../../compiler/ir/graph.ts";
import type { BufferUse, ContractKernel, DepthwiseKernel, Expr, Program, Storage } from "../../compiler/ir/kernel.ts";

export interface Case {
  readonly kind?: "contract" | "depthwise";
  readonly batch?: number;
  readonly groups?: number;
  readonly in: readonly [c: number, h: number, w: number];
  readonly out: number;
  readonly kernel?: readonly [number, number];
  readonly stride?: readonly [number, number];
  readonly dilation?: readonly [number, number];
  readonly pad?: readonly [number, number, number, number];
  readonly bias?: boolean;
  readonly residual?: boolean;
  readonly scale?: boolean;
  readonly gate?: boolean;
  readonly squeeze?: boolean;
  readonly act?: (e: Expr) => Expr;
  /** Halo of the output and of the residual: what some later reader might want. */
  readonly halo?: readonly [output: number, residual: number];
  /** Values of rank 2. */
  readonly linear?: boolean;
}

export const relu = (e: Expr): Expr => x.max(e, 0);
export const silu = (e: Expr): Expr => x.div(e, x.add(x.exp(x.neg(x.max(e, -87))), 1));

export interface Built {
  readonly program: Program;
  readonly kernel: ContractKernel | DepthwiseKernel;
}

const span = (size: number, kernel: number, stride: number, dilation: number, pads: number): number =>
  Math.floor((size + pads - dilation * (kernel - 1) - 1) / stride) + 1;

export function build(c: Case): Built {
  const {
    kernel = [1, 1],
    stride = [1, 1],
    dilation = [1, 1],
    pad = [0, 0, 0, 0],
    batch = 1,
    groups = c.kind === "depthwise" ? c.in[0] : 1,
  } = c;
  const out: [number, number, number] = [
    c.out,
    span(c.in[1], kernel[0], stride[0], dilation[0], pad[0] + pad[2]),
    span(c.in[2], kernel[1], stride[1], dilation[1], pad[1] + pad[3]),
  ];
  const buffers: BufferUse[] = [];
  const storage = new Map<Value, Storage>();
  const weights: Weight[] = [];
  const add = (name: string, shape: readonly number[], access: "read" | "write", halo?: number): number => {
    const value: Value = { id: buffers.length, name, type: { dtype: "f32", shape } };
    if (halo === undefined) weights.push({ path: name, value, init: { kind: "zeros" } } as unknown as Weight);
    else {
      const channels = Math.ceil((shape.length === 4 ? (shape[1] as number) : (shape[shape.length - 1] as number)) / 4) * 4;
      storage.set(value, { order: "nhwc", channels, halo });
    }
    return buffers.push({ value, access }) - 1;
  };
  const map = (name: string, [ch, h, w]: readonly [number, number, number], access: "read" | "write", halo: number): number =>
    c.linear ? add(name, [batch, ch], access, 0) : add(name, [batch, ch, h, w], access, halo);
  const after = (i: 0 | 1): number =>
    ((out[i + 1] as number) - 1) * stride[i] + (kernel[i] - 1) * dilation[i] - pad[i] - ((c.in[i + 1] as number) - 1);
  const input = map("input", c.in, "read", Math.max(0, pad[0], pad[1], after(0), after(1)));
  const weight = add("weight", c.linear ? [c.out, c.in[0]] : [c.out, c.in[0] / groups, ...kernel], "read");
  const output = map("output", out, "write", c.halo?.[0] ?? 0);
  const [n, ch, y, column] = ["n", "c", "y", "x"].map(x.index) as [Expr, Expr, Expr, Expr];
  let epilogue: Expr = x.ACC;
  if (c.bias) epilogue = x.add(epilogue, x.load(add("bias", [c.out], "read"), [ch]));
  if (c.scale) epilogue = x.mul(epilogue, x.load(add("scale", [batch, c.out], "read", 0), [n, ch]));
  const squeezed = epilogue;
  if (c.residual)
    epilogue = x.add(epilogue, x.load(map("residual", out, "read", c.halo?.[1] ?? 0), c.linear ? [n, ch] : [n, ch, y, column]));
  if (c.act) epilogue = c.act(epilogue);
  const gate = c.gate ? add("gate", [batch, c.in[0]], "read", 0) : undefined;
  const squeeze = c.squeeze
    ? { buffer: add("sums", [batch, 1, c.out], "write", 0), of: c.residual ? squeezed : epilogue, tiles: 1 }
    : undefined;
  const made = {
    kind: c.kind ?? "contract",
    name: "k",
    buffers,
    from: [],
    window: { batch, groups, in: c.in, out, kernel, stride, dilation, pad },
    input,
    weight,
    output,
    epilogue,
    ...(gate === undefined ? {} : { gate }),
    ...(squeeze ? { squeeze } : {}),
  } as ContractKernel | DepthwiseKernel;
  const program: Program = {
    name: "one",
    inputs: [],
    outputs: [],
    kernels: [made],
    weights,
    storage,
    memory: { arenas: [], places: new Map(), lowerBound: 0, mixed: new Set() },
  };
  return { program, kernel: made };
}
