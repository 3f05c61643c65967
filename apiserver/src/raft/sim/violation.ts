/** Something a checker watches for has happened. */
export class SimViolation extends Error {
  readonly rule: string;

  constructor(rule: string, what: string) {
    super(`${rule}: ${what}`);
    this.name = "SimViolation";
    this.rule = rule;
  }
}
