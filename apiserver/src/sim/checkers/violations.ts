import { SimViolation } from "../../raft/sim/violation.ts";

/** Keeps the first violation: who notices one may be called by a process, and would only end that. */
export class Violations {
  first: SimViolation | undefined;
  readonly now: () => number;

  constructor(now: () => number) {
    this.now = now;
  }

  add(rule: string, what: string): void {
    this.first ??= new SimViolation(rule, `at ${this.now().toFixed(1)} ms: ${what}`);
  }

  /** For checkers that throw. */
  collect(check: () => void): void {
    try {
      check();
    } catch (error) {
      if (!(error instanceof SimViolation)) throw error;
      this.add(error.rule, error.message.slice(error.rule.length + 2));
    }
  }
}
