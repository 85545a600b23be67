// se_mobile: compiled from nets.se for cpu. Written by sec. Do not edit.
//
// Maps are flat Float32Arrays in the order [image][channel][row][column]. Sums of products are kept in f64; every other
// operation is rounded to f32, here by f32() or by the store, so that a layer gives the same bits alone or fused into another.

/** Names and shapes of everything this net takes and gives; row-major, NCHW. */
export const signature = /** @type {const} */ ({
  name: "se_mobile",
  inputs: [{ name: "image", dtype: "f32", shape: [3, 6, 8, 10] }],
  outputs: [{ name: "logits", dtype: "f32", shape: [3, 3] }],
});

const f32 = Math.fround;

const WEIGHTS = { url: () => new URL("./se_mobile.weights", import.meta.url), bytes: 7680, hash: "bbd811a48a6df3fabe9e36029dea2851" };

/**
 * Loads the weights and makes a net that owns its memory; nets are independent of each other.
 * @param {{ weights?: ArrayBuffer | Uint8Array | URL | string }} [options]
 */
export async function load(options = {}) {
  const payload = await loadWeights(signature.name, options.weights, WEIGHTS);
  const weights = new Float32Array(payload.buffer, payload.byteOffset, 1920);
  const arena = new Float32Array(7360); // all activations: a place is used again when its value is dead
  const weight = (/** @type {number} */ from, /** @type {number} */ size) => weights.subarray(from, from + size);
  const tensor = (/** @type {number} */ from, /** @type {number} */ size) => arena.subarray(from, from + size);

  // Tensors: offset into the weights, size.
  const expand_conv_weight = weight(0, 144); // expand.conv.weight+expand.bn 24×6×1×1
  const expand_bn_shift = weight(192, 24); // expand.bn.shift 24
  const depthwise_conv_weight = weight(256, 600); // depthwise.conv.weight+depthwise.bn 24×1×5×5
  const depthwise_bn_shift = weight(896, 24); // depthwise.bn.shift 24
  const se_fc1_weight = weight(960, 144); // se.fc1.weight 6×24×1×1
  const se_fc1_bias = weight(1152, 6); // se.fc1.bias 6
  const se_fc2_weight = weight(1216, 144); // se.fc2.weight 24×6×1×1
  const se_fc2_bias = weight(1408, 24); // se.fc2.bias 24
  const project_conv_weight = weight(1472, 216); // project.conv.weight+project.bn 9×24×1×1
  const project_bn_shift = weight(1728, 9); // project.bn.shift 9
  const fc_weight = weight(1792, 27); // fc.weight 3×9
  const fc_bias = weight(1856, 3); // fc.bias 3

  // Activations: offset into the arena, size.
  const expand_hswish = tensor(0, 5760); // expand.hswish 3×24×8×10
  const depthwise_hswish = tensor(5760, 1440); // depthwise.hswish 3×24×4×5
  const se_gap_sums = tensor(7232, 72); // se.gap.sums 3×1×24
  const se_gate = tensor(576, 72); // se.gate 3×24
  const project_conv = tensor(0, 540); // project.conv 3×9×4×5
  const flatten = tensor(576, 27); // flatten 3×9
  const fc = tensor(0, 9); // fc 3×3

  // Scratch memory.
  const rows = Array.from({ length: 4 }, () => new Float64Array(80)); // sums of a run of pixels, one per channel
  const padded = new Float32Array(4032); // an input map with its padding

  /** @param {Record<string, Float32Array>} inputs */
  const compute = (inputs) => {
    // expand.conv + hswish · sample.se:1
    conv1x1_6x8x10_24(inputs.image, expand_conv_weight, expand_bn_shift, expand_hswish, rows);
    // depthwise.conv + hswish + squeeze · sample.se:1
    depthwise5x5_24x8x10_24(expand_hswish, depthwise_conv_weight, depthwise_bn_shift, depthwise_hswish, se_gap_sums, padded, rows);
    // se.fc1 + fc2 · sample.se:1
    excite_24_6_24(se_gap_sums, se_fc1_weight, se_fc1_bias, se_fc2_weight, se_fc2_bias, se_gate);
    // project.conv + gate · sample.se:1
    conv1x1_24x4x5_9(depthwise_hswish, project_conv_weight, project_bn_shift, se_gate, project_conv, padded, rows);
    // gap + flatten · sample.se:1
    gap_flatten_9(project_conv, flatten);
    // fc · sample.se:1
    linear_9_3(flatten, fc_weight, fc, fc_bias, rows);
    return { logits: fc.slice() };
  };
  return makeNet(signature.name, signature.inputs, compute);
}

/**
 * 1×1 convolution, 6×8×10 to 24×8×10: (sum + bias) * (min(max(sum + bias + 3, 0), 6) * f32(0.16666666666666666)).
 * @param {Float32Array} input 3×6×8×10
 * @param {Float32Array} weight 24×6×1×1
 * @param {Float32Array} bias 24
 * @param {Float32Array} output 3×24×8×10
 * @param {Float64Array[]} rows scratch
 */
function conv1x1_6x8x10_24(input, weight, bias, output, rows) {
  const [row0, row1, row2, row3] = rows;
  for (let n = 0; n < 3; n++) {
    for (let c0 = 0; c0 < 24; c0 += 4) {
      for (let p = 0; p < 80; p += 80) {
        row0.fill(0, 0, 80);
        row1.fill(0, 0, 80);
        row2.fill(0, 0, 80);
        row3.fill(0, 0, 80);
        for (let i = 0; i < 6; i += 3) {
          const from = n * 480 + i * 80 + p;
          const at = c0 * 6 + i;
          const w0_0 = weight[at], w0_1 = weight[at + 1], w0_2 = weight[at + 2];
          const w1_0 = weight[at + 6], w1_1 = weight[at + 7], w1_2 = weight[at + 8];
          const w2_0 = weight[at + 12], w2_1 = weight[at + 13], w2_2 = weight[at + 14];
          const w3_0 = weight[at + 18], w3_1 = weight[at + 19], w3_2 = weight[at + 20];
          for (let x = 0; x < 80; x++) {
            const v0 = input[from + x], v1 = input[from + x + 80], v2 = input[from + x + 160];
            row0[x] += w0_0 * v0 + w0_1 * v1 + w0_2 * v2;
            row1[x] += w1_0 * v0 + w1_1 * v1 + w1_2 * v2;
            row2[x] += w2_0 * v0 + w2_1 * v1 + w2_2 * v2;
            row3[x] += w3_0 * v0 + w3_1 * v1 + w3_2 * v2;
          }
        }
        for (let k = 0; k < 4; k++) {
          const row = rows[k];
          const c = c0 + k;
          const bias_c = bias[c];
          for (let x = 0; x < 80; x++) {
            output[n * 1920 + c * 80 + p + x] = f32(f32(row[x]) + bias_c) * f32(Math.min(Math.max(f32(f32(f32(row[x]) + bias_c) + 3), 0), 6) * f32(0.16666666666666666));
          }
        }
      }
    }
  }
}

/**
 * 5×5 convolution, 24×8×10 to 24×4×5, stride 2×2, padding 2, 2, 2, 2, 24 groups, channel sums kept for the squeeze: (sum + bias) * (min(max(sum + bias + 3, 0), 6) * f32(0.16666666666666666)).
 * @param {Float32Array} input 3×24×8×10
 * @param {Float32Array} weight 24×1×5×5
 * @param {Float32Array} bias 24
 * @param {Float32Array} output 3×24×4×5
 * @param {Float32Array} sums 3×1×24
 * @param {Float32Array} padded scratch
 * @param {Float64Array[]} rows scratch
 */
function depthwise5x5_24x8x10_24(input, weight, bias, output, sums, padded, rows) {
  const [row0] = rows;
  for (let n = 0; n < 3; n++) {
    pad(input.subarray(n * 1920, (n + 1) * 1920), null, 24, 8, 10, [2, 2, 2, 2], padded);
    for (let c0 = 0; c0 < 24; c0 += 1) {
      const totals = [0];
      for (let y = 0; y < 4; y++) {
        const from = c0 * 168 + y * 28;
        const at = c0 * 25;
        const w0_0 = weight[at], w0_1 = weight[at + 1], w0_2 = weight[at + 2], w0_3 = weight[at + 3];
        const w0_4 = weight[at + 4], w0_5 = weight[at + 5], w0_6 = weight[at + 6], w0_7 = weight[at + 7];
        const w0_8 = weight[at + 8], w0_9 = weight[at + 9], w0_10 = weight[at + 10], w0_11 = weight[at + 11];
        const w0_12 = weight[at + 12], w0_13 = weight[at + 13], w0_14 = weight[at + 14], w0_15 = weight[at + 15];
        const w0_16 = weight[at + 16], w0_17 = weight[at + 17], w0_18 = weight[at + 18], w0_19 = weight[at + 19];
        const w0_20 = weight[at + 20], w0_21 = weight[at + 21], w0_22 = weight[at + 22], w0_23 = weight[at + 23];
        const w0_24 = weight[at + 24];
        for (let x = 0; x < 5; x++) {
          const v0 = padded[from + x * 2], v1 = padded[from + x * 2 + 1], v2 = padded[from + x * 2 + 2], v3 = padded[from + x * 2 + 3];
          const v4 = padded[from + x * 2 + 4], v5 = padded[from + x * 2 + 14], v6 = padded[from + x * 2 + 15], v7 = padded[from + x * 2 + 16];
          const v8 = padded[from + x * 2 + 17], v9 = padded[from + x * 2 + 18], v10 = padded[from + x * 2 + 28], v11 = padded[from + x * 2 + 29];
          const v12 = padded[from + x * 2 + 30], v13 = padded[from + x * 2 + 31], v14 = padded[from + x * 2 + 32], v15 = padded[from + x * 2 + 42];
          const v16 = padded[from + x * 2 + 43], v17 = padded[from + x * 2 + 44], v18 = padded[from + x * 2 + 45], v19 = padded[from + x * 2 + 46];
          const v20 = padded[from + x * 2 + 56], v21 = padded[from + x * 2 + 57], v22 = padded[from + x * 2 + 58], v23 = padded[from + x * 2 + 59];
          const v24 = padded[from + x * 2 + 60];
          row0[x] = w0_0 * v0 + w0_1 * v1 + w0_2 * v2 + w0_3 * v3 + w0_4 * v4 + w0_5 * v5 + w0_6 * v6 + w0_7 * v7 + w0_8 * v8 + w0_9 * v9 + w0_10 * v10 + w0_11 * v11 + w0_12 * v12 + w0_13 * v13 + w0_14 * v14 + w0_15 * v15 + w0_16 * v16 + w0_17 * v17 + w0_18 * v18 + w0_19 * v19 + w0_20 * v20 + w0_21 * v21 + w0_22 * v22 + w0_23 * v23 + w0_24 * v24;
        }
        for (let k = 0; k < 1; k++) {
          const row = rows[k];
          const c = c0 + k;
          const bias_c = bias[c];
          let sum = totals[k];
          for (let x = 0; x < 5; x++) {
            const value = f32(f32(f32(row[x]) + bias_c) * f32(Math.min(Math.max(f32(f32(f32(row[x]) + bias_c) + 3), 0), 6) * f32(0.16666666666666666)));
            output[n * 480 + c * 20 + y * 5 + x] = value;
            sum += value;
          }
          totals[k] = sum;
        }
      }
      for (let k = 0; k < 1; k++) sums[n * 24 + c0 + k] = totals[k];
    }
  }
}

/**
 * Excitation: mean over 20 pixels, then dense 24 to 6, then dense 6 to 24.
 * @param {Float32Array} sums 3×1×24
 * @param {Float32Array} weight1 6×24×1×1
 * @param {Float32Array} bias1 6
 * @param {Float32Array} weight2 24×6×1×1
 * @param {Float32Array} bias2 24
 * @param {Float32Array} gate 3×24
 */
function excite_24_6_24(sums, weight1, bias1, weight2, bias2, gate) {
  for (let n = 0; n < 3; n++) {
    const mean = new Float32Array(24);
    for (let c = 0; c < 24; c++) {
      mean[c] = sums[n * 24 + c] / 20;
    }
    const hidden = new Float32Array(6);
    for (let o = 0; o < 6; o++) {
      let acc = 0;
      for (let i = 0; i < 24; i++) acc += weight1[o * 24 + i] * mean[i];
      hidden[o] = Math.max(acc + bias1[o], 0);
    }
    for (let o = 0; o < 24; o++) {
      let acc = 0;
      for (let i = 0; i < 6; i++) acc += weight2[o * 6 + i] * hidden[i];
      gate[n * 24 + o] = Math.min(Math.max(f32(f32(acc + bias2[o]) + 3), 0), 6) * f32(0.16666666666666666);
    }
  }
}

/**
 * 1×1 convolution, 24×4×5 to 9×4×5, input channels scaled by the gate: sum + bias.
 * @param {Float32Array} input 3×24×4×5
 * @param {Float32Array} weight 9×24×1×1
 * @param {Float32Array} bias 9
 * @param {Float32Array} gate 3×24
 * @param {Float32Array} output 3×9×4×5
 * @param {Float32Array} padded scratch
 * @param {Float64Array[]} rows scratch
 */
function conv1x1_24x4x5_9(input, weight, bias, gate, output, padded, rows) {
  const [row0, row1, row2] = rows;
  for (let n = 0; n < 3; n++) {
    pad(input.subarray(n * 480, (n + 1) * 480), gate.subarray(n * 24, (n + 1) * 24), 24, 4, 5, [0, 0, 0, 0], padded);
    for (let c0 = 0; c0 < 9; c0 += 3) {
      for (let p = 0; p < 20; p += 20) {
        row0.fill(0, 0, 20);
        row1.fill(0, 0, 20);
        row2.fill(0, 0, 20);
        for (let i = 0; i < 24; i += 4) {
          const from = i * 20 + p;
          const at = c0 * 24 + i;
          const w0_0 = weight[at], w0_1 = weight[at + 1], w0_2 = weight[at + 2], w0_3 = weight[at + 3];
          const w1_0 = weight[at + 24], w1_1 = weight[at + 25], w1_2 = weight[at + 26], w1_3 = weight[at + 27];
          const w2_0 = weight[at + 48], w2_1 = weight[at + 49], w2_2 = weight[at + 50], w2_3 = weight[at + 51];
          for (let x = 0; x < 20; x++) {
            const v0 = padded[from + x], v1 = padded[from + x + 20], v2 = padded[from + x + 40], v3 = padded[from + x + 60];
            row0[x] += w0_0 * v0 + w0_1 * v1 + w0_2 * v2 + w0_3 * v3;
            row1[x] += w1_0 * v0 + w1_1 * v1 + w1_2 * v2 + w1_3 * v3;
            row2[x] += w2_0 * v0 + w2_1 * v1 + w2_2 * v2 + w2_3 * v3;
          }
        }
        for (let k = 0; k < 3; k++) {
          const row = rows[k];
          const c = c0 + k;
          const bias_c = bias[c];
          for (let x = 0; x < 20; x++) {
            output[n * 180 + c * 20 + p + x] = f32(row[x]) + bias_c;
          }
        }
      }
    }
  }
}

/**
 * gap, flatten: 3×9×1×1 results from 4×5 terms each.
 * @param {Float32Array} input 3×9×4×5
 * @param {Float32Array} output 3×9
 */
function gap_flatten_9(input, output) {
  for (let c = 0; c < 27; c++) {
    let acc = 0;
    for (let rx = 0; rx < 20; rx++) {
      acc += input[c * 20 + rx];
    }
    output[c] = f32(acc) / 20;
  }
}

/**
 * Linear, 9 to 3: sum + bias.
 * @param {Float32Array} input 3×9
 * @param {Float32Array} weight 3×9
 * @param {Float32Array} output 3×3
 * @param {Float32Array} bias 3
 * @param {Float64Array[]} rows scratch
 */
function linear_9_3(input, weight, output, bias, rows) {
  const [row0, row1, row2] = rows;
  for (let n = 0; n < 3; n++) {
    for (let c0 = 0; c0 < 3; c0 += 3) {
      let sum0 = 0;
      let sum1 = 0;
      let sum2 = 0;
      const from = n * 9;
      for (let k = 0; k < 9; k++) {
        const value = input[from + k];
        sum0 += weight[c0 * 9 + k] * value;
        sum1 += weight[(c0 + 1) * 9 + k] * value;
        sum2 += weight[(c0 + 2) * 9 + k] * value;
      }
      row0[0] = sum0;
      row1[0] = sum1;
      row2[0] = sum2;
      for (let k = 0; k < 3; k++) {
        const row = rows[k];
        const c = c0 + k;
        const bias_c = bias[c];
        output[n * 3 + c] = f32(row[0]) + bias_c;
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

