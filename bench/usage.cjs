/** Loaded with --require, which is all but free: writes this process's CPU time (ms) and peak memory (MB) to $SEC_USAGE_FILE when it ends. */
const { writeFileSync } = require("node:fs");

process.on("exit", () => {
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
  writeFileSync(process.env.SEC_USAGE_FILE, JSON.stringify({ cpu: (userCPUTime + systemCPUTime) / 1000, peak: maxRSS / 1024 }));
});
