/**
 * What the rules of the grammar are built with: the text being read, look-ahead by words, and going on after a mistake.
 * Chevrotain's own recovery guesses by token sets; here a statement is the unit, because that is what a reader sees as one.
 */
import { EmbeddedActionsParser, EOF, type IToken, isRecognitionException, type TokenType, tokenMatcher } from "chevrotain";
import { Diagnostics, type Message } from "../diagnostics/diagnostic.ts";
import { messages } from "../diagnostics/messages.gen.ts";
import { position, type SourceFile, type Span, sourceFile, union } from "../source.ts";
import type { Name } from "./ast.ts";
import { buildName, type Context, isNameToken, reportKeyword, tokenSpan } from "./build-ast.ts";
import { FirstTokens } from "./first-tokens.ts";
import { wholeFile } from "./fragment.ts";
import { describe, found, isDefinitionStart, reportUnexpected, spanAt } from "./parse-errors.ts";
import { nextDefinition, resumeAt } from "./recover.ts";
import { AnyToken, Colon, Comma, LSquare, Name as NameToken, NumberToken, RCurly, Text, tokenTypes } from "./tokens.ts";

/** Thrown after the mistake has been reported; caught at the statement. */
const ABANDON = new Error("statement abandoned");

/** The label of a token type, or what a rule says in its place, is the phrase that follows "expected". */
const phrases = {
  buildMismatchTokenMessage: ({ expected }: { expected: TokenType }) => expected.LABEL ?? expected.name,
  buildNoViableAltMessage: ({ customUserDescription }: { customUserDescription?: string }) => customUserDescription ?? "something else",
  buildEarlyExitMessage: ({ customUserDescription }: { customUserDescription?: string }) => customUserDescription ?? "something else",
  buildNotAllInputParsedMessage: () => "the end",
};

// chevrotain takes a grammar only as a class
export class GrammarBase extends EmbeddedActionsParser {
  context: Context = { fragment: wholeFile(sourceFile("", "")), diagnostics: new Diagnostics(), end: "the end" };
  #lines: SourceFile = sourceFile("", "");

  /** `validate` runs chevrotain's checks of the grammar; the tests do, a command line start need not. */
  constructor(validate: boolean) {
    super(tokenTypes, {
      recoveryEnabled: false,
      maxLookahead: 1,
      lookaheadStrategy: new FirstTokens(),
      nodeLocationTracking: "none",
      skipValidations: !validate,
      errorMessageProvider: phrases,
    });
  }

  /** Must come before every parse. */
  begin(context: Context, tokens: IToken[]): void {
    this.input = tokens;
    this.context = context;
    this.#lines = sourceFile("", context.fragment.text);
  }

  /** The first token that was not read. */
  rest(): IToken | undefined {
    return this.atEnd() ? undefined : this.LA(1);
  }

  // ---- looking ahead ---------------------------------------------------------------------------------------------------

  protected is(type: TokenType, ahead = 1): boolean {
    return tokenMatcher(this.LA(ahead), type);
  }

  /** Whether the next token is one of these words (or signs), and no label. */
  protected sees(...words: string[]): boolean {
    return words.includes(this.LA(1).image) && !this.is(Colon, 2);
  }

  protected atEnd(): boolean {
    return this.LA(1).tokenType === EOF;
  }

  /** Inside a body or the edits: neither closed, nor at the end, nor at a definition that shows that a `}` is missing. */
  protected inside(): boolean {
    return !this.is(RCurly) && !this.atEnd() && !(this.isNewLine() && isDefinitionStart(this.input, this.LA(1)));
  }

  /** Whether a line break stands before the next token. */
  protected isNewLine(): boolean {
    return this.line(this.LA(0)) < this.line(this.LA(1));
  }

  protected line(token: IToken): number {
    return token.tokenType === EOF ? 0 : position(this.#lines, token.startOffset).line;
  }

  protected index(token: IToken): number {
    return token.tokenType === EOF ? this.input.length : (token.payload as number);
  }

  // ---- spans -----------------------------------------------------------------------------------------------------------

  protected at(token: IToken): Span {
    return tokenSpan(this.context, token);
  }

  /** From `first` to the last token that was read. */
  protected from(first: IToken): Span {
    return this.LA(0).tokenType === EOF || first.tokenType === EOF ? this.here() : union(this.at(first), this.at(this.LA(0)));
  }

  /** For words whose object would otherwise be taken from the labelled layer on the next line. */
  protected beforeLabel(expected: string): void {
    if (this.isNewLine() && this.is(Colon, 2)) this.refuse(messages.SE003.expected({ expected, found: this.found() }));
  }

  /** What stands next, for "found ...". */
  protected found(): string {
    return found(this.context, this.LA(1), this.LA(0));
  }

  protected here(): Span {
    return spanAt(this.context, this.LA(1), this.LA(0));
  }

  // ---- mistakes --------------------------------------------------------------------------------------------------------

  protected report(message: Message, at: Span = this.here()): void {
    this.context.diagnostics.report(message, at);
  }

  /** The name of a definition or parameter. A keyword would be read as itself where the name is used. */
  protected newName(token: IToken, kind: "block" | "net" | "parameter"): Name {
    const name = buildName(this.context, token);
    reportKeyword(this.context.diagnostics, name, kind);
    return name;
  }

  /** Reports and gives the statement up. */
  protected refuse(message: Message, at: Span = this.here()): never {
    this.report(message, at);
    throw ABANDON;
  }

  /** In a catch around a statement, an edit or a definition that began at `start`. */
  protected recover(error: unknown, start: IToken, where: "body" | "file"): undefined {
    if (isRecognitionException(error as Error)) {
      const { message, token, previousToken } = error as Error & { token: IToken; previousToken?: IToken };
      reportUnexpected(this.context, this.input, message, token, token === start ? start : (previousToken ?? this.LA(0)));
    } else if (error !== ABANDON) throw error;
    const next = where === "body" ? resumeAt : nextDefinition;
    const lineOf = (token: IToken) => this.line(token);
    this.skipTo(next(this.input, this.index(start), this.index(this.LA(1)), lineOf));
    return undefined;
  }

  /** What fits nowhere in a body or a file. */
  protected reportStray(expected: string, start: IToken, where: "body" | "file"): void {
    reportUnexpected(this.context, this.input, expected, start, start);
    const next = where === "body" ? resumeAt : nextDefinition;
    const from = this.index(start);
    this.skipTo(next(this.input, from, from, (token) => this.line(token)));
  }

  protected skipTo(index: number): void {
    while (!this.atEnd() && this.index(this.LA(1)) < index) this.consume(9, AnyToken);
  }

  // ---- lists -----------------------------------------------------------------------------------------------------------

  /** After an element of a list: whether another one follows. A comma that is missing is reported and taken as read. */
  protected hasNext(closer: TokenType): boolean {
    if (this.is(Comma, 0)) return !this.is(closer);
    if (this.is(closer) || this.atEnd() || !this.startsValue()) return false;
    const left = this.LA(0);
    const right = this.LA(1);
    this.context.diagnostics.report(messages.SE003.comma({ left: describe(left), right: describe(right) }), this.at(right));
    return true;
  }

  /** On another line only what cannot begin a statement, or is clearly an argument, counts as a forgotten comma. */
  private startsValue(): boolean {
    if (this.isNewLine()) return this.is(NumberToken) || (isNameToken(this.LA(1)) && this.LA(2).image === "=");
    return this.is(NumberToken) || this.is(Text) || this.is(NameToken) || this.is(LSquare);
  }
}
