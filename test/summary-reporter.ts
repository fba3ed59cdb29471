import type { Reporter, TestModule } from "vitest/node";

/** Ends a run with the line `N passed, N failed` (`, N skipped` where there are some), which reads the same whatever runs the tests. */
export function summaryReporter(): Reporter {
  return {
    onTestRunEnd(modules, unhandledErrors) {
      const counts = modules.map(countOf);
      const sum = (key: "passed" | "failed" | "skipped") => counts.reduce((total, count) => total + count[key], 0);
      const skipped = sum("skipped");
      console.log(`${sum("passed")} passed, ${sum("failed") + unhandledErrors.length} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
    },
  };
}

function countOf(module: TestModule) {
  // A file or a hook that failed fails no test of its own; it counts as one failure, so that a broken file is never "0 failed".
  const suites = [module, ...module.children.allSuites()];
  const count = { passed: 0, failed: suites.filter((suite) => suite.errors().length > 0).length, skipped: 0 };
  for (const test of module.children.allTests()) {
    const { state } = test.result();
    if (state === "passed" || state === "failed") count[state]++;
    else count.skipped++;
  }
  return count;
}
