// Between the layout of the caller (NCHW) and that of the kernels (NHWC, channels padded, zero halo).

/**
 * NCHW to [n][h + 2 halo][w + 2 halo][lanes]; padding lanes and the halo are 0.
 * @param {Float32Array} from @param {readonly number[]} shape [n, c, h, w]
 * @param {number} lanes stored channels, at least c @param {number} halo pixels on each side
 */
function toChannelsLast(from, [n, c, h, w], lanes, halo) {
  const rows = h + 2 * halo;
  const columns = w + 2 * halo;
  const to = new Float32Array(n * rows * columns * lanes);
  let read = 0;
  for (let image = 0; image < n; image++) {
    for (let channel = 0; channel < c; channel++) {
      for (let y = 0; y < h; y++) {
        let write = ((image * rows + y + halo) * columns + halo) * lanes + channel;
        for (let x = 0; x < w; x++, write += lanes) to[write] = from[read++];
      }
    }
  }
  return to;
}

/**
 * The reverse of `toChannelsLast`: padding lanes and halo are dropped.
 * @param {Float32Array} from @param {readonly number[]} shape [n, c, h, w] @param {number} lanes @param {number} halo
 */
function fromChannelsLast(from, [n, c, h, w], lanes, halo) {
  const rows = h + 2 * halo;
  const columns = w + 2 * halo;
  const to = new Float32Array(n * c * h * w);
  let write = 0;
  for (let image = 0; image < n; image++) {
    for (let channel = 0; channel < c; channel++) {
      for (let y = 0; y < h; y++) {
        let read = ((image * rows + y + halo) * columns + halo) * lanes + channel;
        for (let x = 0; x < w; x++, read += lanes) to[write++] = from[read];
      }
    }
  }
  return to;
}

export { fromChannelsLast, toChannelsLast };
