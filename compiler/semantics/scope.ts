/** How names are looked up: definitions of a file, parameters, inputs (language.md section 4). */
import type { ReadBytesResult } from "../host.ts";
import type { TensorType } from "../ir/type.ts";
import type { SourceFile } from "../source.ts";
import type { BlockDef, NetDef } from "../syntax/ast.ts";

/** A value of the expression language. Lists are shared, never changed. */
export type SpecValue = number | boolean | string | readonly SpecValue[];

/** A block or net with the file it stands in. */
export interface Definition {
  readonly def: BlockDef | NetDef;
  readonly home: FileScope;
}

/** What one file sees: its own definitions, those of the files it uses, the library. */
export interface FileScope {
  readonly file: SourceFile;
  /** True for the library that ships with `sec`: errors in it are reported at the user's call. */
  readonly library: boolean;
  readonly definitions: ReadonlyMap<string, Definition>;
  /** Reads a file beside this one, for nets that come from model files. */
  readonly readBytes?: (written: string) => ReadBytesResult;
  /** Whether a net of that name ships with `sec`, to be had by `use`. */
  readonly ships?: (net: string) => boolean;
}

/** Where an expression or a call is read: its file, and the parameters it sees. An undefined value is one whose error was reported. */
export interface Scope {
  readonly home: FileScope;
  readonly params: ReadonlyMap<string, SpecValue | undefined>;
  /** Inputs of the net by name; empty in blocks. */
  readonly inputs: ReadonlyMap<string, TensorType | undefined>;
}
