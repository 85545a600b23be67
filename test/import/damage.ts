/** A few bytes of a file changed, left out or doubled. */
import fc from "fast-check";

export const damage = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }), fc.constantFrom("set", "cut", "double", "end")), {
  minLength: 1,
  maxLength: 4,
});

export function damaged(bytes: Uint8Array, changes: readonly (readonly [number, number, string])[]): Uint8Array {
  let out = Uint8Array.from(bytes);
  for (const [place, value, how] of changes) {
    const at = place % Math.max(1, out.length);
    if (how === "set") out[at] = value;
    else if (how === "cut") out = Uint8Array.from([...out.subarray(0, at), ...out.subarray(at + value)]);
    else if (how === "double") out = Uint8Array.from([...out.subarray(0, at + value), ...out.subarray(at)]);
    else out = out.slice(0, at);
  }
  return out;
}
