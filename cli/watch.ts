/** --watch: does the work, then again whenever a file it read changes, until interrupted. */
import { existsSync, statSync, watch } from "node:fs";
import path from "node:path";
import { messages } from "../compiler/diagnostics/messages.gen.ts";
import { DEFAULT_NAMES } from "./config.ts";
import { openSession, type Session } from "./session.ts";

/** Editors write in several steps; changes within this many milliseconds count as one. */
const SETTLE_MS = 80;

/** Tells one state of a file from the next. */
function stamp(file: string): string {
  if (!existsSync(file)) return "none";
  const { mtimeMs, size } = statSync(file);
  return `${mtimeMs} ${size}`;
}

/** Resolves when one of the files changes and has been quiet for a moment. */
function nextChange(files: readonly string[]): Promise<void> {
  return new Promise((resolve) => {
    let timer: NodeJS.Timeout | undefined;
    // nets that ship are no files of the user's, and a used file may lie in a folder that is not there
    const folders = [...new Set(files.map((f) => path.dirname(f)))].filter((f) => existsSync(f));
    // folders, not files: many editors replace the file, and a watch on it would follow the old one
    const watchers = folders.map((folder) =>
      watch(folder, (_event, name) => {
        if (name !== null && !files.includes(path.join(folder, name))) return;
        clearTimeout(timer);
        timer = setTimeout(() => {
          for (const w of watchers) w.close();
          resolve();
        }, SETTLE_MS);
      }),
    );
  });
}

/**
 * `work` gives the files it read, absolute or relative to the working directory. Those in `given`, and the configuration, are watched
 * whether they could be read or not: to mend them is what one waits for. Runs until the process is interrupted.
 */
export async function watchFiles(
  session: Session,
  given: readonly string[],
  work: (session: Session) => Promise<readonly string[]> | readonly string[],
): Promise<undefined> {
  if (given.includes("-")) {
    session.usage(messages.SE520.global({ problem: "`--watch` wants files: standard input is read once" }));
    return undefined;
  }
  const always = [
    ...given.map((f) => f.replace(/(?<=.)#[^#]*$/, "")),
    ...(session.options.config ? [session.options.config] : DEFAULT_NAMES),
  ];
  const absolute = (f: string): string => path.resolve(session.options.directory, f);
  let files = always.map(absolute);
  for (;;) {
    const before = new Map(files.map((f) => [f, stamp(f)]));
    const round = openSession(session.io, session.options);
    const read = await work(round);
    round.finish();
    round.note("watching for changes; Ctrl-C ends it");
    files = [...new Set([...always, ...read].map(absolute))];
    // what was saved during the work is a change too
    if (files.every((f) => !before.has(f) || before.get(f) === stamp(f))) await nextChange(files);
  }
}
