/**
 * Protobuf's text format, as far as Caffe's files use it: a tree of fields with their places. It knows no schema; that is `caffe-net.ts`.
 * Grammar: protobuf.dev, "Text Format Language Specification".
 */
import type { Message } from "../diagnostics/diagnostic.ts";
import { messages } from "../diagnostics/messages.gen.ts";
import { type SourceFile, type Span, span } from "../source.ts";

export interface TextMessage {
  /** In the file's order under each name; a Map, because names may be anything. */
  readonly fields: Map<string, TextField[]>;
  readonly span: Span;
}

/** Text of a number or a word stays text until someone asks for a number: `1`, `true`, `MAX`. */
export interface TextField {
  readonly value: TextMessage | { readonly text: string; readonly quoted: boolean };
  readonly span: Span;
}

/** What is wrong with the text, and where. */
export class SyntaxProblem extends Error {
  readonly problem: Message;
  readonly at: Span;
  constructor(problem: Message, at: Span) {
    super(problem.title);
    this.problem = problem;
    this.at = at;
  }
}

const DEEPEST = 32;
/** A field of two characters becomes objects of hundreds of bytes. The largest published networks have some 20,000 fields. */
const MOST_FIELDS = 100_000;

interface Token {
  readonly kind: "word" | "string" | "mark" | "end";
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** Names, and numbers in all spellings; a sign after an exponent belongs to the number. */
const WORD = /[A-Za-z_][A-Za-z0-9_.]*|[-+]?[0-9.](?:[0-9A-Za-z_.]|(?<=[eE])[-+])*/y;
const ESCAPES: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", a: "\x07", b: "\b", f: "\f", v: "\v" };

const unescaped = (text: string): string =>
  text.slice(1, -1).replace(/\\(?:([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|(.))/g, (_, octal?: string, hex?: string, other?: string) => {
    if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8) & 255);
    if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
    return ESCAPES[other ?? ""] ?? other ?? "";
  });

/** Where blanks and comments end. Loops instead of expressions: a file may be one long blank. */
function afterBlanks(text: string, from: number): number {
  let at = from;
  for (; at < text.length; at++) {
    const c = text[at] as string;
    if (c === "#") {
      const line = text.indexOf("\n", at);
      at = line < 0 ? text.length : line;
    } else if (c !== " " && c !== "\n" && c !== "\t" && c !== "\r" && c !== "\f" && c !== "\v") break;
  }
  return Math.min(at, text.length);
}

/** Where the string that starts here ends; undefined when its line ends before. */
function afterString(text: string, from: number): number | undefined {
  const quote = text[from];
  for (let at = from + 1; at < text.length && text[at] !== "\n"; at++) {
    if (text[at] === "\\") at++;
    else if (text[at] === quote) return at + 1;
  }
  return undefined;
}

function tokenAt(text: string, from: number): Token {
  const start = afterBlanks(text, from);
  const first = text[start];
  if (first === undefined) return { kind: "end", text: "the end of the file", start, end: start };
  const word = (at: number): string | undefined => {
    WORD.lastIndex = at;
    return WORD.exec(text)?.[0];
  };
  const make = (kind: Token["kind"], end: number): Token => ({ kind, text: text.slice(start, end), start, end });
  if (first === '"' || first === "'") {
    const end = afterString(text, start);
    return end === undefined ? make("mark", start + 1) : make("string", end);
  }
  const found = word(start);
  if (found !== undefined) return make("word", start + found.length);
  // a sign may stand apart from its number
  const number = first === "-" ? word(afterBlanks(text, start + 1)) : undefined;
  if (number === undefined || /^[-+]/.test(number)) return make("mark", start + 1);
  return { kind: "word", text: `-${number}`, start, end: afterBlanks(text, start + 1) + number.length };
}

/** Throws SyntaxProblem. */
export function parsePrototxt(file: SourceFile): TextMessage {
  const { text } = file;
  let token = tokenAt(text, 0);
  const advance = (): Token => {
    const taken = token;
    token = tokenAt(text, taken.end);
    return taken;
  };
  const fail = (expected: string): never => {
    const found = token.kind === "end" ? token.text : `\`${token.text.slice(0, 40)}\``;
    throw new SyntaxProblem(messages.SE604.syntax({ expected, found }), span(file, token.start, token.end));
  };
  const isMark = (mark: string): boolean => token.kind === "mark" && token.text === mark;

  const scalar = (): TextField => {
    if (token.kind !== "string" && token.kind !== "word") return fail("a value");
    const first = advance();
    const { start } = first;
    let { end } = first;
    let value = first.kind === "string" ? unescaped(first.text) : first.text;
    // strings that follow one another are one
    while (first.kind === "string" && token.kind === "string") {
      end = token.end;
      value += unescaped(advance().text);
    }
    return { value: { text: value, quoted: first.kind === "string" }, span: span(file, start, end) };
  };

  interface Open {
    readonly message: TextMessage;
    readonly closer: string | undefined;
  }
  let count = 0;
  const root: TextMessage = { fields: new Map(), span: span(file, 0, text.length) };
  const open: Open[] = [{ message: root, closer: undefined }];
  const put = (into: TextMessage, name: string, field: TextField): void => {
    if (++count > MOST_FIELDS) throw new SyntaxProblem(messages.SE604.parts(), span(file, 0, 0));
    const list = into.fields.get(name);
    if (list) list.push(field);
    else into.fields.set(name, [field]);
  };
  for (;;) {
    const here = open[open.length - 1] as Open;
    if (token.kind === "end") {
      if (here.closer === undefined) return root;
      fail(`\`${here.closer}\``);
    }
    if (here.closer !== undefined && isMark(here.closer)) {
      advance();
      open.pop();
      if (isMark(",") || isMark(";")) advance();
      continue;
    }
    if (token.kind !== "word" || !/^[A-Za-z_]/.test(token.text))
      fail(here.closer === undefined ? "the name of a field" : `a field or \`${here.closer}\``);
    const name = advance();
    const colon = isMark(":");
    if (colon) advance();
    if (isMark("{") || isMark("<")) {
      if (open.length >= DEEPEST) fail(`at most ${DEEPEST} levels`);
      const closer = advance().text === "{" ? "}" : ">";
      const message: TextMessage = { fields: new Map(), span: span(file, name.start, name.end) };
      put(here.message, name.text, { value: message, span: message.span });
      open.push({ message, closer });
      continue;
    }
    if (!colon) fail("`:` or `{`");
    if (isMark("[")) {
      advance();
      while (!isMark("]")) {
        put(here.message, name.text, scalar());
        if (isMark(",")) advance();
        else if (!isMark("]")) fail("`,` or `]`");
      }
      advance();
    } else put(here.message, name.text, scalar());
    if (isMark(",") || isMark(";")) advance();
  }
}
