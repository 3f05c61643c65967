import assert from "node:assert/strict";
import test from "node:test";
import { yamlText } from "./yaml.ts";

test("maps, lists and what only looks like text", () => {
  const value = {
    node: "gs-1",
    cordoned: false,
    labels: { zone: "eu", gpu: "yes", count: "7" },
    modules: ["./arena.js", "*"],
    nothing: null,
    absent: undefined,
    empty: [],
    none: {},
    nested: [{ a: 1, b: [true, "two words"] }, [1, 2]],
    text: "a: b\n#c",
    "odd key:": 1.5,
  };
  assert.equal(
    yamlText(value),
    `node: gs-1
cordoned: false
labels:
  zone: eu
  gpu: "yes"
  count: "7"
modules:
  - "./arena.js"
  - "*"
nothing: null
empty: []
none: {}
nested:
  - a: 1
    b:
      - true
      - two words
  - - 1
    - 2
text: "a: b\\n#c"
"odd key:": 1.5
`,
  );
});
