#!/usr/bin/env node
/** The `sec` command: the engine's settings first, then everything else. */
import "./engine.ts";
import { loadProgram, type Program } from "./script.ts";

/** The program's script beside this file, where both are bundled (scripts/bundle-cli.ts); in the source tree its modules are loaded. */
declare const SCRIPT: string | undefined;

const program: Promise<Program> = typeof SCRIPT === "string" ? Promise.resolve(loadProgram(SCRIPT)) : import("./process.ts");
void program.then(({ runProcess }) => runProcess());
