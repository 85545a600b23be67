// Written by sec. Do not edit.
export interface LoadOptions {
  /** Default: the file beside this module; fetched in browsers, read in Node, Deno and Bun. Bytes are not copied: leave them as they are. */
  weights?: ArrayBuffer | Uint8Array | URL | string;
}

export interface Net {
  /** Arrays are row-major in the shapes of `signature`. Inputs are copied; the returned arrays are the caller's. Calls are served in order. */
  run(inputs: { image: Float32Array }): Promise<{ logits: Float32Array }>;
  /** Frees everything; twice is harmless; `run` rejects afterwards. */
  dispose(): void;
}

export declare const signature: {
  readonly name: "se_mobile";
  readonly inputs: readonly [
    { readonly name: "image"; readonly dtype: "f32"; readonly shape: readonly [3, 6, 8, 10] },
  ];
  readonly outputs: readonly [
    { readonly name: "logits"; readonly dtype: "f32"; readonly shape: readonly [3, 3] },
  ];
};

export declare function load(options?: LoadOptions): Promise<Net>;
