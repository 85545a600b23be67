/** Small GraphDefs that cover the operations which graph models are imported with. */
import { type HandGraph, op, single, values, whole } from "../judges/tfjs-graphs.ts";

export const STRIDED = { strides: [1, 2, 2, 1], padding: "SAME", dilations: [1, 1, 1, 1], data_format: "NHWC" };
export const PLAIN = { strides: [1, 1, 1, 1], padding: "SAME", dilations: [1, 1, 1, 1], data_format: "NHWC" };
const POOL = { ksize: [1, 3, 2, 1], strides: [1, 2, 2, 1], padding: "SAME", data_format: "NHWC" };
const SHRINK = { begin_mask: 0, end_mask: 0, ellipsis_mask: 0, new_axis_mask: 0, shrink_axis_mask: 1 };

/** Title, the graph, what its body becomes. */
export const GRAPHS: readonly (readonly [string, HandGraph, string])[] = [
  [
    "a convolution, its bias and an activation",
    {
      nodes: [
        op("Conv2D x conv/kernel conv/Conv2D", STRIDED),
        op("BiasAdd conv/Conv2D conv/bias conv/BiasAdd"),
        op("Relu6 conv/BiasAdd y"),
      ],
      constants: { "conv/kernel": values([3, 3, 3, 4]), "conv/bias": values([4]) },
    },
    "conv: conv(4, 3, stride=2, bias=true) relu6 output y",
  ],
  [
    "fused convolutions",
    {
      nodes: [
        op("_FusedConv2D x a/kernel a/bias a/Relu", { ...STRIDED, fused_ops: ["BiasAdd", "Relu"], num_args: 1 }),
        op("FusedDepthwiseConv2dNative a/Relu b/depthwise_kernel b/bias b/Relu6", {
          ...PLAIN,
          fused_ops: ["BiasAdd", "Relu6"],
          num_args: 1,
        }),
        op("_FusedConv2D b/Relu6 c/kernel c/bias y", {
          ...PLAIN,
          fused_ops: ["BiasAdd", "LeakyRelu"],
          num_args: 1,
          leakyrelu_alpha: { f: 0.3 },
        }),
      ],
      constants: {
        "a/kernel": values([3, 2, 3, 4]),
        "a/bias": values([4]),
        "b/depthwise_kernel": values([3, 3, 4, 2]),
        "b/bias": values([8]),
        "c/kernel": values([1, 1, 8, 5]),
        "c/bias": values([5]),
      },
    },
    "a: conv(4, [3, 2], stride=2, pad=[1, 0, 1, 1], bias=true) relu b: conv(8, 3, groups=4, bias=true) relu6 c: conv(5, 1, bias=true) leaky_relu(slope=0.3)",
  ],
  [
    "explicit paddings and dilations",
    {
      input: [9, 9, 3],
      nodes: [
        op("Conv2D x k y", {
          strides: [1, 1, 1, 1],
          padding: "EXPLICIT",
          explicit_paddings: [0, 0, 1, 2, 0, 3, 0, 0],
          dilations: [1, 2, 1, 1],
        }),
      ],
      constants: { k: values([3, 3, 3, 4]) },
    },
    "k: conv(4, 3, pad=[1, 0, 2, 3], dilation=[2, 1])",
  ],
  [
    "a norm, pools, a mean, a matrix",
    {
      nodes: [
        op("FusedBatchNormV3 x bn/gamma bn/beta bn/mean bn/var bn/FusedBatchNormV3", {
          epsilon: { f: 0.01 },
          is_training: false,
          data_format: "NHWC",
        }),
        op("MaxPool bn/FusedBatchNormV3 pool1", POOL),
        op("AvgPool pool1 pool2", { ...POOL, ksize: [1, 2, 2, 1], strides: [1, 1, 1, 1] }),
        op("Mean pool2 axes mean", { keep_dims: false }),
        op("_FusedMatMul mean fc/kernel fc/bias fc/MatMul", {
          fused_ops: ["BiasAdd"],
          num_args: 1,
          transpose_a: false,
          transpose_b: false,
        }),
        op("Softmax fc/MatMul y"),
      ],
      constants: {
        "bn/gamma": values([3], 0.5, 1),
        "bn/beta": values([3]),
        "bn/mean": values([3]),
        "bn/var": values([3], 0.4, 2),
        axes: whole(1, 2),
        "fc/kernel": values([3, 6]),
        "fc/bias": values([6]),
      },
    },
    "bn: bn(eps=0.01) maxpool([3, 2], stride=2",
  ],
  [
    "an SE module written out, hard sigmoid of three nodes",
    {
      nodes: [
        op("Conv2D x a/kernel a/Conv2D", PLAIN),
        op("Mean a/Conv2D axes mean", { keep_dims: true }),
        op("_FusedConv2D mean se/reduce/kernel se/reduce/bias se/reduce/Relu", { ...PLAIN, fused_ops: ["BiasAdd", "Relu"], num_args: 1 }),
        op("Conv2D se/reduce/Relu se/expand/kernel se/expand/Conv2D", PLAIN),
        op("BiasAdd se/expand/Conv2D se/expand/bias se/expand/BiasAdd"),
        op("AddV2 se/expand/BiasAdd three plus"),
        op("Relu6 plus six"),
        op("Mul six sixth gate"),
        op("Mul a/Conv2D gate scaled"),
        op("AddV2 scaled x y"),
      ],
      constants: {
        "a/kernel": values([3, 3, 3, 3]),
        axes: whole(1, 2),
        "se/reduce/kernel": values([1, 1, 3, 2]),
        "se/reduce/bias": values([2]),
        "se/expand/kernel": values([1, 1, 2, 3]),
        "se/expand/bias": values([3]),
        three: single(3),
        sixth: single(Math.fround(1 / 6)),
      },
    },
    "residual { main { a: conv(3, 3) se: squeeze_excite(2) } }",
  ],
  [
    "a gate of matrices, reshaped by sizes that the graph computes",
    {
      nodes: [
        op("Mean x axes mean", { keep_dims: false }),
        op("MatMul mean fc/kernel fc/MatMul", { transpose_a: false, transpose_b: true }),
        op("BiasAdd fc/MatMul fc/bias fc/BiasAdd"),
        op("Sigmoid fc/BiasAdd gate"),
        op("Shape gate shape"),
        op("StridedSlice shape zero one one batch", SHRINK),
        op("Pack batch n1 n1 n3 sizes", { axis: 0, N: 4 }),
        op("Reshape gate sizes pixel"),
        op("Mul x pixel y"),
      ],
      constants: {
        axes: whole(1, 2),
        "fc/kernel": values([3, 3]),
        "fc/bias": values([3]),
        zero: whole(0),
        one: whole(1),
        n1: single(1, true),
        n3: single(3, true),
      },
    },
    "fc: linear(3) sigmoid reshape([3, 1, 1])",
  ],
  [
    "flattened by sizes that the graph computes, and a matrix",
    {
      nodes: [
        op("Relu x r"),
        op("Shape r shape"),
        op("StridedSlice shape one none one rest", { ...SHRINK, shrink_axis_mask: 0, end_mask: 1 }),
        op("Prod rest zero product", { keep_dims: false }),
        op("Pack minus product sizes", { axis: 0, N: 2 }),
        op("Reshape r sizes row"),
        op("MatMul row fc/kernel y", { transpose_a: false, transpose_b: false }),
      ],
      constants: { zero: whole(0), one: whole(1), none: whole(0), minus: single(-1, true), "fc/kernel": values([105, 4]) },
    },
    "flatten fc: linear(4, bias=false)",
  ],
  [
    "arithmetic with numbers and channels",
    {
      nodes: [
        op("Sub x mean a"),
        op("Mul a scale b"),
        op("RealDiv b two c"),
        op("Maximum c zero d"),
        op("Minimum d six e"),
        op("AddV2 e shift f"),
        op("Square f g"),
        op("Sqrt g h"),
        op("Rsqrt i k"),
        op("AddV2 h two i"),
        op("Neg k y"),
      ],
      constants: {
        mean: values([3]),
        scale: values([1, 1, 1, 3]),
        two: single(2),
        zero: single(0),
        six: single(6),
        shift: values([3], 1, 2),
      },
    },
    "affine",
  ],
  [
    "swish, hard swish, and other activations",
    {
      nodes: [
        op("Sigmoid x s"),
        op("Mul x s a"),
        op("AddV2 a three b"),
        op("Relu6 b c"),
        op("Mul a c d"),
        op("Mul d sixth e"),
        op("LeakyRelu e f", { alpha: { f: 0.1 } }),
        op("Elu f g"),
        op("Tanh g h"),
        op("Softplus h i"),
        op("ClipByValue i low high k"),
        op("Prelu k alpha y"),
      ],
      constants: { three: single(3), sixth: single(Math.fround(1 / 6)), low: single(0.1), high: single(0.9), alpha: values([3]) },
    },
    "silu hswish leaky_relu(slope=0.1) elu(alpha=1) tanh softplus clip(0.1, 0.9)",
  ],
  [
    "pads, parts, and what is joined again",
    {
      nodes: [
        op("Pad x amounts a"),
        op("MirrorPad a mirror b", { mode: "REFLECT" }),
        op("StridedSlice b begin end ones c", { begin_mask: 9, end_mask: 9, ellipsis_mask: 0, new_axis_mask: 0, shrink_axis_mask: 0 }),
        op("Slice x from size d"),
        op("ConcatV2 d x last e", { N: 2 }),
        op("Split last e f", { num_split: 2 }),
        op("AddV2 f f:1 g"),
        op("ConcatV2 g c second y", { N: 2 }),
      ],
      constants: {
        amounts: { shape: [4, 2], data: [0, 0, 1, 0, 0, 2, 0, 0], ints: true },
        mirror: { shape: [4, 2], data: [0, 0, 1, 1, 1, 0, 0, 0], ints: true },
        begin: whole(0, 1, 2, 0),
        end: whole(0, 4, 9, 0),
        ones: whole(1, 1, 1, 1),
        from: whole(0, 0, 0, 0),
        size: whole(-1, -1, -1, 3),
        last: single(3, true),
        second: single(1, true),
      },
    },
    "pad(",
  ],
  [
    "resized: nearest, aligned, by half pixels",
    {
      nodes: [
        op("ResizeNearestNeighbor x twice a", { align_corners: false, half_pixel_centers: false }),
        op("ResizeNearestNeighbor a fourfold b", { align_corners: false, half_pixel_centers: true }),
        op("ResizeBilinear b odd c", { align_corners: true, half_pixel_centers: false }),
        op("ResizeBilinear c less y", { align_corners: false, half_pixel_centers: true }),
      ],
      constants: { twice: whole(10, 14), fourfold: whole(20, 28), odd: whole(9, 31), less: whole(5, 40) },
    },
    'a: upsample(scale=2) b: upsample(scale=2) c: upsample(size=[9, 31], mode="bilinear", align=true) y: upsample(size=[5, 40], mode="bilinear")',
  ],
  [
    "a transposed convolution whose sizes the graph computes",
    {
      nodes: [
        op("Shape x shape"),
        op("StridedSlice shape zero one one batch", SHRINK),
        op("StridedSlice shape one two one rows", SHRINK),
        op("Mul rows two0 height"),
        op("Pack batch height width channels sizes", { axis: 0, N: 4 }),
        op("Conv2DBackpropInput sizes up/kernel x up/conv2d_transpose", { ...STRIDED }),
        op("BiasAdd up/conv2d_transpose up/bias y"),
      ],
      constants: {
        zero: whole(0),
        one: whole(1),
        two: whole(2),
        two0: single(2, true),
        width: single(14, true),
        channels: single(4, true),
        "up/kernel": values([3, 3, 4, 3]),
        "up/bias": values([4]),
      },
    },
    "up: deconv(4, 3, stride=2",
  ],
  [
    "one channel: gates for every position, slopes, depth to space",
    {
      input: [4, 6, 8],
      nodes: [
        op("_FusedConv2D x k bias act/alpha a", { ...PLAIN, fused_ops: ["BiasAdd", "Prelu"], num_args: 2 }),
        op("DepthToSpace a b", { block_size: 2, data_format: "NHWC" }),
        op("Conv2D b one c", PLAIN),
        op("BiasAdd c shift d"),
        op("Sigmoid d e"),
        op("Mul b e f"),
        op("AvgPool f g", { ksize: [1, 8, 12, 1], strides: [1, 1, 1, 1], padding: "VALID" }),
        op("AddV2 f g h"),
        op("SplitV h parts last i", { num_split: 2 }),
        op("ConcatV2 i:1 e i last y", { N: 3 }),
      ],
      constants: {
        k: values([3, 3, 8, 12]),
        bias: values([12]),
        "act/alpha": values([1, 1, 12]),
        one: values([1, 1, 3, 1]),
        shift: values([1]),
        parts: whole(1, 2),
        last: single(3, true),
      },
    },
    "act: prelu chanshuffle(groups=4) pixelshuffle(factor=2) mul { x {} scale { one: conv(1, 1, bias=true) sigmoid: sigmoid } }",
  ],
  [
    "channels last brought forward and back, a norm over neighbours",
    {
      nodes: [
        op("LRN x a", { depth_radius: 1, alpha: { f: 0.3 }, beta: { f: 0.75 }, bias: { f: 2 } }),
        op("Transpose a first b"),
        op("Transpose b last c"),
        op("Mean c rows d", { keep_dims: true }),
        op("Max d columns e", { keep_dims: true }),
        op("Squeeze e y", { squeeze_dims: [1, 2] }),
      ],
      constants: { first: whole(0, 3, 1, 2), last: whole(0, 2, 3, 1), rows: whole(1, 2), columns: whole(2) },
    },
    "lrn(",
  ],
];
