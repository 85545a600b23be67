/**
 * What the core asks of its caller. The command line answers from the file system, the playground from memory, tests from a Map.
 * `compiler/` itself touches no file and no console.
 */
/** Paths of what ships with `sec` begin with it. */
export const SHIPPED = "sec/";

export type ReadResult = { readonly ok: true; readonly text: string } | { readonly ok: false; readonly reason: string };

export type ReadBytesResult = { readonly ok: true; readonly bytes: Uint8Array } | { readonly ok: false; readonly reason: string };

export interface Host {
  /**
   * The text of a spec file for `use`. `path` has `/` separators and is already resolved against the using file.
   * `sec/NAME.se` names a net that ships with `sec`. `reason` completes "cannot read `path`: ...".
   */
  readText(path: string): ReadResult;
  /** What `keepFile` made of a file when `sec` was built, if it did: the file need not be parsed then. `path` as for `readText`. */
  readonly readKept?: (path: string) => string | undefined;
  /** The bytes of a model file for `net A from onnx "FILE"`, and of its external data; without it such nets cannot be read. */
  readonly readBytes?: (path: string) => ReadBytesResult;
}
