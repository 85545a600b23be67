/** Steps -> the bytes of a module that exports `run(first, last, thread, threads, scratch)`. */
import { must } from "../../compiler/invariant.ts";
import type { Program } from "../../compiler/ir/kernel.ts";
import { encodeModule, Linker } from "./encoder.ts";
import { type FunctionBody, FunctionWriter } from "./function-writer.ts";
import { addressOf, CONTROL, type MemoryPlan, MOST_BYTES, MOST_THREADS, PAGE } from "./memory.ts";
import type { StepList } from "./steps.ts";

/** Looks at the generation before a thread goes to sleep: some 10 µs. */
const SPINS = 4000;

/** All threads wait until the last has come. The last one starts the next generation. */
function barrier(): FunctionBody {
  const f = new FunctionWriter(["i32"]);
  const generation = f.local("i32");
  const spins = f.local("i32");
  const load = () => f.i32(0).memory("i32.atomic.load", CONTROL.generation).get(generation).op("i32.ne");
  f.i32(0).memory("i32.atomic.load", CONTROL.generation).set(generation);
  f.i32(0).i32(1).memory("i32.atomic.rmw.add", CONTROL.arrived).i32(1).op("i32.add").get(f.param(0)).op("i32.eq");
  f.if(
    () => {
      f.i32(0).i32(0).memory("i32.atomic.store", CONTROL.arrived);
      f.i32(0).i32(1).memory("i32.atomic.rmw.add", CONTROL.generation).op("drop");
      f.i32(0).i32(-1).memory("memory.atomic.notify", CONTROL.generation).op("drop");
    },
    () => {
      f.block((done) => {
        f.i32(SPINS).set(spins);
        f.loop((again) => {
          load().brIf(done);
          f.get(spins).i32(1).op("i32.sub").tee(spins).brIf(again);
        });
        f.loop((again) => {
          f.i32(0).get(generation).push({ kind: "i64", value: -1n }).memory("memory.atomic.wait32", CONTROL.generation).op("drop");
          load().op("i32.eqz").brIf(again);
        });
      });
    },
  );
  return f.finish("barrier");
}

/** The first unit of a thread. */
function share(): FunctionBody {
  const f = new FunctionWriter(["i32", "i32", "i32"]);
  f.get(f.param(0)).get(f.param(1)).op("i32.mul").get(f.param(2)).op("i32.div_u");
  return f.finish("share", ["i32"]);
}

function runFunction({ steps }: StepList, plan: MemoryPlan, program: Program, offsets: ReadonlyMap<string, number>): FunctionBody {
  const f = new FunctionWriter(["i32", "i32", "i32", "i32", "i32"]);
  const [first, last, thread, threads, scratch] = [f.param(0), f.param(1), f.param(2), f.param(3), f.param(4)];
  const wait = barrier();
  const part = share();
  steps.forEach(({ code, addresses, barrier: waits }, i) => {
    f.get(first).i32(i).op("i32.le_u").get(last).i32(i).op("i32.gt_u").op("i32.and");
    f.if(() => {
      f.i32(code.units).get(thread).get(threads).call(part);
      f.i32(code.units).get(thread).i32(1).op("i32.add").get(threads).call(part);
      for (const place of addresses) {
        f.i32(addressOf(place, plan, program, offsets));
        if (place.region === "scratch") f.get(scratch).op("i32.add");
      }
      f.call(code.body);
      if (!waits) return;
      f.get(threads).i32(1).op("i32.gt_u");
      f.if(() => f.get(threads).call(wait));
    });
  });
  return f.finish("run");
}

export interface Assembled {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Place of the byte that says whether the imported memory is shared: 1 or 3. */
  readonly sharedFlag: number;
  /** Distinct functions, callees first. */
  readonly functions: Linker["functions"];
}

export function assemble(list: StepList, plan: MemoryPlan, program: Program, offsets: ReadonlyMap<string, number>): Assembled {
  const linker = new Linker(0);
  const most = Math.min(MOST_BYTES, plan.bytes + (MOST_THREADS - 1) * plan.scratchBytes);
  const bytes = encodeModule(
    {
      imports: [],
      memory: { pages: plan.bytes / PAGE, most: most / PAGE, shared: false, from: { module: "env", name: "memory" } },
      exports: [{ name: "run", body: runFunction(list, plan, program, offsets) }],
    },
    linker,
  );
  return { bytes, sharedFlag: flagAt(bytes), functions: linker.functions };
}

/** The import "env" "memory" is written as these bytes, then its limits. */
function flagAt(bytes: Uint8Array): number {
  const entry = [3, ...new TextEncoder().encode("env"), 6, ...new TextEncoder().encode("memory"), 2];
  const at = bytes.findIndex((_, i) => entry.every((b, k) => bytes[i + k] === b));
  return must(at < 0 ? undefined : at + entry.length, "import of the memory");
}
