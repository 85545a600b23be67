/** One thread of the peak: starts when all are ready, answers with the milliseconds that its rounds took. */
const state = {};

globalThis.onmessage = ({ data }) => {
  if (data.bytes) {
    state.peak = new WebAssembly.Instance(new WebAssembly.Module(data.bytes)).exports.peak;
    state.control = new Int32Array(data.control);
    state.threads = data.threads;
    postMessage("ready");
    return;
  }
  Atomics.add(state.control, 0, 1);
  while (Atomics.load(state.control, 0) % state.threads !== 0);
  const start = performance.now();
  state.peak(data.rounds);
  postMessage(performance.now() - start);
};
