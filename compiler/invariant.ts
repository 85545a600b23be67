/** Checks that only fail when `sec` itself is wrong. A user's mistake is a Diagnostic, never one of these. */

export class InternalError extends Error {
  override readonly name = "InternalError";
}

export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InternalError(message);
}

export function unreachable(value: never, what = "case"): never {
  throw new InternalError(`unexpected ${what}: ${JSON.stringify(value)}`);
}

/** `value` when it is there; for places where the data structure guarantees it. */
export function must<T>(value: T | undefined | null, what: string): T {
  if (value === undefined || value === null) throw new InternalError(`missing ${what}`);
  return value;
}
