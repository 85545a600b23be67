/** --watch: does the work, then again whenever a file it read changes, until interrupted. */
import { watch } from "node:fs";
import { readdir } from "node:fs/promises";
import path from "node:path";
import { EXIT, openSession, type Session } from "./session.ts";

/** Editors write in several steps; changes within this many milliseconds count as one. */
const SETTLE_MS = 80;

/** `work` gives the files it read, absolute or relative to the working directory. Resolves when interrupted. */
export async function watchFiles(session: Session, work: (session: Session) => Promise<readonly string[]> | readonly string[]): Promise<number> {
  let timer: NodeJS.Timeout | undefined;
  const abort = new AbortController();
  const round = async (): Promise<void> => {
    const current = openSession(session.io, session.options);
    const files = (await work(current)).map((f) => path.resolve(session.options.directory, f));
    current.finish();
    current.note("watching for changes; Ctrl-C ends it");
    await new Promise<void>((resolve) => {
      const watchers = new Set(files.map((f) => path.dirname(f)));
      const closers = [...watchers].map((folder) =>
        // folders, not files: many editors replace the file, and a watch on it would follow the old one
        watch(folder, { signal: abort.signal }, (_event, name) => {
          if (name !== null && !files.includes(path.join(folder, name))) return;
          clearTimeout(timer);
          timer = setTimeout(() => {
            for (const c of closers) c.close();
            resolve();
          }, SETTLE_MS);
        }),
      );
    });
  };
  await readdir(session.options.directory); // fails early, and outside of the loop, when the folder is gone
  for (;;) await round();
  return EXIT.interrupted;
}
