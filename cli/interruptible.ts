/**
 * Ctrl-C during long work that never gives the event loop a turn. A handler of SIGINT would be called when the work is done; a script that
 * runs with `breakOnSigint` is ended by the engine itself. Nothing inside it is cleaned up, `finally` included: that is for the callers,
 * who see an `Interrupted`.
 */
import { Script } from "node:vm";

export class Interrupted extends Error {}

interface Mailbox {
  work?: () => unknown;
}

/** A script sees nothing of this module but the global object. */
const KEY = "sec.interruptible";
const MAILBOX = Symbol.for(KEY);
const script = new Script(`globalThis[Symbol.for("${KEY}")].work()`);

export async function interruptible<T>(work: () => T): Promise<Awaited<T>> {
  // what was pressed before is heard by the handler, in a turn of its own
  await new Promise((resolve) => setImmediate(resolve));
  const world = globalThis as { [MAILBOX]?: Mailbox | undefined };
  const before = world[MAILBOX];
  world[MAILBOX] = { work };
  try {
    return await (script.runInThisContext({ breakOnSigint: true }) as T);
  } catch (error) {
    if ((error as NodeJS.ErrnoException | undefined)?.code === "ERR_SCRIPT_EXECUTION_INTERRUPTED") throw new Interrupted("interrupted");
    throw error;
  } finally {
    world[MAILBOX] = before;
  }
}
