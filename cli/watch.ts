/** --watch: does the work, then again whenever a file it read changes, until interrupted. */
import { watch } from "node:fs";
import path from "node:path";
import { openSession, type Session } from "./session.ts";

/** Editors write in several steps; changes within this many milliseconds count as one. */
const SETTLE_MS = 80;

/** Resolves when one of the files changes and has been quiet for a moment. */
function nextChange(files: readonly string[]): Promise<void> {
  return new Promise((resolve) => {
    let timer: NodeJS.Timeout | undefined;
    const folders = new Set(files.map((f) => path.dirname(f)));
    // folders, not files: many editors replace the file, and a watch on it would follow the old one
    const watchers = [...folders].map((folder) =>
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

/** `work` gives the files it read, absolute or relative to the working directory. Runs until the process is interrupted. */
export async function watchFiles(
  session: Session,
  work: (session: Session) => Promise<readonly string[]> | readonly string[],
): Promise<never> {
  for (;;) {
    const round = openSession(session.io, session.options);
    const files = (await work(round)).map((f) => path.resolve(session.options.directory, f));
    round.finish();
    round.note("watching for changes; Ctrl-C ends it");
    await nextChange(files);
  }
}
