import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const src = (path: string) => fileURLToPath(new URL(`./src/${path}`, import.meta.url));

export default defineConfig({
  resolve: {
    alias: [
      { find: /^varve$/, replacement: src("index.ts") },
      { find: /^varve\/(node|deno|bun|edge|client)$/, replacement: src("runtime/$1.ts") },
      { find: /^varve\/(http|testing)$/, replacement: src("$1/index.ts") },
    ],
  },
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 30_000,
    // The engine is loaded once a worker, not once a file: that was half of the time. So a test leaves no global changed.
    isolate: false,
    // Vitest leaves a core to itself, which of two is half. One more than there are: most files wait for processes and timers.
    maxWorkers: availableParallelism() + 1,
  },
});
