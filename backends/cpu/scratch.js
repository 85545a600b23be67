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

export { pad };
