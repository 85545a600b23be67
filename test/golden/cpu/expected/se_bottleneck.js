// se_bottleneck: compiled from nets.se for cpu. Written by sec. Do not edit.
//
// Maps are flat Float32Arrays in the order [image][channel][row][column]. Sums of products are kept in f64; every other
// operation is rounded to f32, here by f32() or by the store, so that a layer gives the same bits alone or fused into another.

/** Names and shapes of everything this net takes and gives; row-major, NCHW. */
export const signature = /** @type {const} */ ({
  name: "se_bottleneck",
  inputs: [{ name: "image", dtype: "f32", shape: [2, 12, 9, 5] }],
  outputs: [{ name: "logits", dtype: "f32", shape: [2, 7] }],
});

const f32 = Math.fround;

const WEIGHTS = { url: () => new URL("./se_bottleneck.weights", import.meta.url), bytes: 7936, hash: "8b66d1b3faec513628a7c9bc0c3a3ecd" };

/**
 * Loads the weights and makes a net that owns its memory; nets are independent of each other.
 * @param {{ weights?: ArrayBuffer | Uint8Array | URL | string }} [options]
 */
export async function load(options = {}) {
  const payload = await loadWeights(signature.name, options.weights, WEIGHTS);
  const weights = new Float32Array(payload.buffer, payload.byteOffset, 1984);
  const arena = new Float32Array(2368); // all activations: a place is used again when its value is dead
  const weight = (/** @type {number} */ from, /** @type {number} */ size) => weights.subarray(from, from + size);
  const tensor = (/** @type {number} */ from, /** @type {number} */ size) => arena.subarray(from, from + size);

  // Tensors: offset into the weights, size.
  const a_conv_weight = weight(0, 96); // a.conv.weight+a.bn 8×12×1×1
  const a_bn_shift = weight(128, 8); // a.bn.shift 8
  const b_conv_weight = weight(192, 576); // b.conv.weight+b.bn 8×8×3×3
  const b_bn_shift = weight(768, 8); // b.bn.shift 8
  const se_fc2_weight = weight(832, 100); // se.fc2.weight 20×5×1×1
  const se_fc2_bias = weight(960, 20); // se.fc2.bias 20
  const se_fc1_weight = weight(1024, 40); // se.fc1.weight*c.conv.weight+c.bn 5×8
  const se_fc1_weight_2 = weight(1088, 5); // se.fc1.weight*c.bn.shift+se.fc1.bias 5
  const c_conv_weight = weight(1152, 160); // c.conv.weight+c.bn 20×8×1×1
  const c_bn_shift = weight(1344, 20); // c.bn.shift 20
  const down_conv_weight = weight(1408, 240); // down.conv.weight+down.bn 20×12×1×1
  const down_bn_shift = weight(1664, 20); // down.bn.shift 20
  const fc_weight = weight(1728, 140); // fc.weight 7×20
  const fc_bias = weight(1920, 7); // fc.bias 7

  // Activations: offset into the arena, size.
  const a_relu = tensor(1088, 720); // a.relu 2×8×9×5
  const b_relu = tensor(1856, 240); // b.relu 2×8×5×3
  const se_gap_sums = tensor(2112, 16); // se.gap.sums 2×1×8
  const se_gate = tensor(1728, 40); // se.gate 2×20
  const se_scale = tensor(1088, 600); // se.scale 2×20×5×3
  const relu = tensor(1728, 600); // relu 2×20×5×3
  const flatten = tensor(0, 40); // flatten 2×20
  const fc = tensor(64, 14); // fc 2×7

  // Scratch memory.
  const rows = Array.from({ length: 4 }, () => new Float64Array(45)); // sums of a run of pixels, one per channel
  const padded = new Float32Array(616); // an input map with its padding

  /** @param {Record<string, Float32Array>} inputs */
  const compute = (inputs) => {
    // a.conv + relu · sample.se:1
    conv1x1_12x9x5_8(inputs.image, a_conv_weight, a_bn_shift, a_relu, rows);
    // b.conv + relu + squeeze · sample.se:1
    conv3x3_8x9x5_8(a_relu, b_conv_weight, b_bn_shift, b_relu, se_gap_sums, padded, rows);
    // se.fc1 + fc2 · sample.se:1
    excite_8_5_20(se_fc2_weight, se_fc2_bias, se_fc1_weight, se_fc1_weight_2, se_gap_sums, se_gate);
    // c.conv + gate · sample.se:1
    conv1x1_8x5x3_20(b_relu, c_conv_weight, c_bn_shift, se_gate, se_scale, rows);
    // down.conv + add + relu · sample.se:1
    conv1x1_12x9x5_20(inputs.image, down_conv_weight, down_bn_shift, se_scale, relu, rows);
    // gap + flatten · sample.se:1
    gap_flatten_20(relu, flatten);
    // fc · sample.se:1
    linear_20_7(flatten, fc_weight, fc, fc_bias, rows);
    return { logits: fc.slice() };
  };
  return makeNet(signature.name, signature.inputs, compute);
}

/**
 * 1×1 convolution, 12×9×5 to 8×9×5: max(sum + bias, 0).
 * @param {Float32Array} input 2×12×9×5
 * @param {Float32Array} weight 8×12×1×1
 * @param {Float32Array} bias 8
 * @param {Float32Array} output 2×8×9×5
 * @param {Float64Array[]} rows scratch
 */
function conv1x1_12x9x5_8(input, weight, bias, output, rows) {
  const [row0, row1, row2, row3] = rows;
  for (let n = 0; n < 2; n++) {
    for (let c0 = 0; c0 < 8; c0 += 4) {
      for (let p = 0; p < 45; p += 45) {
        row0.fill(0, 0, 45);
        row1.fill(0, 0, 45);
        row2.fill(0, 0, 45);
        row3.fill(0, 0, 45);
        for (let i = 0; i < 12; i += 4) {
          const from = n * 540 + i * 45 + p;
          const at = c0 * 12 + i;
          const w0_0 = weight[at], w0_1 = weight[at + 1], w0_2 = weight[at + 2], w0_3 = weight[at + 3];
          const w1_0 = weight[at + 12], w1_1 = weight[at + 13], w1_2 = weight[at + 14], w1_3 = weight[at + 15];
          const w2_0 = weight[at + 24], w2_1 = weight[at + 25], w2_2 = weight[at + 26], w2_3 = weight[at + 27];
          const w3_0 = weight[at + 36], w3_1 = weight[at + 37], w3_2 = weight[at + 38], w3_3 = weight[at + 39];
          for (let x = 0; x < 45; x++) {
            const v0 = input[from + x], v1 = input[from + x + 45], v2 = input[from + x + 90], v3 = input[from + x + 135];
            row0[x] += w0_0 * v0 + w0_1 * v1 + w0_2 * v2 + w0_3 * v3;
            row1[x] += w1_0 * v0 + w1_1 * v1 + w1_2 * v2 + w1_3 * v3;
            row2[x] += w2_0 * v0 + w2_1 * v1 + w2_2 * v2 + w2_3 * v3;
            row3[x] += w3_0 * v0 + w3_1 * v1 + w3_2 * v2 + w3_3 * v3;
          }
        }
        for (let k = 0; k < 4; k++) {
          const row = rows[k];
          const c = c0 + k;
          const bias_c = bias[c];
          for (let x = 0; x < 45; x++) {
            output[n * 360 + c * 45 + p + x] = Math.max(f32(row[x]) + bias_c, 0);
          }
        }
      }
    }
  }
}

/**
 * 3×3 convolution, 8×9×5 to 8×5×3, stride 2×2, padding 1, 1, 1, 1, channel sums kept for the squeeze: max(sum + bias, 0).
 * @param {Float32Array} input 2×8×9×5
 * @param {Float32Array} weight 8×8×3×3
 * @param {Float32Array} bias 8
 * @param {Float32Array} output 2×8×5×3
 * @param {Float32Array} sums 2×1×8
 * @param {Float32Array} padded scratch
 * @param {Float64Array[]} rows scratch
 */
function conv3x3_8x9x5_8(input, weight, bias, output, sums, padded, rows) {
  const [row0, row1, row2, row3] = rows;
  for (let n = 0; n < 2; n++) {
    pad(input.subarray(n * 360, (n + 1) * 360), null, 8, 9, 5, [1, 1, 1, 1], padded);
    for (let c0 = 0; c0 < 8; c0 += 4) {
      const totals = [0, 0, 0, 0];
      for (let y = 0; y < 5; y++) {
        row0.fill(0, 0, 3);
        row1.fill(0, 0, 3);
        row2.fill(0, 0, 3);
        row3.fill(0, 0, 3);
        for (let i = 0; i < 8; i++) {
          for (let ky = 0; ky < 3; ky++) {
            const from = i * 77 + y * 14 + ky * 7;
            const at = c0 * 72 + i * 9 + ky * 3;
            const w0_0 = weight[at], w0_1 = weight[at + 1], w0_2 = weight[at + 2];
            const w1_0 = weight[at + 72], w1_1 = weight[at + 73], w1_2 = weight[at + 74];
            const w2_0 = weight[at + 144], w2_1 = weight[at + 145], w2_2 = weight[at + 146];
            const w3_0 = weight[at + 216], w3_1 = weight[at + 217], w3_2 = weight[at + 218];
            for (let x = 0; x < 3; x++) {
              const v0 = padded[from + x * 2], v1 = padded[from + x * 2 + 1], v2 = padded[from + x * 2 + 2];
              row0[x] += w0_0 * v0 + w0_1 * v1 + w0_2 * v2;
              row1[x] += w1_0 * v0 + w1_1 * v1 + w1_2 * v2;
              row2[x] += w2_0 * v0 + w2_1 * v1 + w2_2 * v2;
              row3[x] += w3_0 * v0 + w3_1 * v1 + w3_2 * v2;
            }
          }
        }
        for (let k = 0; k < 4; k++) {
          const row = rows[k];
          const c = c0 + k;
          const bias_c = bias[c];
          let sum = totals[k];
          for (let x = 0; x < 3; x++) {
            const value = Math.max(f32(f32(row[x]) + bias_c), 0);
            output[n * 120 + c * 15 + y * 3 + x] = value;
            sum += value;
          }
          totals[k] = sum;
        }
      }
      for (let k = 0; k < 4; k++) sums[n * 8 + c0 + k] = totals[k];
    }
  }
}

/**
 * Excitation: mean over 15 pixels, then dense 8 to 5, then dense 5 to 20.
 * @param {Float32Array} weight2 20×5×1×1
 * @param {Float32Array} bias2 20
 * @param {Float32Array} weight1 5×8
 * @param {Float32Array} bias1 5
 * @param {Float32Array} sums 2×1×8
 * @param {Float32Array} gate 2×20
 */
function excite_8_5_20(weight2, bias2, weight1, bias1, sums, gate) {
  for (let n = 0; n < 2; n++) {
    const mean = new Float32Array(8);
    for (let c = 0; c < 8; c++) {
      mean[c] = sums[n * 8 + c] / 15;
    }
    const hidden = new Float32Array(5);
    for (let o = 0; o < 5; o++) {
      let acc = 0;
      for (let i = 0; i < 8; i++) acc += weight1[o * 8 + i] * mean[i];
      hidden[o] = Math.max(acc + bias1[o], 0);
    }
    for (let o = 0; o < 20; o++) {
      let acc = 0;
      for (let i = 0; i < 5; i++) acc += weight2[o * 5 + i] * hidden[i];
      gate[n * 20 + o] = 1 / f32(1 + f32(Math.exp(-Math.max(f32(acc + bias2[o]), -87))));
    }
  }
}

/**
 * 1×1 convolution, 8×5×3 to 20×5×3: (sum + bias) * factor.
 * @param {Float32Array} input 2×8×5×3
 * @param {Float32Array} weight 20×8×1×1
 * @param {Float32Array} bias 20
 * @param {Float32Array} factor 2×20
 * @param {Float32Array} output 2×20×5×3
 * @param {Float64Array[]} rows scratch
 */
function conv1x1_8x5x3_20(input, weight, bias, factor, output, rows) {
  const [row0, row1, row2, row3] = rows;
  for (let n = 0; n < 2; n++) {
    for (let c0 = 0; c0 < 20; c0 += 4) {
      for (let p = 0; p < 15; p += 15) {
        row0.fill(0, 0, 15);
        row1.fill(0, 0, 15);
        row2.fill(0, 0, 15);
        row3.fill(0, 0, 15);
        for (let i = 0; i < 8; i += 4) {
          const from = n * 120 + i * 15 + p;
          const at = c0 * 8 + i;
          const w0_0 = weight[at], w0_1 = weight[at + 1], w0_2 = weight[at + 2], w0_3 = weight[at + 3];
          const w1_0 = weight[at + 8], w1_1 = weight[at + 9], w1_2 = weight[at + 10], w1_3 = weight[at + 11];
          const w2_0 = weight[at + 16], w2_1 = weight[at + 17], w2_2 = weight[at + 18], w2_3 = weight[at + 19];
          const w3_0 = weight[at + 24], w3_1 = weight[at + 25], w3_2 = weight[at + 26], w3_3 = weight[at + 27];
          for (let x = 0; x < 15; x++) {
            const v0 = input[from + x], v1 = input[from + x + 15], v2 = input[from + x + 30], v3 = input[from + x + 45];
            row0[x] += w0_0 * v0 + w0_1 * v1 + w0_2 * v2 + w0_3 * v3;
            row1[x] += w1_0 * v0 + w1_1 * v1 + w1_2 * v2 + w1_3 * v3;
            row2[x] += w2_0 * v0 + w2_1 * v1 + w2_2 * v2 + w2_3 * v3;
            row3[x] += w3_0 * v0 + w3_1 * v1 + w3_2 * v2 + w3_3 * v3;
          }
        }
        for (let k = 0; k < 4; k++) {
          const row = rows[k];
          const c = c0 + k;
          const bias_c = bias[c];
          const factor_c = factor[n * 20 + c];
          for (let x = 0; x < 15; x++) {
            output[n * 300 + c * 15 + p + x] = f32(f32(row[x]) + bias_c) * factor_c;
          }
        }
      }
    }
  }
}

/**
 * 1×1 convolution, 12×9×5 to 20×5×3, stride 2×2: max(residual + (sum + bias), 0).
 * @param {Float32Array} input 2×12×9×5
 * @param {Float32Array} weight 20×12×1×1
 * @param {Float32Array} bias 20
 * @param {Float32Array} residual 2×20×5×3
 * @param {Float32Array} output 2×20×5×3
 * @param {Float64Array[]} rows scratch
 */
function conv1x1_12x9x5_20(input, weight, bias, residual, output, rows) {
  const [row0, row1, row2, row3] = rows;
  for (let n = 0; n < 2; n++) {
    for (let c0 = 0; c0 < 20; c0 += 4) {
      for (let y = 0; y < 5; y++) {
        row0.fill(0, 0, 3);
        row1.fill(0, 0, 3);
        row2.fill(0, 0, 3);
        row3.fill(0, 0, 3);
        for (let i = 0; i < 12; i += 4) {
          const from = n * 540 + i * 45 + y * 10;
          const at = c0 * 12 + i;
          const w0_0 = weight[at], w0_1 = weight[at + 1], w0_2 = weight[at + 2], w0_3 = weight[at + 3];
          const w1_0 = weight[at + 12], w1_1 = weight[at + 13], w1_2 = weight[at + 14], w1_3 = weight[at + 15];
          const w2_0 = weight[at + 24], w2_1 = weight[at + 25], w2_2 = weight[at + 26], w2_3 = weight[at + 27];
          const w3_0 = weight[at + 36], w3_1 = weight[at + 37], w3_2 = weight[at + 38], w3_3 = weight[at + 39];
          for (let x = 0; x < 3; x++) {
            const v0 = input[from + x * 2], v1 = input[from + x * 2 + 45], v2 = input[from + x * 2 + 90], v3 = input[from + x * 2 + 135];
            row0[x] += w0_0 * v0 + w0_1 * v1 + w0_2 * v2 + w0_3 * v3;
            row1[x] += w1_0 * v0 + w1_1 * v1 + w1_2 * v2 + w1_3 * v3;
            row2[x] += w2_0 * v0 + w2_1 * v1 + w2_2 * v2 + w2_3 * v3;
            row3[x] += w3_0 * v0 + w3_1 * v1 + w3_2 * v2 + w3_3 * v3;
          }
        }
        for (let k = 0; k < 4; k++) {
          const row = rows[k];
          const c = c0 + k;
          const bias_c = bias[c];
          for (let x = 0; x < 3; x++) {
            output[n * 300 + c * 15 + y * 3 + x] = Math.max(residual[n * 300 + c * 15 + y * 3 + x] + f32(f32(row[x]) + bias_c), 0);
          }
        }
      }
    }
  }
}

/**
 * gap, flatten: 2×20×1×1 results from 5×3 terms each.
 * @param {Float32Array} input 2×20×5×3
 * @param {Float32Array} output 2×20
 */
function gap_flatten_20(input, output) {
  for (let c = 0; c < 40; c++) {
    let acc = 0;
    for (let rx = 0; rx < 15; rx++) {
      acc += input[c * 15 + rx];
    }
    output[c] = f32(acc) / 15;
  }
}

/**
 * Linear, 20 to 7: sum + bias.
 * @param {Float32Array} input 2×20
 * @param {Float32Array} weight 7×20
 * @param {Float32Array} output 2×7
 * @param {Float32Array} bias 7
 * @param {Float64Array[]} rows scratch
 */
function linear_20_7(input, weight, output, bias, rows) {
  const [row0] = rows;
  for (let n = 0; n < 2; n++) {
    for (let c0 = 0; c0 < 7; c0 += 1) {
      let sum0 = 0;
      const from = n * 20;
      for (let k = 0; k < 20; k++) {
        const value = input[from + k];
        sum0 += weight[c0 * 20 + k] * value;
      }
      row0[0] = sum0;
      for (let k = 0; k < 1; k++) {
        const row = rows[k];
        const c = c0 + k;
        const bias_c = bias[c];
        output[n * 7 + c] = f32(row[0]) + bias_c;
      }
    }
  }
}

// Functions that layers of any shape share.

/**
 * Copies one feature map into the middle of zeros, each channel times its factor of the gate, so that convolutions need no test at the edges.
 * @param {Float32Array} from [channels][height][width] @param {Float32Array | null} gate one factor per channel
 * @param {number} channels @param {number} height @param {number} width
 * @param {readonly number[]} edges zeros above, left, below, right
 * @param {Float32Array} to
 */
function pad(from, gate, channels, height, width, [top, left, bottom, right], to) {
  const rows = height + top + bottom;
  const columns = width + left + right;
  to.fill(0, 0, channels * rows * columns);
  for (let c = 0; c < channels; c++) {
    const factor = gate === null ? 1 : gate[c];
    for (let y = 0; y < height; y++) {
      const read = (c * height + y) * width;
      const write = (c * rows + y + top) * columns + left;
      for (let x = 0; x < width; x++) to[write + x] = from[read + x] * factor;
    }
  }
}

