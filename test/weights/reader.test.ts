import { expect, test } from "vitest";
import type { Attrs, Weight } from "../../compiler/ir/graph.ts";
import { f32 } from "../../compiler/ir/type.ts";
import { initialValues } from "../../compiler/weights/init.ts";
import { weightReader } from "../../compiler/weights/reader.ts";
import { type RecipeName, recipeOf } from "../../compiler/weights/recipes.ts";

const tensor = (path: string, shape: readonly number[], init: Weight["init"]): Weight => ({
  value: { id: 0, type: f32(...shape), name: path },
  path,
  trainable: true,
  init,
});
const moments = (values: Float32Array): { mean: number; std: number } => {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return { mean, std: Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length) };
};

test("initial values depend on seed and path only", () => {
  const make = (path: string, seed: number) => initialValues({ kind: "uniform", bound: 1 }, path, 64, seed);
  expect(make("a.weight", 0)).toEqual(make("a.weight", 0));
  expect(make("a.weight", 0)).not.toEqual(make("b.weight", 0));
  expect(make("a.weight", 0)).not.toEqual(make("a.weight", 1));
  expect(make("a.weight", 1)).not.toEqual(make("a.weight", 2 ** 32 + 1));
  // a shorter tensor of that path is a prefix, so a test of one value pins the generator down
  expect([...initialValues({ kind: "uniform", bound: 1 }, "a.weight", 3, 0)]).toMatchInlineSnapshot(`
    [
      0.06879502534866333,
      -0.9736928343772888,
      -0.28638142347335815,
    ]
  `);
});

test("uniform values fill (-bound, bound) evenly", () => {
  const values = initialValues({ kind: "uniform", bound: 0.5 }, "w", 200_000, 3);
  expect(Math.max(...values.slice(0, 50_000).map(Math.abs))).toBeLessThan(0.5);
  const { mean, std } = moments(values);
  // 5 standard errors: sigma/sqrt(n) = 0.00065
  expect(Math.abs(mean)).toBeLessThan(5 * 0.00065);
  expect(std).toBeCloseTo(1 / Math.sqrt(12), 2);
  const bins = new Array<number>(16).fill(0);
  for (const v of values) bins[Math.floor((v + 0.5) * 16)]!++;
  for (const b of bins) expect(Math.abs(b - 12_500)).toBeLessThan(5 * Math.sqrt(12_500));
});

test("neighbouring values and tensors do not correlate", () => {
  const a = initialValues({ kind: "uniform", bound: 1 }, "layer1.0.conv1.weight", 100_000, 0);
  const b = initialValues({ kind: "uniform", bound: 1 }, "layer1.0.conv2.weight", 100_000, 0);
  const correlation = (x: Float32Array, y: Float32Array): number => (3 * x.reduce((n, v, i) => n + v * y[i]!, 0)) / x.length;
  expect(Math.abs(correlation(a, b))).toBeLessThan(0.016);
  expect(Math.abs(correlation(a.subarray(1), a.subarray(0, -1)))).toBeLessThan(0.016);
});

test("normal values have the wanted deviation and tails", () => {
  const values = initialValues({ kind: "normal", std: 2 }, "w", 200_001, 3);
  const { mean, std } = moments(values);
  expect(Math.abs(mean)).toBeLessThan(0.03);
  expect(std).toBeCloseTo(2, 1);
  const beyond = values.filter((v) => Math.abs(v) > 4).length / values.length;
  expect(beyond).toBeGreaterThan(0.04);
  expect(beyond).toBeLessThan(0.051);
});

test("a tensor read twice is two equal arrays; its preserve factor is applied without a file", () => {
  const reader = weightReader({ seed: 1 });
  const w = tensor("w", [4], { kind: "uniform", bound: 1 });
  const first = reader.read(w);
  first[0] = 9;
  expect(reader.read(w)[0]).not.toBe(9);
  expect(reader.read({ ...w, preserve: { factor: 2, group: 0 } })).toEqual(reader.read(w).map((v) => 2 * v));
});

test("derived tensors are computed in f64 and rounded once", () => {
  const third = tensor("third", [1], { kind: "constant", value: 1 / 3 });
  const derive = (path: string, recipe: RecipeName, from: Weight[], attrs: Attrs = {}): Weight =>
    tensor(path, [1], { kind: "derived", recipe, from, attrs });
  const nine = derive("nine", "constant", [], { value: 0.9 });
  const product = derive("product", "scale-out", [third, nine]);
  const twice = derive("twice", "scale-out", [product, nine]);
  const reader = weightReader();
  expect(reader.readExact(twice)[0]).toBe(Math.fround(1 / 3) * 0.9 * 0.9);
  expect(reader.read(twice)[0]).toBe(Math.fround(Math.fround(1 / 3) * 0.9 * 0.9));
});

/** Whole rows at a time, more rows than go at once, and what is not made row by row. */
test.each([
  ["not derived", [], 300, 40],
  ["scaled", ["scale-out"], 300, 40],
  ["scaled twice", ["scale-out", "scale-out"], 300, 40],
  ["scaled by the channels of a deconv", ["deconv"], 300, 300],
  ["fewer rows than go at once", ["scale-out"], 7, 3],
] satisfies [string, string[], number, number][])("a product with a matrix that is %s", (_, scaled, inner, columns) => {
  const uniform = { kind: "uniform", bound: 1 } as const;
  const left = tensor("left", [30, inner, 1, 1], uniform);
  const shape = [inner, columns, 1, 1];
  const factors = tensor("factors", [inner], uniform);
  const right = scaled.reduce(
    (from, recipe, i) =>
      tensor(`right${i}`, shape, {
        kind: "derived",
        recipe: "scale-out",
        from: [from, tensor("whole", [inner], { kind: "derived", recipe: "reshape", from: [factors], attrs: {} })],
        attrs: recipe === "deconv" ? { deconvGroups: 1 } : {},
      }),
    tensor("right", shape, uniform),
  );
  const matmul = tensor("matmul", [30, columns, 1, 1], { kind: "derived", recipe: "matmul", from: [left, right], attrs: {} });
  const reader = weightReader({ seed: 5 });
  const [a, b] = [reader.readExact(left), reader.readExact(right)];
  const wanted = Float64Array.from({ length: 30 * columns }, (_n, n) => {
    let sum = 0;
    for (let k = 0; k < inner; k++) sum += a[Math.floor(n / columns) * inner + k]! * b[k * columns + (n % columns)]!;
    return sum;
  });
  expect(weightReader({ seed: 5 }).readExact(matmul)).toEqual(wanted);
  expect(reader.readExact(matmul)).toEqual(wanted);
  expect(reader.read(matmul)).toEqual(Float32Array.from(wanted));
});

const run = (
  name: RecipeName,
  sources: readonly (readonly [readonly number[], readonly number[]])[],
  attrs: Attrs,
  shape: readonly number[],
): number[] => [
  ...recipeOf(name).run(
    sources.map(([s, data]) => ({ shape: s, data: Float64Array.from(data) })),
    attrs,
    shape,
  ),
];

test("recipes on small numbers", () => {
  expect(
    run(
      "bn-scale",
      [
        [[2], [3, 8]],
        [[2], [2, 6]],
      ],
      { eps: 1 },
      [2],
    ),
  ).toEqual([1, 2]);
  expect(run("bn-scale", [[[2], [3, 8]]], { eps: 1 }, [2])).toEqual([1 / 2, 1 / 3]);
  expect(
    run(
      "bn-shift",
      [
        [[2], [5, 3]],
        [[2], [3, 8]],
        [[2], [2, 6]],
        [[2], [10, 20]],
      ],
      { eps: 1 },
      [2],
    ),
  ).toEqual([5, 14]);
  expect(
    run(
      "shift-out",
      [
        [[2], [2, 3]],
        [[2], [1, 1]],
        [[2], [5, 7]],
      ],
      {},
      [2],
    ),
  ).toEqual([11, 22]);
  expect(
    run(
      "sum",
      [
        [[2], [2, 3]],
        [[2], [1, 1]],
      ],
      {},
      [2],
    ),
  ).toEqual([3, 4]);
  expect(
    run(
      "scale-out",
      [
        [
          [2, 2],
          [1, 2, 3, 4],
        ],
        [[2], [10, 100]],
      ],
      {},
      [2, 2],
    ),
  ).toEqual([10, 20, 300, 400]);
  // deconv [in 4, out/groups 1, 1, 2] in 2 groups: inputs 0 and 1 make output 0, inputs 2 and 3 make output 1
  expect(
    run(
      "scale-out",
      [
        [
          [4, 1, 1, 2],
          [1, 2, 3, 4, 5, 6, 7, 8],
        ],
        [[2], [10, 100]],
      ],
      { deconvGroups: 2 },
      [4, 1, 1, 2],
    ),
  ).toEqual([10, 20, 30, 40, 500, 600, 700, 800]);
  expect(
    run(
      "matmul",
      [
        [
          [2, 2],
          [1, 2, 3, 4],
        ],
        [
          [2, 2, 1, 1],
          [5, 6, 7, 8],
        ],
      ],
      {},
      [2, 2],
    ),
  ).toEqual([19, 22, 43, 50]);
  expect(
    run(
      "matmul",
      [
        [
          [1, 2],
          [1, 2],
        ],
        [
          [2, 3],
          [1, 2, 3, 4, 5, 6],
        ],
      ],
      {},
      [1, 3],
    ),
  ).toEqual([9, 12, 15]);
  expect(
    run(
      "matvec-add",
      [
        [
          [2, 2],
          [1, 2, 3, 4],
        ],
        [[2], [5, 6]],
        [[2], [1, 1]],
      ],
      {},
      [2],
    ),
  ).toEqual([18, 40]);
  expect(
    run(
      "op",
      [
        [
          [1, 2],
          [-1, 3],
        ],
      ],
      { op: "relu", inputs: 1, own: [], attrs: {} },
      [1, 2],
    ),
  ).toEqual([0, 3]);
});
