/** What the shape rules refuse: code, the numbers in the message, the argument it points at. */
import { expect, test } from "vitest";
import { type Dim, f32 } from "../../compiler/ir/type.ts";
import { opOf } from "../../compiler/ops/index.ts";

const map: Dim[] = ["N", 96, 20, 14];
const vector: Dim[] = ["N", 2048];

const refusals: readonly [op: string, attrs: object, shapes: Dim[][], code: string, text: string, arg?: string][] = [
  ["conv", { out: 64, kernel: 3 }, [vector], "SE205", "`conv` needs a feature map [N, C, H, W]; here the value is [N, 2048]"],
  ["conv", { out: 128, kernel: 3, groups: 64 }, [map], "SE203", "groups=64 does not divide 96 input channels", "groups"],
  ["conv", { out: 100, kernel: 3, groups: 32 }, [map], "SE203", "groups=32 does not divide the 100 output channels", "groups"],
  ["conv", { out: 4, kernel: 5, pad: 0 }, [["N", 3, 3, 3]], "SE206", "nothing is left of 3x3 after kernel 5", "kernel"],
  ["deconv", { out: 4, kernel: 1, pad: 2 }, [["N", 3, 3, 3]], "SE206", "nothing is left of 3x3", "kernel"],
  ["linear", { out: 10 }, [map], "SE205", "`linear` needs [N, F]; here the value is [N, 96, 20, 14]"],
  ["chanconv", { kernel: 3 }, [map], "SE205", "`chanconv` needs one value per channel"],
  ["chanconv", { kernel: 4 }, [["N", 96, 1, 1]], "SE206", "kernel 4 has no middle", "kernel"],
  ["gn", { groups: 36 }, [map], "SE203", "`gn` cuts 96 channels into 36 equal runs", "groups"],
  ["chanshuffle", { groups: 5 }, [map], "SE203", "5 does not divide 96", "groups"],
  ["softmax", { parts: 7 }, [map], "SE203", "7 does not divide 96", "parts"],
  ["softmax", { parts: 2, over: "hw" }, [map], "SE203", 'cannot be combined with over="hw"', "parts"],
  ["gap", {}, [vector], "SE205", "`gap` needs a feature map"],
  ["maxpool", { kernel: 30 }, [map], "SE206", "nothing is left of 20x14 after kernel 30", "kernel"],
  ["maxpool", { kernel: 2, pad: 2 }, [map], "SE206", "nothing but padding", "pad"],
  ["avgpool_to", { size: 7 }, [map], "SE206", "7x7 does not divide 20x14", "size"],
  ["slice", { start: 64, stop: 128 }, [map], "SE206", "slice 64..128 of 96 channels", "stop"],
  ["slice", { start: 5, stop: 5, axis: "h" }, [map], "SE206", "slice 5..5 of 20 rows", "start"],
  ["reshape", { dims: [256] }, [["N", 512]], "SE206", "512 values per image, into [256]", "dims"],
  ["reshape", { dims: [2, 256] }, [["N", 512]], "SE206", "a value is [N, C, H, W] or [N, F]", "dims"],
  ["flatten", {}, [vector], "SE205", "`flatten` needs a feature map"],
  ["upsample", {}, [map], "SE206", "exactly one of `scale` and `size`"],
  ["upsample", { scale: 2, size: 7 }, [map], "SE206", "exactly one of `scale` and `size`"],
  ["pixelshuffle", { factor: 5 }, [map], "SE203", "25 does not divide 96", "factor"],
  ["pixelunshuffle", { factor: 4 }, [map], "SE206", "4 does not divide 20 and 14", "factor"],
  ["pad", { amount: 14, mode: "reflect" }, [map], "SE206", "pad 14 cannot reflect a side of 14", "amount"],
  ["pad", { amount: [1, 2, 3, 4], axis: "c" }, [map], "SE206", "channels have two", "amount"],
  ["add", {}, [map, ["N", 48, 20, 14]], "SE201", "the branches of `add` differ: [N, 96, 20, 14] and [N, 48, 20, 14]"],
  ["mul", {}, [map, ["N", 96]], "SE201", "the branches of `mul` differ"],
  ["concat", {}, [map, ["N", 96, 10, 14]], "SE201", 'another axis than "c"'],
];

test.each(refusals)("%s %j on %j is %s: %s", (name, attrs, shapes, code, text, arg) => {
  const op = opOf(name);
  const result = op.infer(
    shapes.map((s) => f32(...s)),
    op.attrs.parse(attrs) as never,
  );
  expect(result).toHaveProperty("problem");
  if (!("problem" in result)) return;
  expect(result.problem.code).toBe(code);
  expect(result.problem.title).toContain(text);
  expect(result.problem.help).toBeTruthy();
  expect(result.arg).toBe(arg);
});

const types: readonly [op: string, attrs: object, given: Dim[], made: Dim[]][] = [
  ["conv", { out: 64, kernel: 7, stride: 2 }, ["N", 3, 224, 224], ["N", 64, 112, 112]],
  ["conv", { out: 8, kernel: 3, stride: 2, pad: "same" }, ["N", 3, 224, 225], ["N", 8, 112, 113]],
  ["conv", { out: 8, kernel: 3, pad: "valid", dilation: 2 }, ["N", 3, 9, 10], ["N", 8, 5, 6]],
  ["deconv", { out: 8, kernel: 3, stride: 2, pad: 1, out_pad: 1 }, ["N", 4, 7, 8], ["N", 8, 14, 16]],
  ["maxpool", { kernel: 3, stride: 2, ceil: true }, ["N", 4, 112, 112], ["N", 4, 56, 56]],
  ["maxpool", { kernel: 3, stride: 2, ceil: true }, ["N", 4, 8, 8], ["N", 4, 4, 4]],
  ["avgpool", { kernel: 2 }, ["N", 4, 9, 8], ["N", 4, 4, 4]],
  ["mul", {}, ["N", 4, 9, 8], ["N", 4, 9, 8]],
];

test.each(types)("%s %j turns %j into %j", (name, attrs, given, made) => {
  const op = opOf(name);
  expect(op.infer([f32(...given)], op.attrs.parse(attrs) as never)).toEqual(f32(...made));
});

test.each([
  ["conv", { out: 1.5, kernel: 3 }],
  ["conv", { out: 0, kernel: 3 }],
  ["conv", { out: 4, kernel: [3, 3, 3] }],
  ["conv", { out: 4, kernel: 3, pad: "full" }],
  ["conv", { out: 4, kernel: 3, pad: [1, 2, 3] }],
  ["conv", { out: 4, kernel: 3, pad: -1 }],
  ["conv", { kernel: 3 }],
  ["gelu", { approx: "fast" }],
  ["times", {}],
  ["dropout", { p: 2 }],
])("%s refuses the arguments %j", (name, attrs) => {
  expect(opOf(name).attrs.safeParse(attrs).success).toBe(false);
});

test("whole numbers written as reals are whole numbers", () => {
  expect(opOf("conv").attrs.safeParse({ out: 16.0, kernel: 3 }).success).toBe(true);
});
