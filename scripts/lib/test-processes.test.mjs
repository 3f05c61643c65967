import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { testProcesses } from "./test-processes.mjs";

const PURE = 'import { test } from "node:test";\nimport { a } from "./a.js";\ntest("a", a);\n';

function scene(t, sources) {
  const dir = mkdtempSync(path.join(tmpdir(), "processes-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const files = Object.entries(sources).map(([name, source]) => {
    const file = path.join(dir, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, source);
    return { file, name };
  });
  return testProcesses(files, dir).map(({ entry, tests }) => ({
    names: tests.map(({ name }) => name),
    loads: readFileSync(entry, "utf8"),
  }));
}

test("pure files of a package share a process, which loads them in their order", (t) => {
  const [first, second, ...more] = scene(t, {
    "x/dist/a.test.js": PURE,
    "y/dist/c.test.js": PURE,
    "x/dist/deep/b.test.js": PURE,
  });
  assert.deepEqual(
    [first.names, second.names, more],
    [["x/dist/a.test.js", "x/dist/deep/b.test.js"], ["y/dist/c.test.js"], []],
  );
  assert.match(
    first.loads,
    /^import "file:.*\/x\/dist\/a\.test\.js";\nimport "file:.*\/x\/dist\/deep\/b\.test\.js";\n$/,
  );
});

test("what touches the machine, what loads as it likes, and what takes long has a process of its own", (t) => {
  const processes = scene(t, {
    "x/dist/a.test.js": PURE,
    "x/dist/disk.test.js": `${PURE}import { open } from "node:fs/promises";\n`,
    "x/dist/many.test.js": `import {\n  a,\n  b,\n} from "@atlasnet/core/node";\n`,
    "x/dist/later.test.js": `${PURE}await import("./b.js");\n`,
    "x/dist/env.test.js": `${PURE}process.chdir("/");\n`,
    "x/dist/suite.test.js": 'import { suite } from "./suite.js";\nsuite();\n',
    "x/dist/x.property.test.js": PURE,
    "x/dist/b.test.js": PURE,
  });
  assert.deepEqual(
    processes.map(({ names }) => names.length),
    [2, 1, 1, 1, 1, 1, 1],
  );
});

test("a process has twelve files at most", (t) => {
  const names = Array.from({ length: 13 }, (_, at) => `${at}.test.js`);
  const processes = scene(t, Object.fromEntries(names.map((name) => [`x/dist/${name}`, PURE])));
  assert.deepEqual(
    processes.map((each) => each.names.length),
    [12, 1],
  );
});
