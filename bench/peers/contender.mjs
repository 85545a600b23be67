/**
 * One tab is one contender. `window.contender` opens a net, gives its outputs, and takes turns. Everything a user would pay for at every
 * inference is inside the clock: giving the input, computing, reading the output back, from Float32Array to Float32Array.
 */

/** A classic script, as these packages ship for pages. */
const script = (src) =>
  new Promise((resolve, reject) => {
    const element = Object.assign(document.createElement("script"), { src });
    element.onload = resolve;
    element.onerror = () => reject(new Error(`${src} does not load`));
    document.head.append(element);
  });

const RUNTIMES = {
  /** The wasm target's module, as it is. */
  async "sec-wasm"({ net, threads }) {
    const { load, signature } = await import(`/nets/${net}/wasm/${net}.js`);
    const loaded = await load({ threads });
    const { name } = signature.inputs[0];
    return {
      runtime: `${loaded.relaxed ? "relaxed simd" : "simd"}, threads ${loaded.threads}`,
      run: async (values) => (await loaded.run({ [name]: values }))[signature.outputs[0].name],
    };
  },

  /** The onnx target's model. Its open batch is bound, as ONNX Runtime recommends for models that run at one size. */
  async "ort-web"({ net, threads, shape }) {
    const ort = await import("/modules/onnxruntime-web/dist/ort.wasm.min.mjs");
    ort.env.wasm.wasmPaths = `${location.origin}/modules/onnxruntime-web/dist/`;
    ort.env.wasm.numThreads = threads;
    const session = await ort.InferenceSession.create(`/nets/${net}/onnx/${net}.onnx`, {
      executionProviders: ["wasm"],
      freeDimensionOverrides: { N: shape[0] },
    });
    return {
      runtime: `onnxruntime-web ${ort.env.versions.web}, threads ${ort.env.wasm.numThreads}`,
      async run(values) {
        const results = await session.run({ [session.inputNames[0]]: new ort.Tensor("float32", values, shape) });
        return results[session.outputNames[0]].data;
      },
    };
  },

  /** The tfjs target's module on TensorFlow.js's WebAssembly backend, whose kernels are XNNPACK's. */
  async "tfjs-wasm"({ net, threads }) {
    await script("/modules/@tensorflow/tfjs/dist/tf.min.js");
    await script("/modules/@tensorflow/tfjs-backend-wasm/dist/tf-backend-wasm.min.js");
    const { tf } = globalThis;
    tf.enableProdMode();
    tf.wasm.setWasmPaths("/modules/@tensorflow/tfjs-backend-wasm/dist/");
    tf.wasm.setThreadsCount(threads);
    await tf.setBackend("wasm");
    await tf.ready();
    if (tf.getBackend() !== "wasm") throw new Error(`the backend is ${tf.getBackend()}`);
    const { load, signature } = await import(`/nets/${net}/tfjs/${net}.js`);
    const loaded = await load({ tf });
    const { name } = signature.inputs[0];
    return {
      runtime: `@tensorflow/tfjs ${tf.version_core}, wasm, threads ${tf.wasm.getThreadsCount()}`,
      run: async (values) => (await loaded.run({ [name]: values }))[signature.outputs[0].name],
    };
  },
};

/** The multiply-add peak of so many threads at once: each worker runs the same loop. */
async function openPeak(threads) {
  const bytes = {};
  for (const kind of ["fused", "apart"]) bytes[kind] = await (await fetch(`/${kind}.wasm`)).arrayBuffer();
  const fused = WebAssembly.validate(bytes.fused);
  const control = new SharedArrayBuffer(4);
  const workers = Array.from({ length: threads }, () => new Worker("peak-worker.mjs", { type: "module" }));
  const ask = (message) =>
    Promise.all(
      workers.map(
        (w) =>
          new Promise((resolve, reject) => {
            w.onmessage = ({ data }) => resolve(data);
            w.onerror = (event) => reject(new Error(event.message));
            w.postMessage(message);
          }),
      ),
    );
  await ask({ bytes: bytes[fused ? "fused" : "apart"], control, threads });
  let rounds = 20_000;
  const once = async () => Math.max(...(await ask({ rounds })));
  for (let i = 0; i < 20; i++) if ((await once()) < 2) rounds = Math.ceil(rounds * 1.5);
  return {
    runtime: fused ? "fused multiply-adds" : "products and sums",
    /** The quickest of a few calls, in rounds of all threads a millisecond. */
    async measure() {
      let best = Infinity;
      for (let i = 0; i < 8; i++) best = Math.min(best, await once());
      return (threads * rounds) / best;
    },
  };
}

const state = {};

globalThis.contender = {
  async open({ runtime, net, threads, shape, input }) {
    if (runtime === "peak") {
      state.peak = await openPeak(threads);
      return { runtime: state.peak.runtime };
    }
    state.input = new Float32Array(await (await fetch(input)).arrayBuffer());
    const start = performance.now();
    state.made = await RUNTIMES[runtime]({ net, threads, shape });
    const loaded = performance.now();
    const output = await state.made.run(state.input);
    const first = performance.now() - loaded;
    return { runtime: state.made.runtime, load: loaded - start, first, output: [...output] };
  },
  /** One run that does not count, then runs for about `slice` milliseconds; their times, and the last output. */
  async turn({ slice, most }) {
    let output = await state.made.run(state.input);
    const times = [];
    const begin = performance.now();
    while (times.length < 2 || (times.length < most && performance.now() - begin < slice)) {
      const start = performance.now();
      output = await state.made.run(state.input);
      times.push(performance.now() - start);
    }
    return { times, output: [...output] };
  },
  peak: () => state.peak.measure(),
};
