import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

/**
 * What a test file may import to share a process with others: nothing of it touches the machine, so that one file
 * leaves nothing behind for the next. A process takes longer to start than most such files take to run.
 */
const PURE =
  /^(\.{1,2}\/.*|node:(test|assert\/strict|buffer|util)|fast-check|@atlasnet\/(world|core|core\/sim))$/;
/** Long ones are better run beside each other. */
const LONG = /property|simulation|\bsim\b|planted/;
/** Most files of one process. One that does not end, or cannot be loaded, takes the others along. */
const MOST = 12;

/**
 * Divides test files into processes: those of a package that are pure share one, in their order; any other has its own.
 * @param {{file: string, name: string}[]} files
 * @param {string} dir where the files that load several are written
 * @returns {{entry: string, tests: {file: string, name: string}[]}[]} `entry`: the file that the process runs
 */
export function testProcesses(files, dir) {
  const processes = [];
  const open = new Map();
  for (const test of files) {
    const [part] = test.name.split("/dist/", 1);
    let tests = open.get(part);
    if (!isPure(test.file)) processes.push([test]);
    else if (tests === undefined || tests.length === MOST) {
      tests = [test];
      open.set(part, tests);
      processes.push(tests);
    } else tests.push(test);
  }
  return processes.map((tests, at) => {
    const [first] = tests;
    if (tests.length === 1) return { entry: first.file, tests };
    const entry = path.join(dir, `${at}.test.mjs`);
    const lines = tests.map(({ file }) => `import ${JSON.stringify(pathToFileURL(file).href)};\n`);
    // property-seed.mjs looks for it.
    if (tests.some(({ file }) => sourceOf(file).includes('"fast-check"')))
      lines.unshift('// Some of them use "fast-check".\n');
    writeFileSync(entry, lines.join(""));
    return { entry, tests };
  });
}

function isPure(file) {
  if (LONG.test(file)) return false;
  const code = sourceOf(file);
  // Its tests are in a suite's file: nobody could tell whether it ran any.
  if (!/\b(test|describe)\(/.test(code)) return false;
  // Loads what it likes, whatever stands at its top.
  if (/\bimport\(|\bimport\.meta\b|\bprocess\./.test(code)) return false;
  const imports = code.matchAll(/^(?:import|export)\b[^"';]*?["']([^"']+)["']/gm);
  return [...imports].every(([, specifier]) => PURE.test(specifier));
}

function sourceOf(file) {
  return readFileSync(file, "utf8");
}
