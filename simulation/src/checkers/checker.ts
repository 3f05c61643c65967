/** Watches one rule of the design. It says what it saw; whoever runs the simulation ends it then. */
export interface Checker {
  /** Its number in the design, and a name for people. */
  readonly rule: string;
  /** How often it looked: a checker that saw nothing proves nothing. */
  readonly looked: number;
}
