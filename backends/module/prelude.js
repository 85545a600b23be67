// What every compiled net does around its arithmetic: checking inputs, finding and checking its weights, serving calls in order.
// The text below this comment is the same in all modules that sec writes; only the tables and kernels differ.

/**
 * @typedef {{ readonly name: string, readonly dtype: "f32", readonly shape: readonly number[] }} Port
 * @typedef {Record<string, Float32Array>} Tensors
 * @typedef {{ payload: Uint8Array, check: (hash: string) => void }} FoundWeights
 */

/** @param {Port} port */
function portSize(port) {
  return port.shape.reduce((product, size) => product * size, 1);
}

/** "Float32Array", "null", "number": what a wrong value is, for messages. @param {unknown} value */
function kindOf(value) {
  if (value === null || typeof value !== "object") return value === null ? "null" : typeof value;
  return Object.prototype.toString.call(value).slice(8, -1);
}

/**
 * Copies the inputs of one call, so that a caller may reuse its arrays at once. Throws a TypeError that names net, input, expected and given.
 * @param {string} net @param {readonly Port[]} ports @param {unknown} inputs @returns {Tensors}
 */
function takeInputs(net, ports, inputs) {
  const names = ports.map((port) => port.name).join(", ");
  if (inputs === null || typeof inputs !== "object")
    throw new TypeError(`${net}: run needs an object with the inputs: ${names}; got ${kindOf(inputs)}`);
  for (const name of Object.keys(inputs)) {
    if (!ports.some((port) => port.name === name)) throw new TypeError(`${net}: no input called "${name}"; the inputs are: ${names}`);
  }
  return Object.fromEntries(
    ports.map((port) => {
      const value = Object.hasOwn(inputs, port.name) ? /** @type {Record<string, unknown>} */ (inputs)[port.name] : undefined;
      const size = portSize(port);
      const shape = port.shape.join("×");
      // by tag, not instanceof: arrays of another frame are welcome
      if (kindOf(value) !== "Float32Array") {
        throw new TypeError(`${net}: input "${port.name}" must be a Float32Array of ${size} values (${shape}), got ${kindOf(value)}`);
      }
      const array = /** @type {Float32Array} */ (value);
      if (array.length !== size) throw new TypeError(`${net}: input "${port.name}" needs ${size} values (${shape}), got ${array.length}`);
      return [port.name, new Float32Array(array)];
    }),
  );
}

/**
 * The net that `load` returns: checks inputs when `run` is called, serves calls one after another, refuses them after `dispose`.
 * @param {string} net @param {readonly Port[]} ports
 * @param {(inputs: Tensors) => Tensors | Promise<Tensors>} compute gets arrays of its own; returns fresh arrays
 * @param {() => void} [free] called once; memory that only `compute` holds is let go in any case
 */
function makeNet(net, ports, compute, free) {
  let disposed = false;
  /** @type {Promise<unknown>} */
  let last = Promise.resolve();
  const refuse = () => {
    throw new Error(`${net}: run after dispose`);
  };
  return {
    /** @param {unknown} inputs @returns {Promise<Tensors>} */
    async run(inputs) {
      if (disposed) refuse();
      const own = takeInputs(net, ports, inputs);
      const result = last.then(() => (disposed ? refuse() : compute(own)));
      // one failing run must not fail those behind it
      last = result.catch(() => undefined);
      return result;
    },
    dispose() {
      if (disposed) return;
      disposed = true;
      free?.();
      compute = refuse;
      free = undefined;
    },
  };
}

/** What the lanes of the hash start with. */
const SEEDS = [1, 2, 3, 4];

/** @param {number[]} lanes */
function hashText(lanes) {
  return lanes.map((x) => (x >>> 0).toString(16).padStart(8, "0")).join("");
}

/**
 * 128-bit content hash of the weights: four 32-bit lanes over little-endian words.
 * It finds damage and mix-ups; it is no protection against forgery.
 * @param {Uint8Array} bytes starts at a multiple of 4
 */
function digest(bytes) {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >>> 2);
  const whole = words.length & ~3;
  let [a, b, c, d] = SEEDS;
  for (let i = 0; i < whole; i += 4) {
    a = Math.imul(a + Math.imul(words[i], 0x85ebca77), 0x9e3779b1);
    b = Math.imul(b + Math.imul(words[i + 1], 0x85ebca77), 0x9e3779b1);
    c = Math.imul(c + Math.imul(words[i + 2], 0x85ebca77), 0x9e3779b1);
    d = Math.imul(d + Math.imul(words[i + 3], 0x85ebca77), 0x9e3779b1);
    a = (a << 13) | (a >>> 19);
    b = (b << 13) | (b >>> 19);
    c = (c << 13) | (c >>> 19);
    d = (d << 13) | (d >>> 19);
  }
  const lanes = [a, b, c, d];
  for (let i = whole; i < words.length; i++) {
    const mixed = Math.imul(lanes[i & 3] + Math.imul(words[i], 0x85ebca77), 0x9e3779b1);
    lanes[i & 3] = (mixed << 13) | (mixed >>> 19);
  }
  return hashText(lanes);
}

/**
 * The bytes of a place: read from disk for file: URLs where the host can, fetched otherwise.
 * @param {string} net @param {string} what for messages: "the weights" @param {URL} url @returns {Promise<Uint8Array>}
 */
async function readBytes(net, what, url) {
  // asked of the host, so that bundlers and pages never see node:fs
  const host = /** @type {any} */ (globalThis).process;
  if (url.protocol === "file:" && typeof host?.getBuiltinModule === "function") {
    const fs = host.getBuiltinModule("node:fs");
    try {
      return await fs.promises.readFile(url);
    } catch (cause) {
      throw new Error(`${net}: cannot read ${what} ${url.href}`, { cause });
    }
  }
  /** @type {(reason: string, cause?: unknown) => never} */
  const refuse = (reason, cause) => {
    throw new Error(`${net}: cannot fetch ${what} ${url.href}: ${reason}`, { cause });
  };
  const response = await fetch(url).catch((cause) => refuse(cause.message, cause));
  if (!response.ok) refuse(`${response.status} ${response.statusText}`);
  return new Uint8Array(await response.arrayBuffer());
}

/**
 * Finds the weights: their payload (4-byte aligned, of the size of this build), and what refuses them when the payload's hash is not that
 * of this build. Bytes that the caller gives are not copied if they are aligned.
 * @param {string} net
 * @param {ArrayBuffer | Uint8Array | URL | string | undefined} given a string resolves against the page, or the module outside of pages
 * @param {{ url: () => URL, bytes: number, hash: string }} own where the file beside the module is, payload
 * @returns {Promise<FoundWeights>}
 */
async function findWeights(net, given, own) {
  const page = /** @type {any} */ (globalThis).document?.baseURI;
  const kind = kindOf(given);
  let bytes;
  if (given === undefined || typeof given === "string" || kind === "URL") {
    const url = given === undefined ? own.url() : new URL(/** @type {URL | string} */ (given), page ?? own.url());
    bytes = await readBytes(net, "the weights", url);
  } else if (kind === "ArrayBuffer" || kind === "Uint8Array") {
    bytes = kind === "ArrayBuffer" ? new Uint8Array(/** @type {ArrayBuffer} */ (given)) : /** @type {Uint8Array} */ (given);
  } else {
    throw new TypeError(`${net}: weights must be an ArrayBuffer, a Uint8Array, a URL or a string, got ${kind}`);
  }
  if (bytes.byteOffset % 4 !== 0) bytes = new Uint8Array(bytes);
  const payload = bytes.length < 64 ? new Uint8Array(0) : bytes.subarray(64);
  /** @param {string} hash */
  const check = (hash) => {
    /** @param {string} what */
    const refuse = (what) => {
      throw new Error(`${net}: ${what}: expected hash ${own.hash}, got ${hash}`);
    };
    if (bytes.length < 64 || String.fromCharCode(...bytes.subarray(0, 4)) !== "SECW") refuse("these are not weights written by sec");
    const header = new DataView(bytes.buffer, bytes.byteOffset, 64);
    if (header.getUint32(4, true) !== 1) refuse(`the weights have version ${header.getUint32(4, true)}, this module reads version 1`);
    if (header.getBigUint64(24, true) !== BigInt(payload.length)) {
      refuse(`the weights are cut short or too long (${payload.length} bytes, the header says ${header.getBigUint64(24, true)})`);
    }
    const said = [8, 12, 16, 20].map((at) => header.getUint32(at, true).toString(16).padStart(8, "0")).join("");
    if (said !== hash) refuse("the weights are damaged");
    if (hash !== own.hash || payload.length !== own.bytes) refuse("the weights are of another build");
  };
  // of another size: refused, with the hash said
  if (payload.length !== own.bytes) check(digest(payload));
  return { payload, check };
}

/** As `findWeights`, checked. @param {string} net @param {ArrayBuffer | Uint8Array | URL | string | undefined} given
 * @param {{ url: () => URL, bytes: number, hash: string }} own @returns {Promise<Uint8Array>} */
async function loadWeights(net, given, own) {
  const { payload, check } = await findWeights(net, given, own);
  check(digest(payload));
  return payload;
}

export { digest, findWeights, hashText, kindOf, loadWeights, makeNet, SEEDS, takeInputs };
