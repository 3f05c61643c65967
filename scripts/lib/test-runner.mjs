import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { inspect } from "node:util";
import { testProcesses } from "./test-processes.mjs";
import { root } from "./workspace.mjs";

/** A process of tests that takes longer is stopped and counts as failed. */
const FILE_TIMEOUT_MS = 300_000;

/**
 * Runs test files, those that touch the machine each in its own process, and prints failures as they come.
 * @param {{file: string, name: string}[]} files
 * @param {{concurrency: number, grep?: RegExp, verbose?: boolean, timeoutMs?: number}} options
 *   `concurrency`: processes at a time; `timeoutMs`: the most that one of them may take
 * @returns {Promise<Map<string, {passed: number, failed: number, skipped: number, ms: number}>>} per file name;
 *   `ms`: what its tests took, one after the other
 */
export async function runTests(files, options) {
  const { concurrency, grep, verbose = false, timeoutMs = FILE_TIMEOUT_MS } = options;
  // Loaded late: a Node too old to have it must get as far as being told so.
  const { run } = await import("node:test");
  const counts = new Map(
    files.map(({ name }) => [name, { passed: 0, failed: 0, skipped: 0, ms: 0 }]),
  );
  const nameOf = (file) => path.relative(root, file ?? "").replaceAll("\\", "/");
  const dir = mkdtempSync(path.join(tmpdir(), "atlasnet-tests-"));
  const processes = testProcesses(files, dir);
  const together = new Map(processes.map((each) => [each.entry, each.tests]));
  // Those of a process with others declare their tests themselves.
  const shared = processes.flatMap(({ tests }) => (tests.length > 1 ? tests : []));
  const silent = [];
  const events = run({
    files: processes.map(({ entry }) => entry),
    concurrency,
    timeout: timeoutMs,
    ...(grep === undefined ? {} : { testNamePatterns: [grep] }),
  });
  for await (const { type, data } of events) {
    if (type === "test:stdout" || type === "test:stderr") process.stdout.write(data.message);
    if (type !== "test:pass" && type !== "test:fail") continue;
    if (data.nesting === 0) {
      const whole = counts.get(nameOf(data.file));
      if (whole !== undefined) whole.ms += data.details?.duration_ms ?? 0;
    }
    // A suite only sums up its tests; but one whose own hook failed is a failure of its own.
    const suite = data.details?.type === "suite";
    const inner = data.details?.error?.failureType === "subtestsFailed";
    if (type === "test:pass" ? suite : inner) continue;
    // A process without a test passes, and one that fails as a whole fails, under its file's path.
    const whole = together.get(path.resolve(root, data.name));
    if (whole !== undefined && type === "test:pass") {
      if (whole.length === 1) silent.push(whole[0].name);
      continue;
    }
    // A test may be declared in another file, as those of an acceptance suite are.
    const name = whole === undefined ? nameOf(data.file) : whole[0].name;
    const count = counts.get(name) ?? { passed: 0, failed: 0, skipped: 0, ms: 0 };
    counts.set(name, count);
    if (type === "test:fail" && data.todo === undefined) {
      count.failed++;
      const what = whole?.length > 1 ? whole.map((test) => test.name).join(", ") : data.name;
      console.log(`\nnot ok  ${name}: ${what}`);
      const error = data.details?.error;
      console.log(inspect(error?.cause ?? error ?? "no reason given", { depth: 6 }));
    } else if (data.skip !== undefined || data.todo !== undefined) {
      count.skipped++;
      if (verbose) console.log(`skipped ${name}: ${data.name}`);
    } else {
      count.passed++;
      if (verbose) console.log(`ok      ${name}: ${data.name}`);
    }
  }
  rmSync(dir, { recursive: true });
  if (grep !== undefined) return counts;
  for (const { name } of shared) {
    const { passed, failed, skipped } = counts.get(name);
    if (passed + failed + skipped === 0) silent.push(name);
  }
  for (const name of silent) {
    counts.get(name).failed++;
    console.log(`\nnot ok  ${name}: ran no test`);
  }
  return counts;
}

/** Prints one line per group and, last, `N passed, N failed`; failures set the exit code. */
export function report(groups) {
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const [name, { passed, failed, skipped }] of groups) {
    total.passed += passed;
    total.failed += failed;
    total.skipped += skipped;
    const extra = skipped > 0 ? `, ${skipped} skipped` : "";
    console.log(`${name.padEnd(20)} ${passed} passed, ${failed} failed${extra}`);
  }
  if (total.skipped > 0) console.log(`${total.skipped} skipped`);
  console.log(`${total.passed} passed, ${total.failed} failed`);
  if (total.failed > 0) process.exitCode = 1;
}
