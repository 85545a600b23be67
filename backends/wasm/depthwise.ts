/**
 * Depthwise convolution: for every line of output pixels, strips of up to six neighbouring pixels, and inside of them the channels, four at
 * a time. So memory is read in the order in which it lies. A loaded input column serves every tap of the kernel's row that covers it.
 */
import { must } from "../../compiler/invariant.ts";
import type { DepthwiseKernel, Expr, Program } from "../../compiler/ir/kernel.ts";
import { haloSuffices, inputStream, mapsRead, outputStream, type Stream } from "./contract-plan.ts";
import { fusionOf } from "./epilogue.ts";
import { FunctionWriter, type Local } from "./function-writer.ts";
import type { Address, KernelCode } from "./kernel-code.ts";
import { F32, mapIn } from "./layout.ts";
import { channelPacking, depthwisePacking } from "./pack.ts";
import { sumsStep } from "./sums.ts";
import type { Binary } from "./tiles.ts";
import { emitVector } from "./vector-expr.ts";

/** Pixels of a strip: accumulators, a row of taps and an operand stay within the registers of both binaries. */
const WIDEST = 6;
/** Longer rows of taps are taken in pieces. */
const MOST_TAPS = 5;

/** Lengths of the strips that a line is cut into: as few as can be, as equal as can be. */
export function strips(width: number): number[] {
  const count = Math.ceil(width / WIDEST);
  const short = Math.floor(width / count);
  const long = width - short * count;
  return Array.from({ length: count }, (_, i) => (i < long ? short + 1 : short));
}

/** Undefined when each input channel makes several outputs, or the epilogue is none that computes on lanes in place. */
export function depthwiseSteps(program: Program, kernel: DepthwiseKernel, binary: Binary): KernelCode[] | undefined {
  const w = kernel.window;
  const value = (b: number) => must(kernel.buffers[b], `buffer ${b}`).value;
  const [input, output] = [mapIn(program, value(kernel.input)), outputStream(program, kernel)];
  const fusion = fusionOf(program, kernel);
  if (!input || !output || !fusion || w.out[0] !== w.in[0] || !haloSuffices(w, input)) return undefined;
  if (kernel.squeeze && kernel.squeeze.tiles !== 1) return undefined;
  const [kh, kw] = w.kernel;
  const [, height, width] = w.out;
  const quads = Math.ceil(w.out[0] / 4);
  const weights = new Map(program.weights.map((x) => [x.value, x]));
  const weightOfBuffer = (b: number) => must(weights.get(value(b)), `weight ${b} of ${kernel.name}`);
  const packed = [depthwisePacking(w, weightOfBuffer(kernel.weight), fusion.bias === undefined ? undefined : weightOfBuffer(fusion.bias))];
  const addresses: Address[] = [];
  const parameter = (a: Address): number => addresses.push(a) + 1;
  const maps = mapsRead(fusion);
  const streams: Stream[] = [inputStream(w, input), output, ...maps.map(([, read]) => read.layout)];
  const streamParams = [kernel.input, kernel.output, ...maps.map(([b]) => b)].map((buffer) => parameter({ kind: "value", buffer }));
  const tapsParam = parameter({ kind: "packed", index: 0 });
  const channelReads = [...fusion.reads].flatMap(([buffer, read]) => {
    if (read.form !== "channel") return [];
    const weight = weights.get(value(buffer));
    const address: Address = weight
      ? { kind: "packed", index: packed.push(channelPacking(weight, w.out[0])) - 1 }
      : { kind: "value", buffer };
    return [{ buffer, image: read.image, param: parameter(address) }];
  });
  const lanes = kernel.squeeze ? must(program.storage.get(value(kernel.squeeze.buffer)), "storage of sums").channels : 0;
  const direct = height === 1;
  const sumsParam = kernel.squeeze && parameter(direct ? { kind: "value", buffer: kernel.squeeze.buffer } : { kind: "shared" });

  const f = new FunctionWriter(
    Array.from({ length: 2 + addresses.length }, () => "i32" as const),
    binary.relaxed,
  );
  const [u, end] = [f.param(0), f.param(1)];
  const line = height > 1 ? f.local("i32") : undefined;
  const image = w.batch > 1 ? f.local("i32") : undefined;
  /** First pixel of the strip, first channel. */
  const bases = streams.map(() => f.local("i32"));
  const pointers = streams.map(() => f.local("i32"));
  const readBases = channelReads.map(() => f.local("i32"));
  const readPointers = channelReads.map(() => f.local("i32"));
  const [taps, stop, sumsBase, sumsPointer] = f.locals("i32", 4) as [Local, Local, Local, Local];
  const partial = w.out[0] % 4;
  const planes = new Set(maps.flatMap(([, read], i) => (read.form === "plane" ? [i + 2] : [])));
  const tapBytes = 16 * (1 + kh * kw);

  const product = (sum: Local, a: Local, b: Local): void => {
    if (binary.relaxed) f.get(a).get(b).get(sum).op("f32x4.relaxed_madd").set(sum);
    else f.get(sum).get(a).get(b).op("f32x4.mul").op("f32x4.add").set(sum);
  };

  const sumsOf = (columns: number): Local[] => {
    const sums = f.locals("v128", columns);
    for (const sum of sums) f.get(taps).memory("v128.load").set(sum);
    const column = f.local("v128");
    for (let y = 0; y < kh; y++) {
      for (let from = 0; from < kw; from += MOST_TAPS) {
        const count = Math.min(MOST_TAPS, kw - from);
        const row = f.locals("v128", count);
        row.forEach((tap, t) => {
          f.get(taps)
            .memory("v128.load", 16 * (1 + y * kw + from + t))
            .set(tap);
        });
        // by input column, each loaded once
        const users = new Map<number, [pixel: number, tap: number][]>();
        for (let x = 0; x < columns; x++)
          for (let t = 0; t < count; t++) {
            const at = x * w.stride[1] + (from + t) * w.dilation[1];
            users.set(at, [...(users.get(at) ?? []), [x, t]]);
          }
        for (const [at, list] of [...users].sort(([a], [b]) => a - b)) {
          f.get(pointers[0] as Local)
            .memory("v128.load", y * w.dilation[0] * input.row + at * input.pixel)
            .set(column);
          for (const [x, t] of list) product(sums[x] as Local, column, row[t] as Local);
        }
        f.release(...row);
      }
    }
    f.release(column);
    return sums;
  };

  const finish = (e: Expr, sum: Local, x: number): void => {
    emitVector(f, e, {
      acc: () => void f.get(sum),
      load: (buffer) => {
        const map = maps.findIndex(([b]) => b === buffer) + 2;
        if (map < 2) f.get(readPointers[channelReads.findIndex((r) => r.buffer === buffer)] as Local).memory("v128.load");
        else f.get(pointers[map] as Local).memory(planes.has(map) ? "v128.load32_splat" : "v128.load", x * (streams[map] as Stream).pixel);
      },
    });
  };
  const same = fusion.squeezed !== undefined && JSON.stringify(fusion.squeezed) === JSON.stringify(fusion.value);

  const strip = (columns: number): void => {
    pointers.forEach((p, i) => {
      f.get(bases[i] as Local).set(p);
    });
    readPointers.forEach((p, i) => {
      f.get(readBases[i] as Local).set(p);
    });
    f.get(f.param(tapsParam))
      .tee(taps)
      .i32(quads * tapBytes)
      .op("i32.add")
      .set(stop);
    if (kernel.squeeze) f.get(sumsBase).set(sumsPointer);
    f.until(taps, stop, tapBytes, () => {
      const sums = sumsOf(columns);
      const total = kernel.squeeze ? f.local("v128") : undefined;
      if (total) f.get(sumsPointer).memory("v128.load").set(total);
      sums.forEach((sum, x) => {
        if (total && fusion.squeezed && !same) {
          f.get(total);
          finish(fusion.squeezed, sum, x);
          f.op("f32x4.add").set(total);
        }
        finish(fusion.value, sum, x);
        f.set(sum);
        if (total && same) f.get(total).get(sum).op("f32x4.add").set(total);
        f.get(pointers[1] as Local)
          .get(sum)
          .memory("v128.store", x * output.pixel);
      });
      if (total) {
        f.get(sumsPointer).get(total).memory("v128.store");
        f.increase(sumsPointer, 16);
        f.release(total);
      }
      f.release(...sums);
      pointers.forEach((p, i) => {
        if (!planes.has(i)) f.increase(p, 16);
      });
      for (const p of readPointers) f.increase(p, 16);
    });
    // the last vector's lanes beyond the channels
    if (partial > 0) {
      const mask = [0, 1, 2, 3].map((l) => (l < partial ? -1 : 0)) as [number, number, number, number];
      for (let x = 0; x < columns; x++) {
        const at = x * output.pixel;
        f.get(pointers[1] as Local)
          .i32(16)
          .op("i32.sub")
          .get(pointers[1] as Local)
          .i32(16)
          .op("i32.sub")
          .memory("v128.load", at);
        f.push({ kind: "v128", type: "i32", lanes: mask }).op("v128.and").memory("v128.store", at);
      }
    }
  };

  f.while(u, end, 1, () => {
    if (image && line) {
      f.get(u).i32(height).op("i32.div_u").tee(image).i32(height).op("i32.mul").set(line);
      f.get(u).get(line).op("i32.sub").set(line);
    } else if (image) f.get(u).set(image);
    else if (line) f.get(u).set(line);
    const scaled = (l: Local | undefined, by: number): void => {
      if (l) f.get(l).i32(by).op("i32.mul").op("i32.add");
    };
    streams.forEach((s, i) => {
      f.get(f.param(streamParams[i] as number))
        .i32(s.base)
        .op("i32.add");
      scaled(image, s.image);
      scaled(line, s.row);
      f.set(bases[i] as Local);
    });
    channelReads.forEach((read, i) => {
      f.get(f.param(read.param));
      scaled(image, read.image);
      f.set(readBases[i] as Local);
    });
    if (sumsParam !== undefined) {
      f.get(f.param(sumsParam))
        .get(u)
        .i32(lanes * F32)
        .op("i32.mul")
        .op("i32.add")
        .tee(sumsBase)
        .i32(0)
        .i32(lanes * F32)
        .op("memory.fill");
    }
    const lengths = strips(width);
    for (let i = 0; i < lengths.length; ) {
      const columns = lengths[i] as number;
      const count = lengths.filter((l) => l === columns).length;
      const move = (): void => {
        strip(columns);
        streams.forEach((s, at) => {
          f.increase(bases[at] as Local, columns * s.pixel);
        });
      };
      if (count === 1) move();
      else {
        const counter = f.local("i32");
        f.i32(0).set(counter);
        f.until(counter, count, 1, move);
        f.release(counter);
      }
      i += count;
    }
  });

  const lengths = strips(width);
  const cut = [...new Set(lengths)].map((l) => `${lengths.filter((o) => o === l).length} of ${l}`).join(" + ");
  return [
    {
      name: `depthwise-${w.kernel.join("x")}`,
      body: f.finish(`depthwise-${w.kernel.join("x")}`),
      units: w.batch * height,
      addresses,
      packed,
      ...(kernel.squeeze && !direct ? { sharedBytes: w.batch * height * lanes * F32 } : {}),
      writesPadding: true,
      algorithm: {
        algorithm: "depthwise",
        tile: `${lengths[0]}x4`,
        why: `${kh * kw} products an output, a line of ${width} pixels as ${cut}; channels innermost, so memory is read as it lies`,
      },
    },
    ...(kernel.squeeze && !direct ? [sumsStep(kernel.squeeze.buffer, w.batch, height, lanes)] : []),
  ];
}
