/** Text -> tokens. Reports what no token can be made of (SE002), what runs into letters (SE003) and what nests too deep (SE010). */
import { type ILexingError, type IToken, Lexer } from "chevrotain";
import type { Diagnostics } from "../diagnostics/diagnostic.ts";
import { messages } from "../diagnostics/messages.gen.ts";
import { LIMITS } from "../limits.ts";
import { once } from "../once.ts";
import { type Fragment, fragmentSpan } from "./fragment.ts";
import {
  LCurly,
  LParen,
  LSquare,
  NumberWord,
  OpenString,
  PrefixOperator,
  RCurly,
  RParen,
  RSquare,
  StringToken,
  tokenTypes,
  word,
} from "./tokens.ts";

export interface Scan {
  /** `payload` of every token is its index. */
  readonly tokens: IToken[];
  readonly comments: readonly IToken[];
  /** True when the text nests deeper than a recursive parser may follow. */
  readonly tooDeep: boolean;
}

// the token table is checked in test/syntax/tokens.test.ts, not at every start
const lexer = once(() => new Lexer(tokenTypes, { ensureOptimizations: true, positionTracking: "onlyOffset", skipValidations: true }));

const QUOTES = /['‘’“”«»`]/;

export const tokenEnd = (token: IToken): number => token.startOffset + token.image.length;

export function scan(fragment: Fragment, diagnostics: Diagnostics): Scan {
  const { tokens, groups, errors } = lexer().tokenize(fragment.text);
  for (const [i, error] of errors.entries()) {
    // the closing quote of 'relu' is the same mistake as the opening one
    const before = errors[i - 1];
    const isQuote = (e: ILexingError) => QUOTES.test(fragment.text[e.offset] ?? "");
    const isPair = before && isQuote(before) && isQuote(error) && !fragment.text.slice(before.offset, error.offset).includes("\n");
    if (!isPair) reportStray(fragment, error, diagnostics);
  }
  tokens.forEach((token, index) => {
    token.payload = index;
    reportMistake(fragment, token, diagnostics);
  });
  return { tokens, comments: groups.comments ?? [], tooDeep: reportDepth(fragment, tokens, diagnostics) };
}

function reportStray(fragment: Fragment, error: ILexingError, diagnostics: Diagnostics): void {
  const text = fragment.text.slice(error.offset, error.offset + error.length);
  const code = text.codePointAt(0) ?? 0;
  const first = String.fromCodePoint(code);
  // a word with letters that are not ASCII is one mistake, not one per letter
  const isLetter = /[\p{L}\p{M}\p{N}]/u.test(first);
  const start = isLetter
    ? error.offset - (/\w*$/.exec(fragment.text.slice(Math.max(0, error.offset - 200), error.offset))?.[0].length ?? 0)
    : error.offset;
  const run = isLetter ? (/^[\w\p{L}\p{M}\p{N}]+/u.exec(fragment.text.slice(start, start + 400))?.[0] ?? first) : first;
  const at = fragmentSpan(fragment, start, start + run.length);
  if (code === 0xfeff) diagnostics.report(messages.SE002.mark(), at);
  else if (QUOTES.test(first)) diagnostics.report(messages.SE002.quotes({ character: first }), at);
  else if (isLetter) diagnostics.report(messages.SE002.letter({ text: run }), at);
  else if (/[\p{Cc}\p{Cf}\p{Z}\p{Co}\p{Cs}]/u.test(first))
    diagnostics.report(messages.SE002.invisible({ code: code.toString(16).toUpperCase().padStart(4, "0") }), at);
  else diagnostics.report(messages.SE002.character({ character: first }), at);
}

function reportMistake(fragment: Fragment, token: IToken, diagnostics: Diagnostics): void {
  const { tokenType, image, startOffset } = token;
  if (tokenType === NumberWord) {
    const at = fragmentSpan(fragment, startOffset, tokenEnd(token));
    diagnostics.report(messages.SE003.quote({ text: image }), at, {
      fixes: [{ title: "quote it", span: at, replacement: `"${image}"` }],
    });
  }
  if (tokenType === OpenString) diagnostics.report(messages.SE002.open(), fragmentSpan(fragment, startOffset, startOffset + 1));
  if (tokenType !== StringToken && tokenType !== OpenString) return;
  for (const match of image.matchAll(/\\(u[0-9a-fA-F]{4}|[\s\S])/gu)) {
    const written = match[0];
    if (/^\\(?:["\\nt*]|u[0-9a-fA-F]{4})$/.test(written)) continue;
    const start = startOffset + match.index;
    diagnostics.report(messages.SE002.escape({ escape: written }), fragmentSpan(fragment, start, start + written.length));
  }
  const half = halfCharacter(decodeString(image));
  if (half !== undefined) diagnostics.report(messages.SE002.half({ code: half }), fragmentSpan(fragment, startOffset, tokenEnd(token)));
}

/** Four digits of a surrogate without its partner, which no file in UTF-8 can hold: two names could become one when they are written. */
export function halfCharacter(text: string): string | undefined {
  return /\p{Cs}/u.exec(text)?.[0].charCodeAt(0).toString(16);
}

/** The text of a string token, escapes resolved. `\*` stays as it is: it means a star in a selector (language.md 9.1). */
export function decodeString(image: string): string {
  const body = image.startsWith('"') ? image.slice(1, image.length > 1 && image.endsWith('"') ? -1 : undefined) : image;
  return body.replace(/\\(?:u([0-9a-fA-F]{4})|([\s\S]))/g, (all, hex: string | undefined, letter: string | undefined) => {
    if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
    if (letter === "n") return "\n";
    if (letter === "t") return "\t";
    return letter === "*" ? all : (letter ?? "");
  });
}

/** Brackets, runs of prefix operators and `else if` chains are what the parser recurses on; all that are open at a token add up. */
function reportDepth(fragment: Fragment, tokens: readonly IToken[], diagnostics: Diagnostics): boolean {
  const elseWord = word("else");
  const ifWord = word("if");
  const levels = [{ chain: 0, prefixes: 0 }];
  for (const [index, token] of tokens.entries()) {
    const type = token.tokenType;
    const level = levels.at(-1) ?? { chain: 0, prefixes: 0 };
    if (type.CATEGORIES?.includes(PrefixOperator)) level.prefixes++;
    else if (type !== LParen && type !== LSquare) level.prefixes = 0;
    if (type === ifWord) level.chain = tokens[index - 1]?.tokenType === elseWord ? level.chain + 1 : 0;
    if (type === LCurly || type === LParen || type === LSquare) levels.push({ chain: 0, prefixes: 0 });
    if ((type === RCurly || type === RParen || type === RSquare) && levels.length > 1) levels.pop();
    if (levels.reduce((sum, l) => sum + 1 + l.chain + l.prefixes, -1) > LIMITS.nesting) {
      const at = fragmentSpan(fragment, token.startOffset, tokenEnd(token));
      diagnostics.report(messages.SE010.nesting({ limit: LIMITS.nesting }), at);
      return true;
    }
  }
  return false;
}
