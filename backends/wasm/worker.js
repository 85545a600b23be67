// One thread of a net: the first message brings the module and the memory, every further one is the order to run.

const node =
  typeof (/** @type {any} */ (globalThis).process?.getBuiltinModule) === "function" &&
  !(/** @type {any} */ (globalThis).Deno) &&
  !(/** @type {any} */ (globalThis).Bun);
const port = node ? /** @type {any} */ (globalThis).process.getBuiltinModule("node:worker_threads").parentPort : globalThis;

/** @type {{ setup?: any, run?: any }} */
const state = {};

/** @param {any} data */
async function receive(data) {
  if (!state.run) {
    state.setup = data;
    state.run = (await WebAssembly.instantiate(data.compiled, { env: { memory: data.memory } })).exports.run;
    port.postMessage("ready");
    return;
  }
  const { run, setup } = state;
  const { thread, threads, parts } = setup;
  const { first, last, shift, timed } = data;
  const scratch = setup.scratch + thread * setup.scratchBytes;
  const times = [];
  if (timed) {
    for (let i = first; i < last; i++) {
      const start = performance.now();
      run(i, i + 1, thread, threads, scratch, parts, shift);
      times.push(performance.now() - start);
    }
  } else run(first, last, thread, threads, scratch, parts, shift);
  if (thread === 0) port.postMessage({ times });
}

if (node) port.on("message", receive);
else port.onmessage = (/** @type {any} */ event) => receive(event.data);
