/**
 * Takes a file piece by piece, so that a caller can write it while it is made and memory never holds it whole.
 * What makes the file fills what `piece` gave before it asks for the next.
 */
export interface PieceStore {
  open(bytes: number): void;
  /** For the file's bytes from `at` on: 4-byte aligned where `at` is. They hold anything: all of them are to be written. */
  piece(at: number, bytes: number): Uint8Array;
  /** The piece is complete. */
  done(at: number, piece: Uint8Array): void;
  /** What becomes the file's contents: the file, or an array of its length that stands for it where the caller put it elsewhere. */
  close(): Uint8Array;
  /** Only sizes matter: nothing is filled, and a hash is all zeros. */
  readonly sizesOnly?: boolean;
}

/** The whole file as one array. `allocate` gives its memory, which may be that of a file before. */
export function memoryStore(allocate = (bytes: number): Uint8Array => new Uint8Array(bytes)): PieceStore {
  let file = allocate(0);
  return {
    open: (bytes) => {
      file = allocate(bytes);
    },
    piece: (at, bytes) => file.subarray(at, at + bytes),
    done: () => undefined,
    close: () => file,
  };
}
