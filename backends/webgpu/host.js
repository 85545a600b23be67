// Runs the tables of one net on WebGPU: SHADERS (texts), STEPS (one dispatch each), SLICES of weights, arenas, ports.
// The text below this comment is the same in all WebGPU modules that sec writes.

/**
 * @typedef {[arena: number, offset: number, bytes: number]} ArenaRange
 * @typedef {[name: string, dispatch: [shader: number, x: number, y: number, z: number][], bindings: (number | ArenaRange)[]]} Step
 * @typedef {{ arena: number, offset: number, lanes: number, halo: number }} Place lanes 0: as the caller's array lies
 * @typedef {{ net: string, modes: [variant: string, f16: boolean][], shaders: [access: string, code: string][], steps: Step[],
 *   slices: [offset: number, count: number, half: boolean][], arenas: number[], inputs: Place[], outputs: Place[] }} Tables
 */

// values of GPUBufferUsage and GPUMapMode, which a host other than a page may not define as globals
const MAP_READ = 1;
const COPY_SRC = 4;
const COPY_DST = 8;
const STORAGE = 128;
const QUERY_RESOLVE = 512;
const COMPUTE_STAGE = 4;
/** Of a query set, by the specification. */
const MOST_QUERIES = 4096;
/** What every device grants without being asked. */
const GRANTED = { maxStorageBufferBindingSize: 134217728, maxBufferSize: 268435456 };

/** @param {number} n @param {number} step */
function roundUp(n, step) {
  return Math.ceil(n / step) * step;
}

/**
 * The caller's device, or one of our own with what this net needs.
 * @param {Tables} tables @param {any} given @param {Record<string, number>} needs
 */
async function openDevice({ net, modes }, given, needs) {
  /** @param {any} limits @param {string} whose */
  const check = (limits, whose) => {
    for (const [limit, value] of Object.entries(needs)) {
      if (limits[limit] < value)
        throw new Error(`${net}: this net needs ${limit} ${value}, ${whose} has ${limits[limit]}; the cpu target works here`);
    }
  };
  if (given) {
    if (typeof given.createBuffer !== "function") throw new TypeError(`${net}: device must be a GPUDevice`);
    check(given.limits, "the given device");
    const info = given.adapterInfo ?? {};
    return { device: given, own: false, info, fallback: info.isFallbackAdapter === true };
  }
  const gpu = /** @type {any} */ (globalThis).navigator?.gpu;
  if (!gpu) throw new Error(`${net}: no WebGPU here (navigator.gpu is missing; pages need https or localhost); the cpu target works here`);
  const adapter = await gpu.requestAdapter();
  if (!adapter) throw new Error(`${net}: WebGPU has no adapter on this machine; the cpu target works here`);
  check(adapter.limits, "the adapter");
  const wanted = ["timestamp-query", "subgroups", ...(modes.some(([, f16]) => f16) ? ["shader-f16"] : [])];
  const device = await adapter.requestDevice({
    requiredFeatures: wanted.filter((feature) => adapter.features.has(feature)),
    requiredLimits: Object.fromEntries(Object.entries(needs).filter(([limit, value]) => value > /** @type {any} */ (GRANTED)[limit])),
  });
  const info = adapter.info ?? {};
  return { device, own: true, info, fallback: (info.isFallbackAdapter ?? adapter.isFallbackAdapter) === true };
}

/** A text that shares values inside of quads, for devices without subgroups: slower, through workgroup memory. @param {string} code */
function withoutSubgroups(code) {
  if (!code.includes("enable subgroups;")) return code;
  const share = `var<workgroup> four: array<vec4f, 4>;
fn share(v: vec4f, lane: u32) -> mat4x4f {
  workgroupBarrier();
  four[lane] = v;
  workgroupBarrier();
  return mat4x4f(four[0], four[1], four[2], four[3]);
}`;
  return code
    .replace("enable subgroups;\n", "")
    .replace("subgroup_invocation_id", "local_invocation_index")
    .replace(/^fn share.*$/m, share);
}

/** f16 weights as f32, for devices without shader-f16. @param {Uint16Array} from @param {Float32Array} to */
function widen(from, to) {
  for (let i = 0; i < from.length; i++) {
    const sign = from[i] & 0x8000 ? -1 : 1;
    const exponent = (from[i] >> 10) & 31;
    const fraction = from[i] & 1023;
    to[i] =
      sign *
      (exponent === 0 ? fraction * 2 ** -24 : exponent === 31 ? (fraction ? NaN : Infinity) : (1 + fraction / 1024) * 2 ** (exponent - 15));
  }
}

/**
 * All slices in as few buffers as the device allows; each slice starts at a multiple of 256 and stays inside of one buffer.
 * @param {any} device @param {Tables["slices"]} slices @param {Uint8Array} payload @param {boolean} f16 whether kernels read f16
 */
function uploadWeights(device, slices, payload, f16) {
  /** @type {{ size: number, buffer?: any }[]} */
  const buffers = [];
  const places = slices.map(([, count, half]) => {
    const size = roundUp(count * (half && f16 ? 2 : 4), 256);
    let last = buffers[buffers.length - 1];
    if (!last || last.size + size > device.limits.maxBufferSize) {
      last = { size: 0 };
      buffers.push(last);
    }
    const place = { at: buffers.length - 1, offset: last.size, size };
    last.size += size;
    return place;
  });
  for (const one of buffers) one.buffer = device.createBuffer({ label: "weights", size: one.size, usage: STORAGE, mappedAtCreation: true });
  const mapped = buffers.map(({ buffer }) => buffer.getMappedRange());
  slices.forEach(([offset, count, half], i) => {
    const { at, offset: to } = places[i];
    const from = payload.byteOffset + offset;
    if (half && !f16) widen(new Uint16Array(payload.buffer, from, count), new Float32Array(mapped[at], to, count));
    else new Uint8Array(mapped[at], to).set(payload.subarray(offset, offset + count * (half ? 2 : 4)));
  });
  for (const { buffer } of buffers) buffer.unmap();
  return {
    buffers: buffers.map(({ buffer }) => buffer),
    resource: places.map(({ at, offset, size }) => ({ buffer: buffers[at].buffer, offset, size })),
  };
}

/**
 * Builds everything that runs need; afterwards a run creates no GPU object but its command encoder.
 * @param {Tables} tables @param {{ inputs: readonly Port[], outputs: readonly Port[] }} signature
 * @param {{ device?: any, onProgress?: (done: number, total: number) => void }} options
 * @param {() => Promise<Uint8Array>} weights checked payload
 */
async function makeGpuNet(tables, signature, options, weights) {
  const { net, modes, shaders, steps, slices, arenas } = tables;
  // before any device is asked for: damaged weights must not cost one
  const payload = await weights();
  const ranges = steps.flatMap(([, , bindings]) => bindings.map((b) => (typeof b === "number" ? roundUp(slices[b][1] * 4, 256) : b[2])));
  const needs = { maxStorageBufferBindingSize: Math.max(...ranges, 0), maxBufferSize: Math.max(...arenas, ...ranges, 0) };
  const { device, own, info, fallback } = await openDevice(tables, options.device, needs);
  const software = fallback || info.architecture === "swiftshader";
  const f16 = device.features.has("shader-f16") && modes.some(([, half]) => half);
  const fitting = modes.filter(([, half]) => half === f16);
  const mode = modes.indexOf(fitting.find(([variant]) => (variant === "register") === software) ?? fitting[0]);

  /** @type {string | undefined} */
  let lost;
  let disposed = false;
  const loss = device.lost.then((/** @type {any} */ { reason, message }) => {
    lost = `${net}: the GPU device was lost (${[reason, message].filter(Boolean).join(": ")}); load the net again`;
    throw new Error(lost);
  });
  loss.catch(() => undefined);

  /** Errors of GPU objects, which the API reports elsewhere, as exceptions with a name. @param {string} what @param {() => any} make */
  const scoped = async (what, make) => {
    device.pushErrorScope("out-of-memory");
    device.pushErrorScope("validation");
    const made = make();
    const errors = await Promise.all([device.popErrorScope(), device.popErrorScope()]);
    const error = errors.find((e) => e);
    if (error) throw new Error(`${net}: ${what}: ${error.message}`);
    return made;
  };

  /** @type {any[]} */
  const owned = [];
  const free = () => {
    disposed = true;
    for (const buffer of owned) buffer.destroy();
    if (own) device.destroy();
  };
  try {
    const stored = await scoped("weights", () => uploadWeights(device, slices, payload, f16));
    owned.push(...stored.buffers);
    const arenaBuffers = await scoped("arenas", () =>
      arenas.map((size, i) =>
        device.createBuffer({ label: `arena ${i}`, size: roundUp(Math.max(size, 4), 4), usage: STORAGE | COPY_SRC | COPY_DST }),
      ),
    );
    owned.push(...arenaBuffers);
    const bytes = tables.outputs.map((place, i) => storedBytes(place, signature.outputs[i]));
    const starts = bytes.map((_, i) => bytes.slice(0, i).reduce((sum, b) => sum + roundUp(b, 8), 0));
    const stagingSize = bytes.reduce((sum, b) => sum + roundUp(b, 8), 0);
    const staging = await scoped("staging buffer", () =>
      device.createBuffer({ label: "outputs", size: Math.max(stagingSize, 4), usage: MAP_READ | COPY_DST }),
    );
    owned.push(staging);

    // pipelines: all at once, the longest texts first
    /** @type {Map<string, any>} */
    const layouts = new Map();
    /** @param {string} access */
    const layoutOf = (access) => {
      const known = layouts.get(access);
      if (known) return known;
      const entries = [...access].map((a, binding) => ({
        binding,
        visibility: COMPUTE_STAGE,
        buffer: { type: a === "r" ? "read-only-storage" : "storage" },
      }));
      const made = device.createBindGroupLayout({ label: access, entries });
      layouts.set(access, made);
      return made;
    };
    const used = [...new Set(steps.map(([, dispatch]) => dispatch[mode][0]))].sort((a, b) => shaders[b][1].length - shaders[a][1].length);
    let done = 0;
    options.onProgress?.(0, used.length);
    /** @type {Map<number, any>} */
    const pipelines = new Map();
    await Promise.all(
      used.map(async (index) => {
        const [access, text] = shaders[index];
        const code = device.features.has("subgroups") ? text : withoutSubgroups(text);
        const label = steps.find(([, dispatch]) => dispatch[mode][0] === index)?.[0] ?? "";
        try {
          pipelines.set(
            index,
            await device.createComputePipelineAsync({
              label,
              layout: device.createPipelineLayout({ bindGroupLayouts: [layoutOf(access)] }),
              compute: { module: device.createShaderModule({ label, code }), entryPoint: "main" },
            }),
          );
        } catch (cause) {
          throw new Error(lost ?? `${net}: ${label}: ${/** @type {any} */ (cause).message}`, { cause });
        }
        options.onProgress?.(++done, used.length);
      }),
    );
    const plan = await Promise.all(
      steps.map(async ([name, dispatch, bindings]) => {
        const [index, ...groups] = dispatch[mode];
        const entries = bindings.map((b, binding) => ({
          binding,
          resource: typeof b === "number" ? stored.resource[b] : { buffer: arenaBuffers[b[0]], offset: b[1], size: b[2] },
        }));
        const group = await scoped(name, () => device.createBindGroup({ label: name, layout: layoutOf(shaders[index][0]), entries }));
        return { name, pipeline: pipelines.get(index), group, groups };
      }),
    );

    /** @param {any} pass @param {typeof plan[number]} step */
    const dispatch = (pass, step) => {
      pass.setPipeline(step.pipeline);
      pass.setBindGroup(0, step.group);
      pass.dispatchWorkgroups(...step.groups);
    };
    /** @param {Tensors} inputs */
    const write = (inputs) => {
      tables.inputs.forEach((place, i) => {
        const port = signature.inputs[i];
        const data = place.lanes === 0 ? inputs[port.name] : toChannelsLast(inputs[port.name], shape4(port), place.lanes, place.halo);
        device.queue.writeBuffer(arenaBuffers[place.arena], place.offset, data);
      });
    };
    /** @param {any} encoder */
    const copyOutputs = (encoder) => {
      tables.outputs.forEach((place, i) => {
        encoder.copyBufferToBuffer(arenaBuffers[place.arena], place.offset, staging, starts[i], bytes[i]);
      });
    };
    /** @param {any} buffer @param {Promise<never>} [gone] */
    const mapped = async (buffer) => {
      try {
        await Promise.race([buffer.mapAsync(MAP_READ), loss]);
      } catch (cause) {
        throw new Error(disposed ? `${net}: disposed while running` : (lost ?? `${net}: ${/** @type {any} */ (cause).message}`), { cause });
      }
      const copy = buffer.getMappedRange().slice(0);
      buffer.unmap();
      return copy;
    };
    /** @param {Tensors} inputs @returns {Promise<Tensors>} */
    const compute = async (inputs) => {
      if (lost) throw new Error(lost);
      write(inputs);
      const encoder = device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      for (const step of plan) dispatch(pass, step);
      pass.end();
      copyOutputs(encoder);
      device.queue.submit([encoder.finish()]);
      const all = await mapped(staging);
      return Object.fromEntries(
        signature.outputs.map((port, i) => {
          const { lanes, halo } = tables.outputs[i];
          const data = new Float32Array(all, starts[i], bytes[i] / 4);
          return [port.name, lanes === 0 ? data.slice() : fromChannelsLast(data, shape4(port), lanes, halo)];
        }),
      );
    };
    /**
     * Milliseconds of each dispatch: by the device's clock where it has one, else each submitted and awaited on its own.
     * @param {Tensors} inputs @returns {Promise<{ layer: string, ms: number }[]>}
     */
    const measure = async (inputs) => {
      if (lost) throw new Error(lost);
      write(inputs);
      if (!device.features.has("timestamp-query") || plan.length > MOST_QUERIES / 2) {
        const times = [];
        // the first layer must not pay for the upload
        await Promise.race([device.queue.onSubmittedWorkDone(), loss]);
        for (const step of plan) {
          const start = performance.now();
          const encoder = device.createCommandEncoder();
          const pass = encoder.beginComputePass();
          dispatch(pass, step);
          pass.end();
          device.queue.submit([encoder.finish()]);
          await Promise.race([device.queue.onSubmittedWorkDone(), loss]);
          times.push({ layer: step.name, ms: performance.now() - start });
        }
        return times;
      }
      const count = 2 * plan.length;
      const querySet = device.createQuerySet({ type: "timestamp", count });
      const resolved = device.createBuffer({ size: count * 8, usage: QUERY_RESOLVE | COPY_SRC });
      const read = device.createBuffer({ size: count * 8, usage: MAP_READ | COPY_DST });
      try {
        const encoder = device.createCommandEncoder();
        plan.forEach((step, i) => {
          const timestampWrites = { querySet, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 };
          const pass = encoder.beginComputePass({ timestampWrites });
          dispatch(pass, step);
          pass.end();
        });
        encoder.resolveQuerySet(querySet, 0, count, resolved, 0);
        encoder.copyBufferToBuffer(resolved, 0, read, 0, count * 8);
        device.queue.submit([encoder.finish()]);
        const ticks = new BigUint64Array(await mapped(read));
        return plan.map((step, i) => ({ layer: step.name, ms: Number(ticks[2 * i + 1] - ticks[2 * i]) / 1e6 }));
      } finally {
        querySet.destroy();
        resolved.destroy();
        read.destroy();
      }
    };

    // run and profile share the arenas: one at a time
    /** @type {Promise<unknown>} */
    let last = Promise.resolve();
    /** @template T @param {() => Promise<T>} job @returns {Promise<T>} */
    const exclusive = (job) => {
      const result = last.then(job);
      last = result.catch(() => undefined);
      return result;
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
      adapter: {
        vendor: info.vendor ?? "",
        architecture: info.architecture ?? "",
        isFallbackAdapter: software,
        variant: modes[mode][0],
        f16,
      },
    };
  } catch (error) {
    free();
    throw error;
  }
}

/** @param {Port} port @returns {[number, number, number, number]} */
function shape4({ shape: [n = 1, c = 1, h = 1, w = 1] }) {
  return [n, c, h, w];
}

/** @param {Place} place @param {Port} port */
function storedBytes({ lanes, halo }, port) {
  if (lanes === 0) return portSize(port) * 4;
  const [n, , h, w] = shape4(port);
  return n * (h + 2 * halo) * (w + 2 * halo) * lanes * 4;
}

export { makeGpuNet, widen, withoutSubgroups };
