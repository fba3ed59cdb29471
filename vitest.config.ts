import { defineConfig } from "vitest/config";
import { summaryReporter } from "./test/summary-reporter.ts";

const shared = {
  resolve: { conditions: ["source"] },
  ssr: { resolve: { conditions: ["source"] } },
};

export default defineConfig({
  ...shared,
  test: {
    reporters: ["default", summaryReporter()],
    // One adapter and few cores: files run one after another, each in a process of its own (Dawn keeps global state).
    pool: "forks",
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    projects: [
      { ...shared, test: { name: "layers", include: ["test/layers.test.ts"] } },
      {
        ...shared,
        test: {
          name: "unit",
          setupFiles: ["test/live-storages.ts"],
          include: ["packages/*/src/**/*.test.ts", "test/**/*.test.ts"],
          exclude: ["test/layers.test.ts"],
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
