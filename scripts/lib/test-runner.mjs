import path from "node:path";
import { inspect } from "node:util";
import { root } from "./workspace.mjs";

/** A test file that takes longer is stopped and counts as failed. */
const FILE_TIMEOUT_MS = 300_000;

/**
 * Runs test files, each in its own process, and prints failures as they come.
 * @param {{file: string, name: string}[]} files
 * @param {{concurrency: number, grep?: RegExp, verbose?: boolean, timeoutMs?: number}} options
 *   `concurrency`: files at a time; `timeoutMs`: the most that one of them may take
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
  const events = run({
    files: files.map(({ file }) => file),
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
    // A file without a test passes under its own path.
    const empty = type === "test:pass" && data.nesting === 0 && counts.has(nameOf(data.name));
    if (empty && grep !== undefined) continue;
    // A test may be declared in another file, as those of an acceptance suite are. A file that failed
    // as a whole, on the other hand, is named by the event's name.
    const name = counts.has(nameOf(data.name)) ? nameOf(data.name) : nameOf(data.file);
    const count = counts.get(name) ?? { passed: 0, failed: 0, skipped: 0, ms: 0 };
    counts.set(name, count);
    if (empty) {
      count.failed++;
      console.log(`\nnot ok  ${name}: ran no test`);
    } else if (type === "test:fail" && data.todo === undefined) {
      count.failed++;
      console.log(`\nnot ok  ${name}: ${data.name}`);
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
