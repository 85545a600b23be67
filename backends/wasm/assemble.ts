/**
 * Steps -> the bytes of a module that exports `run`, which computes, `digest`, which hashes weights where they lie, `expand`, which makes
 * weights that are larger than their file, and `warm`, which makes the engine translate the kernels well.
 */
import { must } from "../../compiler/invariant.ts";
import type { Program } from "../../compiler/ir/kernel.ts";
import { WRITTEN_BY } from "../backend.ts";
import { digestFunction } from "./digest.ts";
import { encodeModule, Linker } from "./encoder.ts";
import { type FunctionBody, FunctionWriter, type Local } from "./function-writer.ts";
import type { PackedTensor } from "./kernel-code.ts";
import { addressOf, CONTROL, type MemoryPlan, MOST_BYTES, MOST_THREADS, PAGE, packingKey } from "./memory.ts";
import type { StepList } from "./steps.ts";
import { isExpanded, type WeightsLayout } from "./weights-layout.ts";

/** Looks at the generation before a thread goes to sleep: some 50 µs, less than it takes to wake one. */
const SPINS = 20_000;

/** All threads wait until the last has come. The last one starts the next generation, and the parts of a step from the first. */
function barrier(): FunctionBody {
  const f = new FunctionWriter(["i32"]);
  const threads = f.param(0);
  const generation = f.local("i32");
  const spins = f.local("i32");
  const load = () => f.i32(0).memory("i32.atomic.load", CONTROL.generation).get(generation).op("i32.ne");
  f.i32(0).memory("i32.atomic.load", CONTROL.generation).set(generation);
  f.i32(0).i32(1).memory("i32.atomic.rmw.add", CONTROL.arrived).i32(1).op("i32.add").get(threads).op("i32.eq");
  f.if(
    () => {
      f.i32(0).i32(0).memory("i32.atomic.store", CONTROL.next);
      f.i32(0).i32(0).memory("i32.atomic.store", CONTROL.arrived);
      f.i32(0).i32(1).memory("i32.atomic.rmw.add", CONTROL.generation).op("drop");
      f.get(threads).i32(1).op("i32.gt_u");
      f.if(() => {
        f.i32(0).i32(-1).memory("memory.atomic.notify", CONTROL.generation).op("drop");
      });
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

/** The first of `units` that belongs to a part: parts differ by one unit at most. */
function share(): FunctionBody {
  const f = new FunctionWriter(["i32", "i32", "i32"]);
  const [units, part, parts] = [f.param(0), f.param(1), f.param(2)];
  const rest = f.local("i32");
  f.get(units).get(parts).op("i32.div_u").get(part).op("i32.mul");
  f.get(part).get(units).get(parts).op("i32.rem_u").tee(rest).get(part).get(rest).op("i32.lt_u").op("select").op("i32.add");
  return f.finish("share", ["i32"]);
}

/**
 * `run(first, last, thread, threads, scratch, parts, shift)`: every step is cut into parts, and a thread takes the next one when it is done
 * with one, so that a thread that was held up holds up no other. Late weights lie `shift` bytes after their places.
 */
function runFunction({ steps }: StepList, plan: MemoryPlan, program: Program, layout: WeightsLayout): FunctionBody {
  const { offsets } = layout;
  const late = new Set(layout.late.map(packingKey));
  const f = new FunctionWriter(Array.from({ length: 7 }, () => "i32" as const));
  const [first, last, thread, threads, scratch, parts, shift] = [0, 1, 2, 3, 4, 5, 6].map((i) => f.param(i)) as [
    Local,
    Local,
    Local,
    Local,
    Local,
    Local,
    Local,
  ];
  const part = f.local("i32");
  const wait = barrier();
  const start = share();
  steps.forEach(({ code, addresses, barrier: waits }, i) => {
    const compute = (at: Local, of: Local): void => {
      f.i32(code.units).get(at).get(of).call(start);
      f.i32(code.units).get(at).i32(1).op("i32.add").get(of).call(start);
      for (const place of addresses) {
        f.i32(addressOf(place, plan, program, offsets));
        if (place.region === "scratch") f.get(scratch).op("i32.add");
        else if (place.region === "packed" && late.has(packingKey(place.packing))) f.get(shift).op("i32.add");
      }
      f.call(code.body);
    };
    f.get(first).i32(i).op("i32.le_u").get(last).i32(i).op("i32.gt_u").op("i32.and");
    f.if(() => {
      if (!waits) {
        compute(thread, threads);
        return;
      }
      f.block((done) => {
        f.loop((again) => {
          f.i32(0).i32(1).memory("i32.atomic.rmw.add", CONTROL.next).tee(part).get(parts).op("i32.ge_u").brIf(done);
          compute(part, parts);
          f.br(again);
        });
      });
      f.get(threads).call(wait);
    });
  });
  return f.finish("run");
}

/**
 * Engines translate a function quickly at first, and well only after it has been busy; a kernel that is called once for a whole layer stays
 * slow that long. V8 counts the bytes of a function's machine code at every return (13 million make it busy), so calls without work are as
 * good as work. Measured on V8 13.6: machine code has 1.7 bytes or more for each byte of WebAssembly.
 */
const BUSY_BYTES = 9_000_000;
/** Smaller functions move or zero a few bytes: nothing to gain. */
const LEAST_WARMED = 300;

/** Calls every kernel without work until engines find it busy. Each has a caller of its own, which does not become busy itself. */
function warmFunction(linker: Linker, kernels: ReadonlySet<FunctionBody>): FunctionBody {
  const f = new FunctionWriter([]);
  for (const { body, bytes } of [...linker.functions]) {
    if (!kernels.has(body) || bytes.length < LEAST_WARMED) continue;
    const w = new FunctionWriter([]);
    const left = w.local("i32");
    w.i32(Math.ceil(BUSY_BYTES / bytes.length)).set(left);
    w.loop((again) => {
      for (const _ of body.params) w.i32(0);
      w.call(body);
      w.get(left).i32(1).op("i32.sub").tee(left).brIf(again);
    });
    f.call(w.finish("warm"));
  }
  return f.finish("warm-all");
}

/** `expand(i, part, from, to)`: one part of the i-th late weight, which lies at `from`, into what begins at `to`. */
function expandFunction(late: readonly PackedTensor[]): FunctionBody {
  const f = new FunctionWriter(["i32", "i32", "i32", "i32"]);
  late.forEach(({ expansion }, i) => {
    if (!expansion) return;
    f.get(f.param(0)).i32(i).op("i32.eq");
    f.if(() => {
      f.get(f.param(1)).get(f.param(1)).i32(1).op("i32.add").get(f.param(2)).get(f.param(3)).call(expansion.body);
    });
  });
  return f.finish("expand");
}

export interface Assembled {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Place of the byte that says whether the imported memory is shared: 1 or 3. */
  readonly sharedFlag: number;
  /** Distinct functions, callees first. */
  readonly functions: Linker["functions"];
}

export function assemble(list: StepList, plan: MemoryPlan, program: Program, layout: WeightsLayout): Assembled {
  const linker = new Linker(0);
  const most = Math.min(MOST_BYTES, plan.bytes + (MOST_THREADS - 1) * plan.scratchBytes);
  const run = runFunction(list, plan, program, layout);
  linker.indexOf(run);
  const expansions = layout.late.filter(isExpanded).map((p) => p.expansion);
  const expand = expansions.length > 0 ? expandFunction(layout.late) : undefined;
  if (expand) linker.indexOf(expand);
  const kernels = new Set([...list.steps.map((s) => s.code.body), ...expansions.map((e) => e.body)]);
  const bytes = encodeModule(
    {
      mark: WRITTEN_BY,
      imports: [],
      memory: { pages: plan.bytes / PAGE, most: most / PAGE, shared: false, from: { module: "env", name: "memory" } },
      exports: [
        { name: "run", body: run },
        { name: "digest", body: digestFunction() },
        ...(expand ? [{ name: "expand", body: expand }] : []),
        { name: "warm", body: warmFunction(linker, kernels) },
      ],
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
