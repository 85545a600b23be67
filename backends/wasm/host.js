// Runs the WebAssembly of one net: chooses the binary, owns the memory, feeds one thread or a pool of them.
// The text below this comment is the same in all WebAssembly modules that sec writes.

/**
 * @typedef {[offset: number, elements: number]} Range bytes from the start of the memory, f32 numbers
 * @typedef {{ net: string, pages: number, scratch: number, scratchPages: number, weights: number, digest: number, copied: number,
 *   late: [place: number, offset: number, size: number, parts: number][], window: number, layers: string[], inputs: Range[], outputs: Range[],
 *   steps: { plain: number[], relaxed: number[] }, reads: { plain: number[], relaxed: number[] }, flags: { plain: number, relaxed: number },
 *   binaries: { plain: () => URL | string, relaxed: () => URL | string } }} Tables `steps`: by step, its layer; binaries: a place, or base64
 * @typedef {{ url: () => URL, start: () => any }} WorkerPlace
 * @typedef {ArrayBuffer | Uint8Array | URL | string} Bytes
 */

const MOST_THREADS = 64;
/** Parts of a step for each thread. */
const PARTS = 8;

/** Bytes of weights that are copied before they are hashed: they are in the processor's cache then. */
const PIECE = 262144;

/** A module that holds one relaxed multiply-add: engines that refuse it run the other binary. */
const PROBE = [
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 19, 1, 17, 0, 65, 0, 253, 17, 65, 0, 253, 17, 65, 0, 253, 17, 253,
  133, 2, 11,
];

/** The kernels for relaxed SIMD keep 15 vectors alive; V8 before version 13 (Node 20, 22) spills them and halves the speed. */
function relaxedPays() {
  const v8 = Number.parseInt(/** @type {any} */ (globalThis).process?.versions?.v8 ?? "13", 10);
  return v8 >= 13 && WebAssembly.validate(new Uint8Array(PROBE));
}

/** @param {string} net @param {Bytes} place @param {string} module @returns {Promise<Uint8Array>} */
async function binaryBytes(net, place, module) {
  const kind = kindOf(place);
  if (kind === "ArrayBuffer" || kind === "Uint8Array") return new Uint8Array(/** @type {any} */ (place));
  if (typeof place === "string" && place.startsWith("base64,")) return Uint8Array.from(atob(place.slice(7)), (c) => c.charCodeAt(0));
  if (typeof place !== "string" && kind !== "URL") throw new TypeError(`${net}: wasm must be bytes, a URL or a string, got ${kind}`);
  const page = /** @type {any} */ (globalThis).document?.baseURI;
  return new Uint8Array(await readBytes(net, "the WebAssembly", new URL(/** @type {URL | string} */ (place), page ?? module)));
}

/**
 * Compiles, and has the engine translate the kernels well beside the rest of loading: that is part of the compiled module, which threads
 * share.
 * @param {string} net @param {Uint8Array} bytes @param {number} pages @param {boolean} shared
 */
async function prepare(net, bytes, pages, shared) {
  let compiled;
  try {
    compiled = await WebAssembly.compile(/** @type {any} */ (bytes));
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared });
    const instance = /** @type {any} */ (await WebAssembly.instantiate(compiled, { env: { memory } }));
    instance.exports.warm();
    return { compiled, memory, instance };
  } catch (cause) {
    const reason = /** @type {Error} */ (cause).message;
    throw new Error(`${net}: ${compiled ? `cannot have ${pages * 65536} bytes of memory` : "the WebAssembly was refused"}: ${reason}`, {
      cause,
    });
  }
}

/**
 * The way of the weights from the payload of their file to the memory. Memory that is touched for the first time costs several times what a
 * copy does. So large weights come late: for the first run one by one into the window, and to their places before the second.
 * @param {Tables} tables @param {any} memory @param {any} exports @param {Uint8Array} payload of the size that the tables expect
 */
function weightsOf(tables, memory, exports, payload) {
  const { net, weights, copied, late, scratch } = tables;
  const bytes = new Uint8Array(memory.buffer);
  /** @param {number} from @param {number} end @param {number} to */
  const copy = (from, end, to) => bytes.set(payload.subarray(from, end), to);
  return {
    /** Copies the small ones to their places; the hash of the payload. */
    start() {
      const lanes = new Uint32Array(memory.buffer, tables.digest, 4);
      lanes.set(SEEDS);
      for (let at = 0; at < payload.length; ) {
        const end = Math.min(at + PIECE, at < copied ? copied : payload.length);
        // what is late is only hashed: the first of its places holds it so long
        const to = weights + Math.min(at, copied);
        copy(at, end, to);
        exports.digest(to, to + end - at);
        at = end;
      }
      return hashText([...lanes]);
    },
    /** The i-th late ones. @param {number} i @param {number} to */
    bring(i, to) {
      if (payload.length === 0)
        throw new Error(`${net}: the weights that load was given were transferred before the second run had used them`);
      const [, offset, size, parts] = late[i];
      if (parts === 0) copy(offset, offset + size, to);
      for (let part = 0; part < parts; part++) {
        copy(offset + part * size, offset + (part + 1) * size, scratch);
        exports.expand(i, part, scratch, to);
      }
    },
  };
}

/**
 * Threads that wait for work. Nothing but the order to run passes between them and the caller; what they compute on is shared memory.
 * @param {string} net @param {number} threads @param {WorkerPlace} place @param {object} setup
 */
async function startPool(net, threads, place, setup) {
  const host = /** @type {any} */ (globalThis);
  const node = typeof host.process?.getBuiltinModule === "function" && host.process.versions?.node && !host.Deno && !host.Bun;
  /** @type {any[]} */
  const workers = [];
  /** @type {((message: any) => void)[]} */
  const waiting = [];
  /** @type {((error: Error) => void) | undefined} */
  let fail;
  const stop = () => {
    for (const worker of workers) worker.terminate();
  };
  /** @param {number} thread */
  const start = (thread) =>
    new Promise((resolve, reject) => {
      const worker = node ? new (host.process.getBuiltinModule("node:worker_threads").Worker)(place.url()) : place.start();
      workers.push(worker);
      waiting[thread] = resolve;
      /** @param {any} error */
      const failed = (error) => {
        const wrong = new Error(`${net}: a worker failed: ${error?.message ?? error}`);
        reject(wrong);
        fail?.(wrong);
      };
      if (node) {
        worker.on("message", (/** @type {any} */ data) => waiting[thread](data));
        worker.on("error", failed);
      } else {
        worker.onmessage = (/** @type {any} */ event) => waiting[thread](event.data);
        worker.onerror = failed;
      }
      worker.postMessage({ ...setup, thread });
    });
  try {
    await Promise.all(Array.from({ length: threads }, (_, thread) => start(thread)));
  } catch (error) {
    stop();
    throw error;
  }
  // idle workers must not keep a program alive
  const hold = (/** @type {boolean} */ on) => {
    if (node) for (const worker of workers) worker[on ? "ref" : "unref"]();
  };
  hold(false);
  return {
    /**
     * One message per thread; the first thread answers when all have met after the last step.
     * @param {{ first: number, last: number, shift: number, timed: boolean }} order
     */
    run: (order) =>
      new Promise((resolve, reject) => {
        hold(true);
        fail = (error) => {
          hold(false);
          reject(error);
        };
        waiting[0] = (answer) => {
          fail = undefined;
          hold(false);
          resolve(answer);
        };
        for (const worker of workers) worker.postMessage(order);
      }),
    stop() {
      fail?.(new Error(`${net}: disposed while running`));
      stop();
    },
  };
}

/**
 * @param {Tables} tables @param {{ inputs: readonly Port[], outputs: readonly Port[] }} signature @param {string} module URL of the module
 * @param {{ weights?: Bytes, threads?: number, wasm?: { plain?: Bytes, relaxed?: Bytes }, worker?: URL | string, onProgress?: (done: number, total: number) => void }} options
 * @param {() => Promise<FoundWeights>} weights @param {WorkerPlace | undefined} place
 */
async function makeWasmNet(tables, signature, module, options, weights, place) {
  const { net } = tables;
  const threads = options.threads ?? 1;
  if (!Number.isInteger(threads) || threads < 1 || threads > MOST_THREADS)
    throw new TypeError(`${net}: threads must be a whole number from 1 to ${MOST_THREADS}, got ${String(threads)}`);
  const host = /** @type {any} */ (globalThis);
  if (typeof WebAssembly !== "object") throw new Error(`${net}: no WebAssembly here; the cpu target works here`);
  if (threads > 1 && !place) throw new Error(`${net}: compiled with wasm.threads=false; compile again without it, or load with threads: 1`);
  if (threads > 1 && (typeof SharedArrayBuffer !== "function" || host.crossOriginIsolated === false)) {
    throw new Error(
      `${net}: threads need shared memory, which a page has only when it is cross-origin isolated: serve it with the headers ` +
        "Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp, or load with threads: 1",
    );
  }
  const given = options.wasm ?? {};
  const relaxed = relaxedPays() && (given.relaxed !== undefined || given.plain === undefined);
  const kind = relaxed ? "relaxed" : "plain";
  options.onProgress?.(0, 2);
  const prepared = binaryBytes(net, given[kind] ?? tables.binaries[kind](), module).then((bytes) => {
    // the imported memory is declared as shared where there are threads
    if (threads > 1) bytes[tables.flags[kind]] = 3;
    return prepare(net, bytes, tables.pages + (threads - 1) * tables.scratchPages, threads > 1);
  });
  const [found, ready] = await Promise.all([weights(), prepared]);
  /** @type {any} */
  let memory = ready.memory;
  options.onProgress?.(1, 2);
  /** @type {ReturnType<typeof weightsOf> | undefined} Until all weights have their places. */
  let unplaced = weightsOf(tables, memory, ready.instance.exports, found.payload);
  found.check(unplaced.start());
  const { late, window } = tables;
  if (late.length === 0) unplaced = undefined;
  const steps = tables.steps[kind];
  let young = 2;
  const scratchBytes = tables.scratchPages * 65536;
  /** @type {any} */
  let pool;
  /** @type {any} */
  let run;
  if (threads > 1) {
    const chosen = options.worker === undefined ? /** @type {WorkerPlace} */ (place) : givenWorker(options.worker, module);
    const setup = {
      compiled: ready.compiled,
      memory,
      threads,
      scratch: tables.scratch,
      scratchBytes,
      parts: threads * PARTS,
    };
    pool = await startPool(net, threads, chosen, setup);
  } else run = ready.instance.exports.run;
  options.onProgress?.(2, 2);

  /** @param {Tensors} inputs */
  const write = (inputs) => {
    tables.inputs.forEach(([offset, elements], i) => {
      new Float32Array(/** @type {any} */ (memory).buffer, offset, elements).set(inputs[signature.inputs[i].name]);
    });
  };
  const read = () =>
    Object.fromEntries(
      tables.outputs.map(([offset, elements], i) => [
        signature.outputs[i].name,
        new Float32Array(/** @type {any} */ (memory).buffer, offset, elements).slice(),
      ]),
    );
  /** @param {number} first @param {number} last @param {number} shift @returns {void | Promise<unknown>} */
  const execute = (first, last, shift) => {
    if (disposed) throw new Error(`${net}: disposed while running`);
    if (pool) return pool.run({ first, last, shift, timed: false });
    // kernels that the engine has not yet translated well are swapped between parts
    run(first, last, 0, 1, tables.scratch, young > 0 ? PARTS : 1, shift);
  };
  const settle = () => {
    for (const [i, [place]] of late.entries()) unplaced?.bring(i, place);
    unplaced = undefined;
  };
  let ran = false;
  const firstRun = async () => {
    const [there] = late[window];
    let next = 0;
    for (const [i, reads] of tables.reads[kind].entries()) {
      if (reads < 0) continue;
      unplaced?.bring(reads, there);
      const done = execute(next, i + 1, there - late[reads][0]);
      // a single thread computes without a pause
      if (done) await done;
      next = i + 1;
    }
    await execute(next, steps.length, 0);
    ran = true;
  };
  /** @param {Tensors} inputs @returns {Promise<Tensors>} */
  const compute = async (inputs) => {
    write(inputs);
    if (unplaced && ran) settle();
    await (unplaced ? firstRun() : execute(0, steps.length, 0));
    if (young > 0) young--;
    return read();
  };
  /** Milliseconds of each layer. @param {Tensors} inputs @returns {Promise<{ layer: string, ms: number }[]>} */
  const measure = async (inputs) => {
    write(inputs);
    settle();
    /** @type {number[]} */
    let times = [];
    if (pool) times = (await pool.run({ first: 0, last: steps.length, shift: 0, timed: true })).times;
    else {
      for (let i = 0; i < steps.length; i++) {
        const start = performance.now();
        run(i, i + 1, 0, 1, tables.scratch, 1, 0);
        times.push(performance.now() - start);
      }
    }
    /** @type {Map<number, number>} */
    const layers = new Map();
    times.forEach((ms, i) => {
      layers.set(steps[i], (layers.get(steps[i]) ?? 0) + ms);
    });
    return [...layers].map(([layer, ms]) => ({ layer: tables.layers[layer], ms }));
  };

  let disposed = false;
  // run and profile share the memory: one at a time
  /** @type {Promise<unknown>} */
  let last = Promise.resolve();
  /** @template T @param {() => T | Promise<T>} job @returns {Promise<T>} */
  const exclusive = (job) => {
    const result = last.then(job);
    last = result.catch(() => undefined);
    return result;
  };
  const free = () => {
    disposed = true;
    pool?.stop();
    pool = undefined;
    memory = run = unplaced = undefined;
  };
  const made = makeNet(net, signature.inputs, (inputs) => exclusive(() => compute(inputs)), free);
  return {
    ...made,
    /** @param {unknown} inputs */
    async profile(inputs) {
      if (disposed) throw new Error(`${net}: profile after dispose`);
      const taken = takeInputs(net, signature.inputs, inputs);
      return exclusive(() => {
        if (disposed) throw new Error(`${net}: profile after dispose`);
        return measure(taken);
      });
    },
    relaxed,
    threads,
  };
}

/** @param {URL | string} where @param {string} module @returns {WorkerPlace} */
function givenWorker(where, module) {
  const url = () => new URL(where, /** @type {any} */ (globalThis).document?.baseURI ?? module);
  return { url, start: () => new /** @type {any} */ (globalThis).Worker(url(), { type: "module" }) };
}

export { makeWasmNet };
