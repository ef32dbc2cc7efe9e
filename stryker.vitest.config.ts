import { defineConfig } from "vitest/config";

/** The tests of the kernel alone: what only the engine's tests would notice is a gap in these. */
export default defineConfig({
  test: {
    include: ["test/kernel/**/*.test.ts"],
    setupFiles: ["test/support/fixed-seed.ts"],
    testTimeout: 30_000,
    // Most of a mutant's time was spent on loading the tests again: it is a third of that without.
    isolate: false,
  },
});
