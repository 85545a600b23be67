/** How the engine starts and spends time on this program: it must come before everything else that is imported. */
import module from "node:module";
import v8 from "node:v8";

/**
 * A command runs for a second or less in a great many small functions; V8 would put more CPU time into optimising them, and again after each
 * wrong guess, than they take. Measured with Node 20, all nets that ship: --target wasm 29 s of CPU by V8's own budget of 66 kB of bytecode,
 * 21 s by this one; webgpu 18.6 and 15 s; one net for three targets 1.8 and 1.7 s. Later engines have no such budget: they count calls before
 * they optimise, and would print an error about the flag.
 */
if (process.versions.v8.startsWith("11.")) v8.setFlagsFromString("--interrupt-budget=1000000");

// threads of the collector cost more than they save for the few megabytes that are young at one time: a twentieth of the CPU of `sec check`
v8.setFlagsFromString("--no-parallel-scavenge");

// marking beside the program, for what a short command hardly ever frees: a sixth of the CPU of compiling one net
v8.setFlagsFromString("--no-incremental-marking");

// what ran once at the start is thrown away otherwise before scripts/keep-compiled.ts can keep it; V8 takes it under equal flags only
v8.setFlagsFromString("--no-flush-bytecode");

// from Node 22.1 on: what was compiled once is not compiled again (in Node's own folder of such things)
(module as { readonly enableCompileCache?: () => unknown }).enableCompileCache?.();
