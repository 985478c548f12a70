import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["*.spec.mjs"],
    globalSetup: "service.mjs",
    // The machine may be busy with other tests.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    cache: false,
  },
});
