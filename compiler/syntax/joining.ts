/**
 * Layers that the formatter keeps on the line of the layer before them: norms, activations, pools, what moves elements.
 * A matter of layout only; an unknown name starts a line.
 */
export const JOINING: ReadonlySet<string> = new Set([
  ...["bn", "ln", "gn", "instnorm", "lrn"],
  ...["relu", "relu6", "leaky_relu", "elu", "silu", "mish", "softplus", "tanh", "sigmoid", "prelu", "gelu"],
  ...["hsigmoid6", "hsigmoid5", "hswish", "softmax", "act"],
  ...["square", "sqrt", "rsqrt", "recip", "abs", "times", "plus", "clip"],
  ...["maxpool", "avgpool", "chanmean", "chanmax"],
  ...["upsample", "pixelshuffle", "pixelunshuffle", "chanshuffle", "slice", "pad", "flatten", "reshape", "swaphw"],
  ...["identity", "dropout", "droppath", "shared"],
]);
