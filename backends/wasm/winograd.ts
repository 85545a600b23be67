/**
 * 3x3 convolution with stride 1 as Winograd's F(2x2, 3x3): 16 products for 4 outputs where the direct form takes 36 (Lavin and Gray,
 * "Fast Algorithms for Convolutional Neural Networks", arXiv 1509.09308, section 4.1).
 *
 * A unit is a strip of whole rows of 2x2 output tiles times a chunk of output channels. It transforms the strip's input into the thread's
 * scratch memory (once for all chunks that follow one another), multiplies 16 matrices [tiles x inputs] . [inputs x chunk] with the register
 * tiles of every contraction, and transforms the 16 products of each tile into 2x2 outputs with the epilogue.
 */
import { must } from "../../compiler/invariant.ts";
import type { ContractKernel, Expr, Program } from "../../compiler/ir/kernel.ts";
import { haloSuffices, inputStream, mapsRead, outputStream, type Stream } from "./contract-plan.ts";
import { fusionOf } from "./epilogue.ts";
import { FunctionWriter, type Local } from "./function-writer.ts";
import type { Address, KernelCode } from "./kernel-code.ts";
import { F32, mapIn } from "./layout.ts";
import { channelPacking } from "./pack.ts";
import { sumsStep } from "./sums.ts";
import type { Binary } from "./tiles.ts";
import { emitVector } from "./vector-expr.ts";
import { transformInput } from "./winograd-input.ts";
import { POINTS, winogradPlan } from "./winograd-plan.ts";
import { multiply } from "./winograd-product.ts";
import { partBytes, winogradPacking } from "./winograd-weights.ts";

/** Undefined when the epilogue is none that computes on lanes in place, or the geometry is not a plain 3x3. */
export function winogradSteps(program: Program, kernel: ContractKernel, binary: Binary): KernelCode[] | undefined {
  const w = kernel.window;
  const value = (b: number) => must(kernel.buffers[b], `buffer ${b}`).value;
  const [input, output] = [mapIn(program, value(kernel.input)), outputStream(program, kernel)];
  const fusion = fusionOf(program, kernel);
  if (!input || !output || !fusion || !haloSuffices(w, input)) return undefined;
  if (kernel.squeeze && kernel.squeeze.tiles !== 1) return undefined;
  const plan = winogradPlan(w, binary);
  if (!plan) return undefined;

  const weights = new Map(program.weights.map((x) => [x.value, x]));
  const weightOfBuffer = (b: number) => must(weights.get(value(b)), `weight ${b} of ${kernel.name}`);
  const packed = [winogradPacking(w, plan.chunkPanels, weightOfBuffer(kernel.weight))];
  const addresses: Address[] = [];
  const parameter = (a: Address): number => addresses.push(a) + 1;
  const maps = mapsRead(fusion);
  const streams: Stream[] = [inputStream(w, input), output, ...maps.map(([, read]) => read.layout)];
  const streamParams = [kernel.input, kernel.output, ...maps.map(([b]) => b)].map((buffer) => parameter({ kind: "value", buffer }));
  const weightsParam = parameter({ kind: "packed", index: 0 });
  const vectors = [
    ...[...fusion.reads].flatMap(([buffer, read]) => (read.form === "channel" ? [{ buffer, image: read.image }] : [])),
    ...(fusion.bias === undefined ? [] : [{ buffer: fusion.bias, image: 0 }]),
  ].map(({ buffer, image }) => {
    const weight = weights.get(value(buffer));
    const address: Address = weight
      ? { kind: "packed", index: packed.push(channelPacking(weight, w.out[0])) - 1 }
      : { kind: "value", buffer };
    return { buffer, image, param: parameter(address) };
  });
  const lanes = kernel.squeeze ? must(program.storage.get(value(kernel.squeeze.buffer)), "storage of sums").channels : 0;
  const sumsParam = kernel.squeeze && parameter({ kind: "shared" });
  const gate = kernel.gate === undefined ? undefined : must(mapIn(program, value(kernel.gate)), "gate");
  const gateParam = kernel.gate === undefined ? undefined : parameter({ kind: "value", buffer: kernel.gate });
  const scratchParam = parameter({ kind: "scratch" });

  const f = new FunctionWriter(
    Array.from({ length: 2 + addresses.length }, () => "i32" as const),
    binary.relaxed,
  );
  const [u, end] = [f.param(0), f.param(1)];
  const [chunk, strip, started] = f.locals("i32", 3) as [Local, Local, Local];
  const image = w.batch > 1 ? f.local("i32") : undefined;
  const rest = image ? f.local("i32") : strip;
  const bases = streams.map(() => f.local("i32"));
  const vectorBases = vectors.map(() => f.local("i32"));
  const sumsBase = sumsParam === undefined ? undefined : f.local("i32");
  const gateBase = gateParam === undefined ? undefined : f.local("i32");
  const { tileRows, tileColumns, stripRows, strips, chunks, chunkPanels, vStride, mStride } = plan;
  const chunkBytes = chunkPanels * 32;
  const products = POINTS * vStride;

  const scaled = (l: Local, by: number): void => {
    if (by !== 0) f.get(l).i32(by).op("i32.mul").op("i32.add");
  };

  f.while(u, end, 1, () => {
    f.get(u).i32(chunks).op("i32.div_u").tee(strip).i32(chunks).op("i32.mul").set(chunk);
    f.get(u).get(chunk).op("i32.sub").set(chunk);
    if (image) {
      f.get(strip).i32(strips).op("i32.div_u").tee(image).i32(strips).op("i32.mul").set(rest);
      f.get(strip).get(rest).op("i32.sub").set(rest);
    }
    streams.forEach((s, i) => {
      f.get(f.param(streamParams[i] as number))
        .i32(s.base)
        .op("i32.add");
      if (image) scaled(image, s.image);
      scaled(rest, 2 * stripRows * s.row);
      if (i > 0 && maps[i - 2]?.[1].form !== "plane") scaled(chunk, chunkBytes);
      f.set(bases[i] as Local);
    });
    vectors.forEach((v, i) => {
      f.get(f.param(v.param));
      if (image) scaled(image, v.image);
      scaled(chunk, chunkBytes);
      f.set(vectorBases[i] as Local);
    });
    if (sumsBase && sumsParam !== undefined) {
      f.get(f.param(sumsParam));
      scaled(strip, lanes * F32);
      scaled(chunk, chunkBytes);
      f.tee(sumsBase).i32(0).i32(chunkBytes).op("memory.fill");
    }
    f.get(chunk).op("i32.eqz").get(started).op("i32.eqz").op("i32.or");
    f.if(() => {
      f.i32(1).set(started);
      if (gate && gateBase && gateParam !== undefined) {
        f.get(f.param(gateParam));
        if (image) scaled(image, gate.image);
        f.set(gateBase);
      }
      transformInput(f, plan, must(streams[0], "input"), must(bases[0], "input"), rest, f.param(scratchParam), gateBase);
    });
    multiply(f, plan, binary, chunk, f.param(weightsParam), f.param(scratchParam));
    transformOutput();
  });

  /** Y = A' M A on four channels at a time, then bias, epilogue and stores; outputs beyond an odd edge are left out. */
  function transformOutput(): void {
    const [, height, width] = w.out;
    const [row, column, quad, m, rowFits, columnFits] = f.locals("i32", 6) as [Local, Local, Local, Local, Local, Local];
    const lines = streams.map(() => f.local("i32"));
    const pointers = streams.map(() => f.local("i32"));
    const vectorPointers = vectors.map(() => f.local("i32"));
    const sumsPointer = sumsBase ? f.local("i32") : undefined;
    const plane = (i: number): boolean => maps[i - 2]?.[1].form === "plane";
    const same = fusion?.squeezed !== undefined && JSON.stringify(fusion.squeezed) === JSON.stringify(fusion.value);
    const biasAt = fusion?.bias === undefined ? -1 : vectors.length - 1;

    const store = (sum: Local, dy: number, dx: number, total: Local | undefined): void => {
      const finish = (e: Expr): void =>
        emitVector(f, e, {
          acc: () => void f.get(sum),
          load: (buffer) => {
            const map = maps.findIndex(([b]) => b === buffer) + 2;
            if (map < 2) f.get(vectorPointers[vectors.findIndex((v) => v.buffer === buffer)] as Local).memory("v128.load");
            else {
              const s = streams[map] as Stream;
              f.get(pointers[map] as Local).memory(plane(map) ? "v128.load32_splat" : "v128.load", dy * s.row + dx * s.pixel);
            }
          },
        });
      const body = (): void => {
        if (total && fusion?.squeezed && !same) {
          f.get(total);
          finish(fusion.squeezed);
          f.op("f32x4.add").set(total);
        }
        finish((fusion as { readonly value: Expr }).value);
        f.set(sum);
        if (total && same) f.get(total).get(sum).op("f32x4.add").set(total);
        f.get(pointers[1] as Local)
          .get(sum)
          .memory("v128.store", dy * must(output, "output").row + dx * must(output, "output").pixel);
      };
      const checks = [...(dy === 1 && height % 2 === 1 ? [rowFits] : []), ...(dx === 1 && width % 2 === 1 ? [columnFits] : [])];
      if (checks.length === 0) body();
      else {
        checks.forEach((c, i) => {
          f.get(c);
          if (i > 0) f.op("i32.and");
        });
        f.if(body);
      }
    };

    f.get(f.param(scratchParam)).i32(products).op("i32.add").set(m);
    bases.forEach((b, i) => {
      f.get(b).set(lines[i] as Local);
    });
    f.i32(0).set(row);
    f.until(row, stripRows, 1, () => {
      if (height % 2 === 1) {
        f.get(row);
        scaled(rest, stripRows);
        f.i32(tileRows - 1)
          .op("i32.ne")
          .set(rowFits);
      }
      lines.forEach((l, i) => {
        f.get(l).set(pointers[i] as Local);
      });
      f.i32(0).set(column);
      f.until(column, tileColumns, 1, () => {
        if (width % 2 === 1)
          f.get(column)
            .i32(tileColumns - 1)
            .op("i32.ne")
            .set(columnFits);
        vectorBases.forEach((b, i) => {
          f.get(b).set(vectorPointers[i] as Local);
        });
        if (sumsBase && sumsPointer) f.get(sumsBase).set(sumsPointer);
        f.i32(0).set(quad);
        f.until(quad, chunkBytes, 16, () => {
          const sums = f.locals("v128", 8);
          const [a, b] = f.locals("v128", 2) as [Local, Local];
          for (let x = 0; x < 4; x++) {
            const [top, bottom] = [sums[x] as Local, sums[4 + x] as Local];
            const load = (y: number) => f.get(m).memory("v128.load", (4 * y + x) * mStride);
            load(1).set(a);
            load(2).set(b);
            load(0).get(a).op("f32x4.add").get(b).op("f32x4.add").set(top);
            f.get(a).get(b).op("f32x4.sub");
            load(3).op("f32x4.sub").set(bottom);
          }
          const total = sumsPointer ? f.local("v128") : undefined;
          if (total && sumsPointer) f.get(sumsPointer).memory("v128.load").set(total);
          for (const dy of [0, 1]) {
            const [s0, s1, s2, s3] = sums.slice(4 * dy, 4 * dy + 4) as [Local, Local, Local, Local];
            // left = s0 + s1 + s2, right = s1 - s2 - s3
            f.get(s1).get(s2).op("f32x4.add").set(a);
            f.get(s1).get(s2).op("f32x4.sub").set(b);
            f.get(s0).get(a).op("f32x4.add");
            if (biasAt >= 0)
              f.get(vectorPointers[biasAt] as Local)
                .memory("v128.load")
                .op("f32x4.add");
            f.set(s0);
            f.get(b).get(s3).op("f32x4.sub");
            if (biasAt >= 0)
              f.get(vectorPointers[biasAt] as Local)
                .memory("v128.load")
                .op("f32x4.add");
            f.set(s1);
            store(s0, dy, 0, total);
            store(s1, dy, 1, total);
          }
          if (total && sumsPointer) {
            f.get(sumsPointer).get(total).memory("v128.store");
            f.increase(sumsPointer, 16);
            f.release(total);
          }
          f.release(...sums, a, b);
          pointers.forEach((p, i) => {
            if (i > 0 && !plane(i)) f.increase(p, 16);
          });
          for (const p of vectorPointers) f.increase(p, 16);
          f.increase(m, 16);
        });
        streams.forEach((s, i) => {
          if (i > 0) f.increase(pointers[i] as Local, 2 * s.pixel - (plane(i) ? 0 : chunkBytes));
        });
      });
      streams.forEach((s, i) => {
        if (i > 0) f.increase(lines[i] as Local, 2 * s.row);
      });
    });
    f.release(row, column, quad, m, rowFits, columnFits, ...lines, ...pointers, ...vectorPointers);
    if (sumsPointer) f.release(sumsPointer);
  }

  return [
    {
      name: `winograd-3x3`,
      body: f.finish("winograd-3x3"),
      units: w.batch * strips * chunks,
      addresses,
      packed,
      scratchBytes: Math.max(products + POINTS * mStride, partBytes(w)),
      ...(kernel.squeeze ? { sharedBytes: w.batch * strips * lanes * F32 } : {}),
      writesPadding: true,
      algorithm: { algorithm: "winograd", tile: plan.tile, why: plan.why },
    },
    ...(kernel.squeeze ? [sumsStep(kernel.squeeze.buffer, w.batch, strips, lanes)] : []),
  ];
}
