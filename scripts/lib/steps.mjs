import { report } from "./test-runner.mjs";

/** Steps of a script that count like tests. */
export class Steps {
  count = { passed: 0, failed: 0, skipped: 0 };
  name;

  constructor(name) {
    this.name = name;
  }

  /** Runs one step; a failure is printed and counted. Says whether it went well. */
  async step(name, body) {
    try {
      await body();
      this.count.passed++;
      console.log(`ok      ${name}`);
      return true;
    } catch (error) {
      this.count.failed++;
      console.log(`not ok  ${name}\n${error instanceof Error ? error.message : error}`);
      return false;
    }
  }

  report() {
    report([[this.name, this.count]]);
  }
}
