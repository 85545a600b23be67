/** WebAssembly with relaxed SIMD, which Node 20 has behind a flag that must be set before the first module is looked at. */
import v8 from "node:v8";

if (Number.parseInt(process.versions.v8, 10) < 12) v8.setFlagsFromString("--experimental-wasm-relaxed-simd");

interface Engine {
  readonly validate: (bytes: Uint8Array) => boolean;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports?: object) => { readonly exports: object };
  readonly Memory: new (size: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer };
}
/** The types of Node leave WebAssembly out when the DOM library is not there. */
export const engine = (globalThis as unknown as { readonly WebAssembly: Engine }).WebAssembly;
