// Layers on TensorFlow.js core operations, NHWC. Convolutions and norms need more than one operation each; everything else is written
// out in `forward`. `net` is { tf, w, folded, training }: the caller's TensorFlow.js, the variables by path, filters with the following
// norm folded in (inference only), and whether batch statistics are used.

/** @typedef {any} Tensor @typedef {{ tf: any, w: Record<string, any>, folded: Record<string, any> | undefined, training: boolean }} State */

/**
 * Padding as a list per axis. A single number would do for equal sides, but TensorFlow.js then sizes the output as if kernel and stride
 * were square.
 * @param {readonly number[]} pad [top, left, bottom, right]
 */
function padding([top, left, bottom, right]) {
  if (top === 0 && left === 0 && bottom === 0 && right === 0) return "valid";
  return [
    [0, 0],
    [top, bottom],
    [left, right],
    [0, 0],
  ];
}

/** The filter with zeros between its taps: for stride and dilation at once, and for transposed convolutions, which have no dilation. */
function dilate(/** @type {any} */ tf, /** @type {Tensor} */ filter, /** @type {readonly number[]} */ [dh, dw]) {
  const [kh, kw, a, b] = filter.shape;
  const rows = tf.pad(tf.reshape(filter, [kh, 1, kw * a * b]), [
    [0, 0],
    [0, dh - 1],
    [0, 0],
  ]);
  const tall = tf.slice(tf.reshape(rows, [kh * dh, kw, a, b]), [0, 0, 0, 0], [(kh - 1) * dh + 1, kw, a, b]);
  const h = tall.shape[0];
  const columns = tf.pad(tf.reshape(tall, [h, kw, 1, a * b]), [
    [0, 0],
    [0, 0],
    [0, dw - 1],
    [0, 0],
  ]);
  return tf.slice(tf.reshape(columns, [h, kw * dw, a, b]), [0, 0, 0, 0], [h, (kw - 1) * dw + 1, a, b]);
}

/**
 * One convolution without grouping (or a depthwise one), bias and activation in the same operation where TensorFlow.js can.
 * @param {any} tf @param {Tensor} x @param {Tensor} filter @param {Tensor | undefined} bias @param {any} o
 */
function convolve(tf, x, filter, bias, { stride, pad, dilation, depthwise, act }) {
  let dilations = dilation;
  if (Math.max(...stride) > 1 && Math.max(...dilation) > 1) {
    filter = dilate(tf, filter, dilation);
    dilations = [1, 1];
  }
  // depthwise kernels of TensorFlow.js take one stride for both axes
  const whole = depthwise && stride[0] !== stride[1] ? [1, 1] : stride;
  const call = { x, filter, strides: whole, pad: padding(pad), dataFormat: "NHWC", dilations, bias, activation: act };
  const y = depthwise ? tf.fused.depthwiseConv2d(call) : tf.fused.conv2d(call);
  return whole === stride ? y : everyNth(tf, y, stride);
}

/** Rows and columns 0, s, 2s, ...: by gather, which has a gradient. */
function everyNth(/** @type {any} */ tf, /** @type {Tensor} */ y, /** @type {readonly number[]} */ stride) {
  return stride.reduce((out, step, i) => {
    if (step === 1) return out;
    const count = Math.ceil(out.shape[1 + i] / step);
    return tf.gather(
      out,
      tf.tensor1d(
        Array.from({ length: count }, (_, k) => k * step),
        "int32",
      ),
      1 + i,
    );
  }, y);
}

/**
 * A convolution, the batch norm after it and an activation.
 * @param {State} net @param {Tensor} x @param {string} path
 * @param {any} o stride, pad [top, left, bottom, right], dilation, groups, depthwise, norm: [path, eps, momentum] | undefined, act
 */
function conv(net, x, path, o) {
  const { tf, w } = net;
  const options = { stride: [1, 1], pad: [0, 0, 0, 0], dilation: [1, 1], groups: 1, act: "linear", ...o };
  const folded = net.folded?.[path];
  const filter = folded ? folded.filter : w[`${path}.weight`];
  const bias = folded ? folded.bias : w[`${path}.bias`];
  const late = options.norm && !folded;
  const inner = late ? { ...options, act: "linear" } : options;
  let y;
  if (options.groups > 1 && !options.depthwise) {
    // TensorFlow.js has no grouped convolution: one convolution a group
    const bare = { ...inner, act: "linear" };
    const parts = tf.split(x, options.groups, 3);
    const filters = tf.split(filter, options.groups, 3);
    y = tf.concat(
      parts.map((/** @type {Tensor} */ part, /** @type {number} */ g) => convolve(tf, part, filters[g], undefined, bare)),
      3,
    );
    if (bias) y = tf.add(y, bias);
    y = activate(tf, y, inner.act);
  } else y = convolve(tf, x, filter, bias, inner);
  return late ? activate(tf, norm(net, y, ...options.norm), options.act) : y;
}

/** @param {any} tf @param {Tensor} x @param {string} act */
function activate(tf, x, act) {
  return act === "relu" ? tf.relu(x) : act === "relu6" ? tf.clipByValue(x, 0, 6) : x;
}

/** x * weight + bias, and an activation. @param {State} net @param {Tensor} x @param {string} path @param {any} o */
function linear(net, x, path, o = {}) {
  const { tf, w } = net;
  const folded = net.folded?.[path];
  const y = tf.matMul(x, folded ? folded.filter : w[`${path}.weight`]);
  const bias = folded ? folded.bias : w[`${path}.bias`];
  const z = bias ? tf.add(y, bias) : y;
  return activate(tf, o.norm && !folded ? norm(net, z, ...o.norm) : z, o.act);
}

/** Transposed convolution. @param {State} net @param {Tensor} x @param {string} path @param {any} o stride, pad, dilation, groups, size [h, w] */
function deconv(net, x, path, { stride, pad, dilation, groups, size }) {
  const { tf, w } = net;
  const filters = tf.split(w[`${path}.weight`], groups, 3);
  const parts = groups === 1 ? [x] : tf.split(x, groups, 3);
  const made = parts.map((/** @type {Tensor} */ part, /** @type {number} */ g) => {
    const filter = Math.max(...dilation) > 1 ? dilate(tf, filters[g], dilation) : filters[g];
    // the whole transposed map first, then what padding and output padding leave of it
    const [kh, kw] = filter.shape;
    const rows = (part.shape[1] - 1) * stride[0] + kh;
    const columns = (part.shape[2] - 1) * stride[1] + kw;
    const full = tf.conv2dTranspose(part, filter, [part.shape[0], rows, columns, filter.shape[2]], stride, "valid");
    const [top, left] = pad;
    const below = Math.max(0, top + size[0] - rows);
    const right = Math.max(0, left + size[1] - columns);
    const padded =
      below || right
        ? tf.pad(full, [
            [0, 0],
            [0, below],
            [0, right],
            [0, 0],
          ])
        : full;
    return tf.slice(padded, [0, top, left, 0], [part.shape[0], size[0], size[1], filter.shape[2]]);
  });
  const y = groups === 1 ? made[0] : tf.concat(made, 3);
  const bias = w[`${path}.bias`];
  return bias ? tf.add(y, bias) : y;
}

/**
 * Batch norm. With `training` by the batch's own statistics, which then move the running ones (PyTorch's rule: momentum is the new part,
 * the running variance is the unbiased one).
 * @param {State} net @param {Tensor} x @param {string} path @param {number} eps @param {number} momentum
 */
function norm(net, x, path, eps, momentum) {
  const { tf, w } = net;
  const [runningMean, runningVariance] = [w[`${path}.running_mean`], w[`${path}.running_var`]];
  let [mean, variance] = [runningMean, runningVariance];
  if (net.training) {
    const batch = tf.moments(x, x.rank === 4 ? [0, 1, 2] : [0]);
    const count = x.size / x.shape[x.rank - 1];
    tf.tidy(() => {
      const unbiased = tf.mul(batch.variance, count / Math.max(1, count - 1));
      runningMean.assign(tf.add(tf.mul(runningMean, 1 - momentum), tf.mul(batch.mean, momentum)));
      runningVariance.assign(tf.add(tf.mul(runningVariance, 1 - momentum), tf.mul(unbiased, momentum)));
    });
    [mean, variance] = [batch.mean, batch.variance];
  }
  return tf.batchNorm(x, mean, variance, w[`${path}.bias`], w[`${path}.weight`], eps);
}

/** Largest value of each window; padding never wins. @param {any} tf @param {Tensor} x @param {any} o kernel, stride, pad, dilation */
function maxPool(tf, x, { kernel, stride, pad, dilation = [1, 1] }) {
  const [top, left, bottom, right] = pad;
  const lowest = -3.4028234663852886e38;
  const padded =
    top || left || bottom || right
      ? tf.pad(
          x,
          [
            [0, 0],
            [top, bottom],
            [left, right],
            [0, 0],
          ],
          lowest,
        )
      : x;
  if (dilation[0] === 1 && dilation[1] === 1) return tf.maxPool(padded, kernel, stride, "valid");
  // TensorFlow.js dilates only at stride 1: the maximum of shifted maps instead
  const reach = [0, 1].map((i) => padded.shape[1 + i] - dilation[i] * (kernel[i] - 1));
  let best;
  for (let i = 0; i < kernel[0]; i++) {
    for (let j = 0; j < kernel[1]; j++) {
      const shifted = tf.slice(padded, [0, i * dilation[0], j * dilation[1], 0], [x.shape[0], reach[0], reach[1], x.shape[3]]);
      best = best ? tf.maximum(best, shifted) : shifted;
    }
  }
  return everyNth(tf, best, stride);
}

/**
 * Mean of each window over a zero-padded map. `counts` are the divisors per output row and column (null: the whole window everywhere).
 * @param {any} tf @param {Tensor} x @param {any} o kernel, stride, pad, counts: [rows, columns] | undefined
 */
function avgPool(tf, x, { kernel, stride, pad, counts }) {
  const [top, left, bottom, right] = pad;
  const padded =
    top || left || bottom || right
      ? tf.pad(x, [
          [0, 0],
          [top, bottom],
          [left, right],
          [0, 0],
        ])
      : x;
  const mean = tf.avgPool(padded, kernel, stride, "valid");
  if (!counts) return mean;
  const [rows, columns] = counts;
  const factor = tf.outerProduct(
    tf.tensor1d(rows.map((/** @type {number} */ n) => kernel[0] / n)),
    tf.tensor1d(columns.map((/** @type {number} */ n) => kernel[1] / n)),
  );
  return tf.mul(mean, tf.reshape(factor, [1, rows.length, columns.length, 1]));
}

/** Mean 0 and variance 1 over `axes`. @param {any} tf @param {Tensor} x @param {number[]} axes @param {number} eps */
function standardize(tf, x, axes, eps) {
  const { mean, variance } = tf.moments(x, axes, true);
  return tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, eps)));
}

/** Group norm without weights. @param {any} tf @param {Tensor} x @param {number} groups @param {number} eps */
function groupNorm(tf, x, groups, eps) {
  const c = x.shape[x.rank - 1];
  const split = tf.reshape(x, [x.shape[0], x.size / (x.shape[0] * c), groups, c / groups]);
  return tf.reshape(standardize(tf, split, [1, 3], eps), x.shape);
}

/** x / (k + alpha/size * sum of squares over `size` neighbouring channels) ** beta. @param {any} tf @param {Tensor} x @param {any} o */
function localResponseNorm(tf, x, { size, alpha, beta, k }) {
  const before = Math.floor(size / 2);
  const squares = tf.pad(tf.square(x), [
    [0, 0],
    [0, 0],
    [0, 0],
    [before, size - 1 - before],
  ]);
  const terms = Array.from({ length: size }, (_, i) => tf.slice(squares, [0, 0, 0, i], x.shape));
  return tf.div(x, tf.pow(tf.add(tf.mul(tf.addN(terms), alpha / size), k), beta));
}

/** exp(x - max) / sum along one axis. @param {any} tf @param {Tensor} x @param {number} axis */
function softmax(tf, x, axis) {
  const e = tf.exp(tf.sub(x, tf.max(x, axis, true)));
  return tf.div(e, tf.sum(e, axis, true));
}

/** 1-D convolution along the channels of [n, 1, 1, c]. @param {any} tf @param {Tensor} x @param {Tensor} filter @param {Tensor} bias @param {boolean} circular */
function chanconv(tf, x, filter, bias, circular) {
  const [n, , , c] = x.shape;
  const reach = (filter.shape[0] - 1) / 2;
  let line = tf.reshape(x, [n, c, 1, 1]);
  if (circular && reach > 0) {
    const index = Array.from({ length: c + 2 * reach }, (_, i) => (((i - reach) % c) + c) % c);
    line = tf.gather(line, tf.tensor1d(index, "int32"), 1);
  }
  const y = tf.conv2d(
    line,
    filter,
    1,
    circular
      ? "valid"
      : [
          [0, 0],
          [reach, reach],
          [0, 0],
          [0, 0],
        ],
  );
  return tf.reshape(bias ? tf.add(y, bias) : y, [n, 1, 1, c]);
}

/** Rows or columns or channels of `x` in the order of `index`. @param {any} tf @param {Tensor} x @param {number[]} index @param {number} axis */
function take(tf, x, index, axis) {
  return tf.gather(x, tf.tensor1d(index, "int32"), axis);
}

/** The permutation of channels that TensorFlow's depth-to-space order needs for PyTorch's. @param {number} c channels after @param {number} r factor */
function shuffleOrder(c, r) {
  return Array.from({ length: c * r * r }, (_, i) => (i % c) * r * r + Math.floor(i / c));
}

/** Space to depth in PyTorch's channel order. @param {any} tf @param {Tensor} x @param {number} r */
function unshuffle(tf, x, r) {
  const [n, h, w, c] = x.shape;
  const parts = [];
  for (let i = 0; i < r; i++) {
    const row = tf.reshape(tf.slice(tf.reshape(x, [n, h / r, r, w * c]), [0, 0, i, 0], [n, h / r, 1, w * c]), [n, h / r, w / r, r * c]);
    for (let j = 0; j < r; j++) parts.push(tf.slice(row, [0, 0, 0, j * c], [n, h / r, w / r, c]));
  }
  const index = Array.from({ length: c * r * r }, (_, k) => (k % (r * r)) * c + Math.floor(k / (r * r)));
  return take(tf, tf.concat(parts, 3), index, 3);
}

/** Sets the residual branch of whole images to zero, at the rate p, and scales the others; only in training. @param {State} net @param {Tensor} x @param {number} p */
function dropPath(net, x, p) {
  if (!net.training || p === 0) return x;
  const { tf } = net;
  const keep = tf.floor(tf.add(tf.randomUniform([x.shape[0], ...x.shape.slice(1).map(() => 1)]), 1 - p));
  return tf.mul(tf.div(x, 1 - p), keep);
}

export {
  activate,
  avgPool,
  chanconv,
  conv,
  deconv,
  dropPath,
  groupNorm,
  linear,
  localResponseNorm,
  maxPool,
  norm,
  shuffleOrder,
  softmax,
  standardize,
  take,
  unshuffle,
};
