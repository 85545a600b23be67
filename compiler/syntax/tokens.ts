/**
 * Tokens of the text form (language.md section 2). Longest first; keywords belong to the category `Name`, so that they stay usable as
 * labels, branch names and selector parts. Mistakes that can be read past (an open string, `3x3`) are tokens too: one message, no follow-ups.
 */
import { createToken, type IToken, Lexer, type TokenType } from "chevrotain";
import { KEYWORDS, MERGE_WORDS } from "./words.ts";

const category = (name: string, label: string, parents: TokenType[] = []): TokenType =>
  createToken({ name, label, pattern: Lexer.NA, categories: parents });

export const AnyToken = category("AnyToken", "anything");
export const Name = category("Name", "a name", [AnyToken]);
export const Text = category("Text", "a string", [AnyToken]);
export const NumberToken = category("NumberToken", "a number", [AnyToken]);
export const MergeWord = category("MergeWord", "a merge", [Name]);
export const BinaryOperator = category("BinaryOperator", "an operator", [AnyToken]);
export const PrefixOperator = category("PrefixOperator", "an operator", [AnyToken]);
export const Relation = category("Relation", "a comparison", [BinaryOperator]);

// every pattern says what it begins with: to find that out by itself, the lexer would parse the patterns at every start of the program
const DIGITS = [..."0123456789"];
const LETTERS = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"];
const BLANKS = [..." \t\r\n"];

const comment = createToken({ name: "Comment", pattern: /#[^\n\r]*/, group: "comments", start_chars_hint: ["#"] });
const blanks = createToken({ name: "Blanks", pattern: /[ \t\r\n]+/, group: Lexer.SKIPPED, line_breaks: true, start_chars_hint: BLANKS });

export const Identifier = createToken({
  name: "Identifier",
  label: "a name",
  pattern: /[A-Za-z_][A-Za-z0-9_]*/,
  categories: [Name],
  start_chars_hint: LETTERS,
});

const extraCategories: Readonly<Record<string, TokenType[]>> = {
  and: [BinaryOperator],
  or: [BinaryOperator],
  not: [PrefixOperator],
};

/** Token type of every keyword. */
export const keyword: ReadonlyMap<string, TokenType> = new Map(
  KEYWORDS.map((word) => [
    word,
    createToken({
      name: `Keyword_${word}`,
      label: `\`${word}\``,
      pattern: word,
      longer_alt: Identifier,
      categories: [(MERGE_WORDS as readonly string[]).includes(word) ? MergeWord : Name, ...(extraCategories[word] ?? [])],
    }),
  ]),
);

export function word(text: (typeof KEYWORDS)[number]): TokenType {
  const type = keyword.get(text);
  if (!type) throw new Error(`no keyword ${text}`);
  return type;
}

export const StringToken = createToken({
  name: "StringToken",
  pattern: /"(?:[^"\\\n\r]|\\[^\n\r])*"/,
  categories: [Text],
  start_chars_hint: ['"'],
});
/** A string without its closing quote, up to the end of the line. */
export const OpenString = createToken({
  name: "OpenString",
  pattern: /"(?:[^"\\\n\r]|\\[^\n\r])*\\?/,
  categories: [Text],
  start_chars_hint: ['"'],
});

const numberPattern = /\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const integerPattern = /\d+/y;
const unquotedPattern = /\d+(?:\.\d+)?[A-Za-z_][A-Za-z0-9_]*/y;

const matchAt = (pattern: RegExp, text: string, offset: number): RegExpExecArray | null => {
  pattern.lastIndex = offset;
  return pattern.exec(text);
};

/** After a `.` (a path goes on) or a `|` (a selector offers another part) a number is a whole number: `blocks.1.0.conv_pw`. */
const isPart = (before: readonly IToken[]): boolean => {
  const last = before.at(-1)?.tokenType;
  return last === Dot || last === Bar;
};

export const Dot = createToken({ name: "Dot", label: "`.`", pattern: ".", categories: [AnyToken] });
export const Bar = createToken({ name: "Bar", label: "`|`", pattern: "|", categories: [AnyToken] });

/** `3x3`, `2x`: a number that runs into a letter. Read as the string it should have been. */
export const NumberWord = createToken({
  name: "NumberWord",
  line_breaks: false,
  start_chars_hint: DIGITS,
  categories: [Text],
  pattern: (text: string, offset: number, before: IToken[]) => {
    const match = matchAt(unquotedPattern, text, offset);
    if (!match) return null;
    const number = matchAt(isPart(before) ? integerPattern : numberPattern, text, offset);
    return number && number[0].length >= match[0].length ? null : match;
  },
});

export const Numeral = createToken({
  name: "Numeral",
  label: "a number",
  line_breaks: false,
  start_chars_hint: DIGITS,
  categories: [NumberToken],
  pattern: (text: string, offset: number, before: IToken[]) => matchAt(isPart(before) ? integerPattern : numberPattern, text, offset),
});

const sign = (name: string, pattern: string, categories: TokenType[] = []): TokenType =>
  createToken({ name, pattern, label: `\`${pattern}\``, categories: [AnyToken, ...categories] });

export const LCurly = sign("LCurly", "{");
export const RCurly = sign("RCurly", "}");
export const LParen = sign("LParen", "(");
export const RParen = sign("RParen", ")");
export const LSquare = sign("LSquare", "[");
export const RSquare = sign("RSquare", "]");
export const Comma = sign("Comma", ",");
export const Colon = sign("Colon", ":");
export const Semicolon = sign("Semicolon", ";");
export const At = sign("At", "@");
export const DoubleStar = sign("DoubleStar", "**");
export const Star = sign("Star", "*", [BinaryOperator]);
export const DoubleSlash = sign("DoubleSlash", "//", [BinaryOperator]);
const Slash = sign("Slash", "/", [BinaryOperator]);
const Percent = sign("Percent", "%", [BinaryOperator]);
const Plus = sign("Plus", "+", [BinaryOperator]);
export const Minus = sign("Minus", "-", [BinaryOperator, PrefixOperator]);
/** In a condition a single `=` is read as `==` and reported (SE005). */
export const Equals = sign("Equals", "=", [Relation]);
const relation = (name: string, pattern: string): TokenType => sign(name, pattern, [Relation]);
const relations = [
  ...[relation("EqualsEquals", "=="), relation("NotEquals", "!="), relation("LessEquals", "<="), relation("GreaterEquals", ">=")],
  ...[relation("Less", "<"), relation("Greater", ">")],
];

/** In the order in which the lexer tries them. */
export const tokenTypes: TokenType[] = [
  blanks,
  comment,
  ...keyword.values(),
  Identifier,
  StringToken,
  OpenString,
  NumberWord,
  Numeral,
  ...relations,
  Equals,
  DoubleStar,
  Star,
  DoubleSlash,
  ...[Slash, Percent, Plus, Minus, LCurly, RCurly, LParen, RParen, LSquare, RSquare, Comma, Colon, Semicolon, At, Dot, Bar],
  ...[AnyToken, Name, Text, NumberToken, MergeWord, BinaryOperator, PrefixOperator, Relation],
];
