/** Runs emitted WebAssembly modules in this process, and asks two judges about them: the engine, and wabt where it is installed. */
import type { Artifact, Runner, Unavailable } from "../backend.ts";
import { importModule, type LoadedNet } from "../module/import-module.ts";
import { fileName } from "../module/text.ts";

/** Node's types leave WebAssembly out where the DOM library is not there. */
interface Engine {
  validate(bytes: Uint8Array): boolean;
  compile(bytes: Uint8Array): Promise<unknown>;
}
const engine = (globalThis as unknown as { readonly WebAssembly: Engine }).WebAssembly;

interface WasmNet extends LoadedNet {
  readonly relaxed: boolean;
  readonly threads: number;
  profile(inputs: Parameters<LoadedNet["run"]>[0]): Promise<{ readonly layer: string; readonly ms: number }[]>;
}

export interface WasmRunOptions {
  readonly threads?: number;
  /** Takes this binary, whatever the engine is good at. */
  readonly binary?: "plain" | "relaxed";
}

export interface WasmRunner extends Runner {
  profile(inputs: Parameters<LoadedNet["run"]>[0]): Promise<{ readonly layer: string; readonly ms: number }[]>;
}

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
    run: (inputs) => loaded.run(inputs),
    profile: (inputs) => loaded.profile(inputs),
    close: async () => loaded.dispose(),
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
