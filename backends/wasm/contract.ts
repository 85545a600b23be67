/** Convolution and linear layers as one function: for every unit (a panel of output channels, a group of pixels) all tiles of the group. */
import { must } from "../../compiler/invariant.ts";
import type { ContractKernel, Expr, Program } from "../../compiler/ir/kernel.ts";
import { bufferValue, contractOperands, type Side } from "./contract-operands.ts";
import { aheadOf, type ContractPlan, groupStep, type PixelGroup } from "./contract-plan.ts";
import { emitTile } from "./contract-tile.ts";
import { FunctionWriter, type Local } from "./function-writer.ts";
import { gatedPanel } from "./gate.ts";
import type { KernelCode } from "./kernel-code.ts";
import { F32, mapIn } from "./layout.ts";
import { groupElements, panelElements } from "./pack.ts";
import { contractSchedule } from "./schedule.ts";
import type { Binary, TileRun } from "./tiles.ts";
import { emitVector, weightOf } from "./vector-expr.ts";

/** Epilogues that weigh more are computed in a loop over stored sums instead of in every tile. */
const HEAVY = 16;

export function contractCode(
  program: Program,
  kernel: ContractKernel,
  plan: ContractPlan,
  binary: Binary,
  { gating, lanes, direct, sumsAt }: Side,
): KernelCode {
  const { groups, panels, products, streams, fusion } = plan;
  const w = kernel.window;
  const operands = contractOperands(program, kernel, plan, { gating, direct, sumsAt });
  const { packed, addresses, maps, streamParams, panelParam, channelReads, sumsParam, gateParam, scratchParam } = operands;

  const f = new FunctionWriter(
    Array.from({ length: 2 + addresses.length }, () => "i32" as const),
    binary.relaxed,
  );
  const [u, end] = [f.param(0), f.param(1)];
  const perGroup = panels.wide + (panels.narrow ? 1 : 0);
  const panelCount = perGroup * groups.count;
  const groupCount = plan.images * plan.perImage;
  const [panel, block, pixels, channel] = f.locals("i32", 4) as [Local, Local, Local, Local];
  const image = plan.images > 1 ? f.local("i32") : undefined;
  const group = plan.perImage > 1 ? f.local("i32") : undefined;
  const bases = streams.map(() => f.local("i32"));
  const pointers = streams.map(() => f.local("i32"));
  const panelPointer = f.local("i32");
  const channelPointers = channelReads.map(() => f.local("i32"));
  const sumsPointer = sumsParam === undefined ? undefined : f.local("i32");
  const partial = groups.outputs % 4;
  const mask = partial > 0 && panels.wide > 0 && !panels.narrow ? f.local("v128") : undefined;

  const scaledOnce = scratchParam !== undefined && group ? f.local("i32") : undefined;
  /** The first group of a panel, or of this call, whose scratch memory holds nothing yet. */
  const whenNewPanel = (body: () => void): void => {
    if (!scaledOnce || !group) {
      body();
      return;
    }
    f.get(scaledOnce).op("i32.eqz").get(group).op("i32.eqz").op("i32.or");
    f.if(() => {
      body();
      f.i32(1).set(scaledOnce);
    });
  };
  const quotient = (from: Local, by: number, q: Local, rest: Local): void => {
    f.get(from).i32(by).op("i32.div_u").set(q);
    f.get(from).get(q).i32(by).op("i32.mul").op("i32.sub").set(rest);
  };
  const scaled = (l: Local | undefined, by: number): void => {
    if (l && by !== 0) f.get(l).i32(by).op("i32.mul").op("i32.add");
  };

  const heavy = weightOf(fusion.value) + (fusion.squeezed ? weightOf(fusion.squeezed) : 0) > HEAVY;
  const groupsInside = plan.groupsInside && !heavy;
  const early = gating === "panel" || groupsInside ? undefined : aheadOf(plan);
  const ahead = early && { at: f.local("i32"), ...early };
  /** Values of one vector from its sum; `offset` is bytes from a stream's pointer. */
  const finish = (e: Expr, v: number, acc: () => void, offset: (stream: number) => number): void => {
    emitVector(f, e, {
      acc,
      load: (buffer) => {
        const map = maps.findIndex(([b]) => b === buffer);
        if (map < 0) {
          f.get(channelPointers[channelReads.findIndex((r) => r.buffer === buffer)] as Local).memory("v128.load", v * 16);
          return;
        }
        const plane = maps[map]?.[1].form === "plane";
        f.get(pointers[map + 2] as Local).memory(plane ? "v128.load32_splat" : "v128.load", offset(map + 2) + (plane ? 0 : v * 16));
      },
    });
  };
  const masked = (v: number, vectors: 1 | 2): void => {
    if (partial === 0 || v !== vectors - 1) return;
    if (vectors === 1) f.push({ kind: "v128", type: "i32", lanes: laneMask(partial) }).op("v128.and");
    else if (mask) f.get(mask).op("v128.and");
  };
  /** Stores one vector and adds it to `total`. */
  const store = (v: number, vectors: 1 | 2, acc: () => void, offset: (stream: number) => number, total?: Local): void => {
    const same = fusion.squeezed && JSON.stringify(fusion.squeezed) === JSON.stringify(fusion.value);
    const result = f.local("v128");
    if (total && fusion.squeezed && !same) {
      finish(fusion.squeezed, v, acc, offset);
      masked(v, vectors);
      f.get(total).op("f32x4.add").set(total);
    }
    finish(fusion.value, v, acc, offset);
    masked(v, vectors);
    f.set(result);
    if (total && same) f.get(result).get(total).op("f32x4.add").set(total);
    f.get(pointers[1] as Local)
      .get(result)
      .memory("v128.store", offset(1) + v * 16);
    f.release(result);
  };
  const addTotals = (totals: readonly Local[]): void => {
    totals.forEach((total, v) => {
      const at = must(sumsPointer, "sums");
      f.get(at)
        .get(at)
        .memory("v128.load", v * 16)
        .get(total)
        .op("f32x4.add")
        .memory("v128.store", v * 16);
    });
    f.release(...totals);
  };
  const newTotals = (vectors: number): Local[] => {
    const totals = sumsPointer ? f.locals("v128", vectors) : [];
    for (const total of totals) f.f32x4(0).set(total);
    return totals;
  };

  const tile = (run: TileRun, vectors: 1 | 2): void => {
    const sums = emitTile(
      f,
      {
        rows: run.rows,
        vectors,
        offsets: must(run.offsets[0], "offsets"),
        levels: plan.levels,
        binary,
        ahead: vectors === 2 ? ahead : undefined,
      },
      { input: pointers[0] as Local, panel: scratchParam === undefined ? panelPointer : f.param(scratchParam) },
    );
    if (heavy) {
      sums.forEach((row, r) => {
        row.forEach((sum, v) => {
          f.get(pointers[1] as Local)
            .get(sum)
            .memory("v128.store", (run.offsets[1]?.[r] ?? 0) + v * 16);
        });
      });
    } else {
      const totals = newTotals(vectors);
      sums.forEach((row, r) => {
        row.forEach((sum, v) => {
          store(
            v,
            vectors,
            () => f.get(sum),
            (s) => run.offsets[s]?.[r] ?? 0,
            totals[v],
          );
        });
      });
      addTotals(totals);
    }
    for (const row of sums) f.release(...row);
  };

  /** A tile, of one group of channels or of all. */
  const tiles = (run: TileRun, vectors: 1 | 2): void => {
    if (!groupsInside) {
      tile(run, vectors);
      return;
    }
    const byGroup: [Local, number][] = [
      ...pointers.flatMap((p, i): [Local, number][] =>
        i > 0 && maps[i - 2]?.[1].form === "plane" ? [] : [[p, (i === 0 ? groups.inputs : groups.outputs) * F32]],
      ),
      ...[...channelPointers, ...(sumsPointer ? [sumsPointer] : [])].map((p): [Local, number] => [p, groups.outputs * F32]),
      [panelPointer, groupElements(groups.outputs, products) * F32],
    ];
    const left = f.local("i32");
    f.i32(groups.count).set(left);
    f.loop((next) => {
      tile(run, vectors);
      for (const [p, bytes] of byGroup) f.increase(p, bytes);
      f.get(left).i32(1).op("i32.sub").tee(left).brIf(next);
    });
    f.release(left);
    for (const [p, bytes] of byGroup) f.increase(p, -groups.count * bytes);
  };

  function pixelGroup(pixelsOf: PixelGroup, vectors: 1 | 2): void {
    for (const run of pixelsOf.runs) {
      run.start.forEach((s, i) => {
        f.get(bases[i] as Local);
        if (s !== 0) f.i32(s).op("i32.add");
        f.set(pointers[i] as Local);
      });
      if (run.count === 1) tiles(run, vectors);
      else {
        const counter = f.local("i32");
        f.i32(0).set(counter);
        f.until(counter, run.count, 1, () => {
          tiles(run, vectors);
          run.step.forEach((step, i) => {
            f.increase(pointers[i] as Local, step);
          });
        });
        f.release(counter);
      }
    }
    if (heavy) finishGroup(pixelsOf, vectors);
  }

  function finishGroup(g: PixelGroup, vectors: 1 | 2): void {
    const totals = newTotals(vectors);
    const [line, column] = f.locals("i32", 2) as [Local, Local];
    bases.forEach((b, i) => {
      f.get(b).set(pointers[i] as Local);
    });
    f.i32(0).set(line);
    f.until(line, g.lines, 1, () => {
      f.i32(0).set(column);
      f.until(column, g.width, 1, () => {
        for (let v = 0; v < vectors; v++) {
          const sum = f.local("v128");
          f.get(pointers[1] as Local)
            .memory("v128.load", v * 16)
            .set(sum);
          store(
            v,
            vectors,
            () => f.get(sum),
            () => 0,
            totals[v],
          );
          f.release(sum);
        }
        streams.forEach((s, i) => {
          if (i > 0) f.increase(pointers[i] as Local, s.pixel);
        });
      });
      if (g.lines > 1)
        streams.forEach((s, i) => {
          if (i > 0) f.increase(pointers[i] as Local, s.row - g.width * s.pixel);
        });
    });
    f.release(line, column);
    addTotals(totals);
  }

  f.while(u, end, 1, () => {
    if (groupsInside) f.get(u).set(pixels).i32(0).set(panel);
    else if (plan.panelsInside) quotient(u, panelCount, pixels, panel);
    else quotient(u, groupCount, panel, pixels);
    if (image && group) quotient(pixels, plan.perImage, image, group);
    else if (image) f.get(pixels).set(image);
    else if (group) f.get(pixels).set(group);
    let part: Local | undefined;
    if (groups.count > 1 && !groupsInside) {
      part = f.local("i32");
      quotient(panel, perGroup, part, block);
    } else f.get(panel).set(block);
    f.get(block).i32(32).op("i32.mul");
    scaled(part, groups.outputs * F32);
    f.set(channel);
    streams.forEach((s, i) => {
      f.get(f.param(streamParams[i] as number));
      if (s.base !== 0) f.i32(s.base).op("i32.add");
      scaled(image, s.image);
      scaled(group, groupStep(plan, s));
      if (i === 0) scaled(part, groups.inputs * F32);
      else if (maps[i - 2]?.[1].form !== "plane") f.get(channel).op("i32.add");
      f.set(bases[i] as Local);
    });
    f.get(f.param(panelParam))
      .get(block)
      .i32(panelElements(8, products) * F32)
      .op("i32.mul")
      .op("i32.add");
    scaled(part, groupElements(groups.outputs, products) * F32);
    f.set(panelPointer);
    if (ahead) {
      // after the last panel there may be no memory
      const bytes = panelElements(8, products) * F32;
      f.get(panelPointer)
        .i32(bytes)
        .i32(0)
        .get(panel)
        .i32(panelCount - 1)
        .op("i32.ne")
        .op("select")
        .op("i32.add")
        .set(ahead.at);
    }
    channelReads.forEach((read, i) => {
      f.get(f.param(read.param)).get(channel).op("i32.add");
      scaled(image, read.image);
      f.set(channelPointers[i] as Local);
    });
    if (sumsPointer && sumsParam !== undefined) {
      f.get(f.param(sumsParam)).get(channel).op("i32.add");
      if (image || group) scaled(pixels, lanes * F32);
      f.set(sumsPointer);
    }
    if (mask) {
      f.push({ kind: "v128", type: "i32", lanes: laneMask(partial) }).i32x4(-1);
      f.get(block)
        .i32(perGroup - 1)
        .op("i32.eq")
        .op("i32x4.splat")
        .i32(31)
        .op("i32x4.shl")
        .i32(31)
        .op("i32x4.shr_s");
      f.op("v128.bitselect").set(mask);
    }
    const body = (vectors: 1 | 2): void => {
      if (gateParam !== undefined && scratchParam !== undefined)
        whenNewPanel(() => {
          const from = { panel: panelPointer, gate: f.param(gateParam), scratch: f.param(scratchParam) };
          gatedPanel(
            f,
            from,
            plan,
            must(mapIn(program, bufferValue(kernel, must(kernel.gate, "gate"))), "gate").image,
            vectors,
            image,
            part,
          );
        });
      if (sumsPointer && groupsInside)
        f.get(sumsPointer)
          .i32(0)
          .i32(lanes * F32)
          .op("memory.fill");
      else if (sumsPointer)
        for (let v = 0; v < vectors; v++)
          f.get(sumsPointer)
            .f32x4(0)
            .memory("v128.store", v * 16);
      const full = plan.full[vectors - 1] as PixelGroup;
      const last = plan.last[vectors - 1] as PixelGroup;
      if (group && JSON.stringify(full) !== JSON.stringify(last)) {
        f.get(group)
          .i32(plan.perImage - 1)
          .op("i32.eq");
        f.if(
          () => pixelGroup(last, vectors),
          () => pixelGroup(full, vectors),
        );
      } else pixelGroup(last, vectors);
    };
    if (panels.wide === 0) body(1);
    else if (!panels.narrow) body(2);
    else {
      f.get(block).i32(panels.wide).op("i32.eq");
      f.if(
        () => body(1),
        () => body(2),
      );
    }
    if (part) f.release(part);
  });

  const algorithm = contractSchedule(kernel, plan, binary, gating, { groupsInside, ahead: ahead !== undefined });
  return {
    name: `contract-${algorithm.tile ?? ""}-${w.kernel.join("x")}`,
    body: f.finish(`contract-${w.kernel.join("x")}`),
    units: groupsInside ? groupCount : panelCount * groupCount,
    addresses,
    packed,
    ...(gating === "panel" ? { scratchBytes: panelElements(8, products) * F32 } : {}),
    ...(sumsParam !== undefined && !direct ? { sharedBytes: sumsAt + groupCount * lanes * F32 } : {}),
    writesPadding: true,
    algorithm,
  };
}

const laneMask = (lanes: number): [number, number, number, number] =>
  [0, 1, 2, 3].map((l) => (l < lanes ? -1 : 0)) as [number, number, number, number];
