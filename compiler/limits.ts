/** Every limit `sec` puts on what it reads (language.md SE010, weights.md section 5). One home, so that messages and checks agree. */
export const LIMITS = {
  fileBytes: 4 * 1024 * 1024,
  nesting: 64,
  useDepth: 32,
  repeat: 10_000,
  layers: 200_000,
  weightHeaderBytes: 100_000_000,
  tensorBytes: 2 * 1024 ** 3,
} as const;
