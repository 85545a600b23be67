/** Runs emitted WebAssembly modules in this process, and asks two judges about them: the engine, and wabt where it is installed. */
import { Worker } from "node:worker_threads";
import type { Artifact, LayerTime, Runner, RunnerOptions, Unavailable } from "../backend.ts";
import { importModule, type LoadedNet } from "../module/import-module.ts";
import { fileName } from "../module/text.ts";
import { FLOPS_A_ROUND, peakModule } from "./peak.ts";

/** Node's types leave WebAssembly out where the DOM library is not there. */
interface Engine {
  validate(bytes: Uint8Array): boolean;
  compile(bytes: Uint8Array): Promise<unknown>;
}
const engine = (globalThis as unknown as { readonly WebAssembly: Engine }).WebAssembly;

interface WasmNet extends LoadedNet {
  readonly relaxed: boolean;
  readonly threads: number;
  profile(inputs: Parameters<LoadedNet["run"]>[0]): Promise<readonly LayerTime[]>;
}

export interface WasmRunOptions extends RunnerOptions {
  /** Takes this binary, whatever the engine is good at. */
  readonly binary?: "plain" | "relaxed";
}

export type WasmRunner = Runner & Required<Pick<Runner, "profile" | "threads">>;

const contentsOf = (files: readonly Artifact[], path: string): string | Uint8Array => {
  const file = files.find((f) => f.path === path);
  if (!file) throw new Error(`no ${path} among the emitted files`);
  return file.contents;
};

export async function runModule(
  files: readonly Artifact[],
  net: string,
  { threads = 1, binary }: WasmRunOptions = {},
): Promise<WasmRunner> {
  const { load, weights } = await importModule(files, net);
  const name = fileName(net);
  const [plain, relaxed] = [contentsOf(files, `${name}.wasm`), contentsOf(files, `${name}.relaxed.wasm`)];
  // given as the plain binary, either is taken without asking the engine
  const wasm = binary === undefined ? { plain, relaxed } : { plain: binary === "plain" ? plain : relaxed };
  const code = threads > 1 ? Buffer.from(contentsOf(files, `${name}.worker.js`) as string).toString("base64") : "";
  const worker = threads > 1 ? { threads, worker: new URL(`data:text/javascript;base64,${code}`) } : {};
  const loaded = (await load({ weights, wasm, ...worker })) as WasmNet;
  const simd = loaded.relaxed || binary === "relaxed" ? "relaxed simd" : "simd";
  return {
    runtime: `${simd}, ${threads} ${threads === 1 ? "thread" : "threads"}`,
    threads,
    run: (inputs) => loaded.run(inputs),
    profile: (inputs) => loaded.profile(inputs),
    close: async () => loaded.dispose(),
  };
}

/** As `runModule`; says when the module was written without the file that threads need. */
export async function wasmRunner(files: readonly Artifact[], net: string, options: RunnerOptions = {}): Promise<Runner | Unavailable> {
  const { threads = 1 } = options;
  if (threads > 1 && !files.some((f) => f.path === `${fileName(net)}.worker.js`))
    return { unavailable: `it is compiled with wasm.threads=false, so it cannot have ${threads} threads` };
  return runModule(files, net, options);
}

/** One measurement: all threads do the same work at the same time. `control[0]` counts those that are ready. */
const PEAK_WORKER = `
const { parentPort, workerData } = require("node:worker_threads");
const { peak } = new WebAssembly.Instance(new WebAssembly.Module(workerData.bytes)).exports;
const control = new Int32Array(workerData.control);
parentPort.on("message", (rounds) => {
  Atomics.add(control, 0, 1);
  while (Atomics.load(control, 0) % workerData.threads !== 0);
  const start = performance.now();
  peak(rounds);
  parentPort.postMessage(performance.now() - start);
});
`;

export interface Peak {
  /** Whether products and sums are fused (relaxed SIMD). */
  readonly fused: boolean;
  /** GFLOP/s of all threads together, now. */
  measure(): Promise<number>;
  close(): Promise<void>;
}

/** The multiply-add peak of this engine (peak.ts) on so many threads. */
export async function openPeak(threads: number): Promise<Peak> {
  const relaxed = peakModule(true);
  const fused = engine.validate(relaxed);
  const workerData = { bytes: fused ? relaxed : peakModule(false), threads, control: new SharedArrayBuffer(4) };
  const workers = Array.from({ length: threads }, () => new Worker(PEAK_WORKER, { eval: true, workerData }));
  const once = async (rounds: number): Promise<number> => {
    const times = workers.map((w) => new Promise<number>((resolve) => w.once("message", resolve)));
    for (const w of workers) w.postMessage(rounds);
    return Math.max(...(await Promise.all(times)));
  };
  // the optimising compiler takes over after some calls; then a call takes about two milliseconds
  let rounds = 10_000;
  for (let i = 0; i < 20; i++) {
    const ms = await once(rounds);
    if (ms < 2) rounds = Math.ceil(rounds * 1.5);
  }
  return {
    fused,
    async measure() {
      const CALLS = 5;
      let best = Number.POSITIVE_INFINITY;
      for (let i = 0; i < CALLS; i++) best = Math.min(best, await once(rounds));
      return (threads * rounds * FLOPS_A_ROUND) / best / 1e6;
    },
    close: async () => {
      await Promise.all(workers.map((w) => w.terminate()));
    },
  };
}

/** What the engine refuses of the binaries. The relaxed one is asked about where the engine knows relaxed SIMD. */
export async function judgeBinaries(files: readonly Artifact[]): Promise<readonly string[] | Unavailable> {
  const wrong: string[] = [];
  for (const file of files.filter((f) => f.path.endsWith(".wasm"))) {
    const bytes = file.contents as Uint8Array;
    if (engine.validate(bytes)) continue;
    const reason = await engine.compile(bytes).then(
      () => "",
      (error: unknown) => (error as Error).message,
    );
    if (/relaxed|fd8[0-9a-f]|invalid numeric opcode|simd index/i.test(reason) && file.path.endsWith(".relaxed.wasm")) continue;
    wrong.push(`${file.path}: ${reason}`);
  }
  return wrong;
}
