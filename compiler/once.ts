/** A value made at its first use and kept: what is expensive to build should not cost those who import it and never use it. */
export function once<T>(make: () => T): () => T {
  const made: { value?: T; done: boolean } = { done: false };
  return () => {
    if (!made.done) {
      made.value = make();
      made.done = true;
    }
    return made.value as T;
  };
}
