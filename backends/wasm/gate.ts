/** A gate on the inputs of a contraction: the smaller side is scaled before the products (kernels.md section 4.2). */

import { storedBytes } from "../../compiler/analysis/liveness.ts";
import { must } from "../../compiler/invariant.ts";
import type { ContractKernel, Program } from "../../compiler/ir/kernel.ts";
import type { ContractPlan } from "./contract-plan.ts";
import { FunctionWriter, type Local } from "./function-writer.ts";
import type { KernelCode } from "./kernel-code.ts";
import { F32, mapIn } from "./layout.ts";

const bufferValue = (kernel: ContractKernel, b: number) => must(kernel.buffers[b], `buffer ${b}`).value;

/** Bytes of the scaled input. */
export function gatedBytes(program: Program, kernel: ContractKernel): number {
  const value = bufferValue(kernel, kernel.input);
  return storedBytes(value, must(program.storage.get(value), `storage of ${value.name}`));
}

/** A step that scales the whole input into shared memory; undefined when scaling the weights is less work. */
export function gatedInput(program: Program, kernel: ContractKernel, plan: ContractPlan): KernelCode | undefined {
  const w = kernel.window;
  const bytes = gatedBytes(program, kernel);
  const perPanel = plan.panels.wide * 8 + (plan.panels.narrow ? 4 : 0);
  if (bytes / F32 > w.batch * plan.groups.count * perPanel * plan.products) return undefined;
  const gate = must(kernel.gate, "gate");
  const map = must(mapIn(program, bufferValue(kernel, kernel.input)), "map");
  const factors = must(mapIn(program, bufferValue(kernel, gate)), "gate");
  const f = new FunctionWriter(["i32", "i32", "i32", "i32", "i32"]);
  const [u, end] = [f.param(0), f.param(1)];
  const [from, to, g, stop, last] = f.locals("i32", 5) as [Local, Local, Local, Local, Local];
  const rows = bytes / map.row;
  f.while(u, end, 1, () => {
    f.get(f.param(2)).get(u).i32(map.row).op("i32.mul").op("i32.add").tee(from);
    f.i32(map.row).op("i32.add").set(last);
    f.get(f.param(4)).get(u).i32(map.row).op("i32.mul").op("i32.add").set(to);
    f.loop((pixel) => {
      f.get(f.param(3));
      if (w.batch > 1)
        f.get(u)
          .i32(rows / w.batch)
          .op("i32.div_u")
          .i32(factors.image)
          .op("i32.mul")
          .op("i32.add");
      f.tee(g).i32(map.pixel).op("i32.add").set(stop);
      f.until(g, stop, 16, () => {
        f.get(to).get(from).memory("v128.load").get(g).memory("v128.load").op("f32x4.mul").memory("v128.store");
        f.increase(from, 16).increase(to, 16);
      });
      f.get(from).get(last).op("i32.ne").brIf(pixel);
    });
  });
  return {
    name: "scale-input",
    body: f.finish("scale-input"),
    units: rows,
    addresses: [{ kind: "value", buffer: kernel.input }, { kind: "value", buffer: gate }, { kind: "shared" }],
    packed: [],
    sharedBytes: bytes,
    writesPadding: true,
    algorithm: { algorithm: "scaled-input", why: "the gate is multiplied into the input, which is smaller than the weights" },
  };
}

/** Copies a panel into scratch memory, every product's weights times its channel's factor. */
export function gatedPanel(
  f: FunctionWriter,
  { panel, gate, scratch }: { readonly panel: Local; readonly gate: Local; readonly scratch: Local },
  plan: ContractPlan,
  gateImage: number,
  vectors: 1 | 2,
  image: Local | undefined,
  part: Local | undefined,
): void {
  const { inputs } = plan.groups;
  const [b, to, g, start] = f.locals("i32", 4) as [Local, Local, Local, Local];
  const factor = f.local("v128");
  for (let v = 0; v < vectors; v++)
    f.get(scratch)
      .get(panel)
      .memory("v128.load", v * 16)
      .memory("v128.store", v * 16);
  f.get(panel)
    .i32(vectors * 16)
    .op("i32.add")
    .set(b);
  f.get(scratch)
    .i32(vectors * 16)
    .op("i32.add")
    .set(to);
  f.get(gate);
  if (image) f.get(image).i32(gateImage).op("i32.mul").op("i32.add");
  if (part)
    f.get(part)
      .i32(inputs * F32)
      .op("i32.mul")
      .op("i32.add");
  f.set(start);
  const taps = plan.products / inputs;
  const tap = f.local("i32");
  const stop = f.local("i32");
  f.i32(0).set(tap);
  f.until(tap, taps, 1, () => {
    f.get(start)
      .tee(g)
      .i32(inputs * F32)
      .op("i32.add")
      .set(stop);
    f.until(g, stop, F32, () => {
      f.get(g).memory("v128.load32_splat").set(factor);
      for (let v = 0; v < vectors; v++)
        f.get(to)
          .get(b)
          .memory("v128.load", v * 16)
          .get(factor)
          .op("f32x4.mul")
          .memory("v128.store", v * 16);
      f.increase(b, vectors * 16).increase(to, vectors * 16);
    });
  });
  f.release(b, to, g, start, factor, tap, stop);
}
