/** One line on stderr that says what is being done: on a terminal only, and only after a moment, so that quick work stays silent. */
import type { Session } from "./session.ts";

const AFTER_MS = 300;

export interface Progress {
  say(text: string): void;
  /** Gives the terminal a chance to show the line before long synchronous work. */
  settle(): Promise<void>;
  end(): void;
}

export function startProgress(session: Session): Progress {
  const { stderr, now } = session.io;
  const shows = stderr.isTTY && !session.options.quiet && !session.options.json;
  const began = now();
  let width = 0;
  const clear = (): void => {
    if (width > 0) stderr.write(`\r${" ".repeat(width)}\r`);
    width = 0;
  };
  return {
    say(text) {
      if (!shows || now() - began < AFTER_MS) return;
      clear();
      const line = text.slice(0, stderr.columns - 1);
      stderr.write(line);
      width = line.length;
    },
    settle: () => (shows ? new Promise((resolve) => setImmediate(resolve)) : Promise.resolve()),
    end: clear,
  };
}
