// The net around `forward`: its variables, the folding of norms, running, training.

/**
 * The net around `forward`: variables, folding, running, training.
 * @param {string} name @param {any} signature @param {any} tf @param {Record<string, any>} w
 * @param {{ conv: string, norm: string, eps: number, axis: number }[]} folds convolutions with the norm after them
 * @param {(net: State, inputs: Record<string, Tensor>) => Record<string, Tensor>} forward
 */
function makeTfNet(name, signature, tf, w, folds, forward) {
  let folded = /** @type {Record<string, any> | undefined} */ (undefined);
  let foldedFrom = "";
  const release = () => {
    for (const f of Object.values(folded ?? {})) tf.dispose(f);
    folded = undefined;
  };
  /** Which values the variables hold: an optimizer's step or a moved statistic changes it. */
  const state = () =>
    folds
      .map((f) =>
        [w[`${f.conv}.weight`], w[`${f.conv}.bias`], ...["weight", "bias", "running_mean", "running_var"].map((t) => w[`${f.norm}.${t}`])]
          .map((v) => (v ? v.dataId.id : ""))
          .join(),
      )
      .join(";");
  const fold = () => {
    const now = state();
    if (folded && now === foldedFrom) return;
    release();
    foldedFrom = now;
    const made = tf.tidy(() =>
      Object.fromEntries(
        folds.map((f) => {
          const filter = w[`${f.conv}.weight`];
          const [gamma, beta] = [w[`${f.norm}.weight`], w[`${f.norm}.bias`]];
          const inverse = tf.rsqrt(tf.add(w[`${f.norm}.running_var`], f.eps));
          const scale = gamma ? tf.mul(gamma, inverse) : inverse;
          const centred = w[`${f.conv}.bias`]
            ? tf.sub(w[`${f.conv}.bias`], w[`${f.norm}.running_mean`])
            : tf.neg(w[`${f.norm}.running_mean`]);
          const shift = tf.mul(centred, scale);
          // depthwise filters have their output channels in the last two axes
          const shape = f.axis === 2 ? [1, 1, filter.shape[2], filter.shape[3]] : [scale.size];
          return [f.conv, { filter: tf.mul(filter, tf.reshape(scale, shape)), bias: beta ? tf.add(shift, beta) : shift }];
        }),
      ),
    );
    // layers may be called `__proto__` or `constructor`: no object but one without a prototype says that it lacks those
    folded = Object.assign(Object.create(null), made);
  };
  const net = makeNet(
    name,
    signature.inputs,
    async (inputs) => {
      fold();
      const made = tf.tidy(() => {
        const given = Object.fromEntries(
          signature.inputs.map((/** @type {any} */ port) => {
            const [n, c, h, wide] = port.shape;
            if (port.shape.length !== 4) return [port.name, tf.tensor(inputs[port.name], port.shape)];
            return [port.name, tf.tensor4d(toChannelsLast(inputs[port.name], [n, c, h, wide], c, 0), [n, h, wide, c])];
          }),
        );
        return forward({ tf, w, folded, training: false }, given);
      });
      try {
        const outputs = await Promise.all(
          signature.outputs.map(async (/** @type {any} */ port) => {
            const values = Float32Array.from(await made[port.name].data());
            if (port.shape.length !== 4) return [port.name, values];
            return [port.name, fromChannelsLast(values, port.shape, port.shape[1], 0)];
          }),
        );
        return Object.fromEntries(outputs);
      } finally {
        tf.dispose(made);
      }
    },
    () => {
      release();
      tf.dispose(w);
    },
  );
  return {
    ...net,
    variables: w,
    trainableVariables: Object.values(w).filter((v) => v.trainable),
    /** @param {any} x a tensor, when the net has one input, or a record of tensors; NHWC @param {{ training?: boolean }} [options] */
    apply(x, { training = false } = {}) {
      const single = x instanceof tf.Tensor;
      const made = tf.tidy(() => forward({ tf, w, folded: undefined, training }, single ? { [signature.inputs[0].name]: x } : x));
      return single && signature.outputs.length === 1 ? made[signature.outputs[0].name] : made;
    },
  };
}

export { makeTfNet };
