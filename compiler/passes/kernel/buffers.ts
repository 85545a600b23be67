/** Kernel buffer lists: after two kernels were joined, `tidy` drops what nothing reads and binds every value once. */
import { unreachable } from "../../invariant.ts";
import type { BufferUse, Expr, Kernel } from "../../ir/kernel.ts";
import { substitution, visitOnce } from "./substitute.ts";

/** Every expression of a kernel in which `acc` is known or not, in a fixed order. */
export function expressionsOf(k: Kernel): Expr[] {
  switch (k.kind) {
    case "loop":
      return [k.body, ...(k.epilogue ? [k.epilogue] : []), ...k.store];
    case "contract":
    case "depthwise":
      return [k.epilogue, ...(k.squeeze ? [k.squeeze.of] : [])];
    case "excite":
      return k.layers.map((l) => l.act);
    default:
      return unreachable(k);
  }
}

/** Rewrites every expression of a kernel. */
export function mapExpressions(k: Kernel, f: (e: Expr) => Expr): Kernel {
  switch (k.kind) {
    case "loop":
      return { ...k, body: f(k.body), ...(k.epilogue ? { epilogue: f(k.epilogue) } : {}), store: k.store.map(f) };
    case "contract":
    case "depthwise":
      return { ...k, epilogue: f(k.epilogue), ...(k.squeeze ? { squeeze: { ...k.squeeze, of: f(k.squeeze.of) } } : {}) };
    case "excite":
      return { ...k, layers: k.layers.map((l) => ({ ...l, act: f(l.act) })) };
    default:
      return unreachable(k);
  }
}

/** Buffer indices a kernel names outside its expressions (input, weight, output, gate, ...). */
export function fieldBuffers(k: Kernel): number[] {
  switch (k.kind) {
    case "loop":
      return [k.output];
    case "contract":
      return [k.input, k.weight, ...(k.gate === undefined ? [] : [k.gate]), ...(k.squeeze ? [k.squeeze.buffer] : []), k.output];
    case "depthwise":
      return [k.input, k.weight, ...(k.squeeze ? [k.squeeze.buffer] : []), k.output];
    case "excite":
      return [k.sums, ...k.layers.flatMap((l) => [l.weight, ...(l.bias === undefined ? [] : [l.bias])]), k.output];
    default:
      return unreachable(k);
  }
}

function mapFields(k: Kernel, to: (b: number) => number): Kernel {
  switch (k.kind) {
    case "loop":
      return { ...k, output: to(k.output) };
    case "contract":
    case "depthwise": {
      const squeeze = k.squeeze ? { squeeze: { ...k.squeeze, buffer: to(k.squeeze.buffer) } } : {};
      const gate = k.kind === "contract" && k.gate !== undefined ? { gate: to(k.gate) } : {};
      return { ...k, input: to(k.input), weight: to(k.weight), output: to(k.output), ...gate, ...squeeze };
    }
    case "excite":
      return {
        ...k,
        sums: to(k.sums),
        output: to(k.output),
        layers: k.layers.map((l) => ({ ...l, weight: to(l.weight), ...(l.bias === undefined ? {} : { bias: to(l.bias) }) })),
      };
    default:
      return unreachable(k);
  }
}

/** Buffer indices the kernel's expressions load from. */
export function loadedBuffers(k: Kernel): Set<number> {
  const used = new Set<number>();
  for (const e of expressionsOf(k)) visitOnce(e, (n) => n.kind === "load" && used.add(n.buffer));
  return used;
}

/** The same kernel with every value bound once per access, reads before writes, in order of first mention; unused buffers are gone. */
export function tidy<K extends Kernel>(k: K): K {
  const used = new Set([...fieldBuffers(k), ...loadedBuffers(k)]);
  const order = [...used].sort((a, b) => a - b);
  const list: BufferUse[] = [];
  const to = new Map<number, number>();
  for (const access of ["read", "write"] as const) {
    for (const b of order) {
      const use = k.buffers[b] as BufferUse;
      if (use.access !== access) continue;
      let at = list.findIndex((u) => u.access === access && u.value === use.value);
      if (at < 0) at = list.push(use) - 1;
      to.set(b, at);
    }
  }
  const move = (b: number): number => to.get(b) as number;
  const rename = substitution({ load: (b, at) => ({ kind: "load", buffer: move(b), at }) });
  return { ...mapExpressions(mapFields(k, move), rename), buffers: list } as Kernel as K;
}
