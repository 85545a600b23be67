/**
 * How the engine spends time on this program. A command runs for a second or less in a great many small functions; V8 would put more CPU
 * time into optimising them, and again after each wrong guess, than they take. Measured with Node 20, all nets that ship: --target wasm 29 s
 * of CPU by V8's own budget of 66 kB of bytecode, 21 s by this one; webgpu 18.6 and 15 s, one net of three targets 1.8 and 1.7 s.
 */
import v8 from "node:v8";

v8.setFlagsFromString("--interrupt-budget=1000000");
