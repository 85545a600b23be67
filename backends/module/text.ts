/**
 * The only way names, numbers and strings from users reach emitted text (architecture.md section 10).
 * Printers of every target use these; none of them quotes or escapes by itself.
 */

/** Words that cannot name a variable in JavaScript or WGSL modules, and the globals the emitted hosts use. */
const RESERVED = new Set(
  (
    "abstract arguments array as async await bool boolean break byte case catch char class const const_assert continue continuing debugger default " +
    "delete diagnostic discard do double else enable enum eval export extends f16 f32 false fallthrough final finally float fn for from function " +
    "goto i32 if implements import in instanceof int interface let long loop mat2x2 mat3x3 mat4x4 native new null of override package private " +
    "protected ptr public requires return sampler set short static struct super switch synchronized texture this throw throws transient true try " +
    "typeof u32 undefined var vec2 vec3 vec4 void volatile while with yield " +
    "Array ArrayBuffer Error Float32Array Float64Array Function Infinity Int32Array Map Math NaN Number Object Promise Set String Symbol " +
    "TypeError URL Uint32Array Uint8Array constructor document fetch globalThis process self window"
  ).split(" "),
);

/**
 * `name` as an identifier: `[A-Za-z_][A-Za-z0-9_]*`, never a reserved word, never one that is in `taken`, where it is then added.
 * Distinct names can mangle to one text ("a-b", "a.b"); the later ones get a number.
 */
export function identifier(name: string, taken: Set<string>): string {
  let base = name.replace(/[^A-Za-z0-9_]+/g, "_");
  if (!/^[A-Za-z_]/.test(base)) base = `_${base}`;
  // WGSL refuses `_` alone and names that start with two underscores
  base = base.replace(/^__+/, "_");
  if (base === "_") base = "unnamed";
  if (RESERVED.has(base)) base = `${base}_`;
  let unique = base;
  for (let i = 2; taken.has(unique); i++) unique = `${base.replace(/_+$/, "")}_${i}`;
  taken.add(unique);
  return unique;
}

/** A net's name as the name of its files: names of the language are left as they are. */
export function fileName(net: string): string {
  return net.replace(/[^A-Za-z0-9_-]+/g, "_") || "net";
}

/** A JavaScript string literal; safe inside a script element and in old parsers too. */
export function stringLiteral(text: string): string {
  return JSON.stringify(text)
    .replace(/<\//g, "<\\/")
    .replace(/\u2028/g, "\\u2028")
    .replace(/\u2029/g, "\\u2029");
}

/** A key of an object literal or of a type: bare when it is a plain name, else quoted. `__proto__` is computed, so that it is an ordinary key. */
export function propertyKey(name: string): string {
  if (name === "__proto__") return '["__proto__"]';
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : stringLiteral(name);
}

/** A JavaScript number literal, the shortest that reads back as the same f64. */
export function numberLiteral(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (value === Infinity) return "Infinity";
  if (value === -Infinity) return "-Infinity";
  return Object.is(value, -0) ? "-0" : String(value);
}

/**
 * The shortest decimal that rounds to the same f32 as `value`; always with a point or an exponent, so that it reads as a float everywhere
 * ("0.1", "3.0", "1e-7"). `value` must be finite: WGSL has no other literals.
 */
export function f32Literal(value: number): string {
  const single = Math.fround(value);
  if (!Number.isFinite(single)) throw new RangeError(`no f32 literal for ${value}`);
  let text = String(single);
  for (let digits = 1; digits <= 9; digits++) {
    const candidate = single.toPrecision(digits);
    if (Math.fround(Number(candidate)) === single) {
      text = String(Number(candidate));
      break;
    }
  }
  if (Object.is(single, -0)) text = "-0";
  return /[.e]/.test(text) ? text : `${text}.0`;
}

/** `text` made harmless inside a comment of any emitted language or inside a template literal. */
export function commentText(text: string): string {
  return (
    text
      .replace(/\*\//g, "* /")
      .replace(/\/\*/g, "/ *")
      .replace(/<\//g, "< /")
      .replace(/`/g, "'")
      .replace(/\$\{/g, "$ {")
      // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not get through
      .replace(/[\u0000-\u001f\u007f\u0085\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g, " ")
  );
}

/** A text as a JavaScript template literal: for kernels that emitted modules carry as readable text. */
export function templateLiteral(text: string): string {
  return `\`${text.replace(/[`\\]/g, "\\$&").replace(/\$\{/g, "\\${").replace(/<\//g, "<\\/")}\``;
}

/** Every non-empty line of `text` moved right by `by` spaces. */
export function indent(text: string, by: number): string {
  return text.replace(/^(?=.)/gm, " ".repeat(by));
}
