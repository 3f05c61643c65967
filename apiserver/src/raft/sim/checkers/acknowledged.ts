import { SimViolation } from "../violation.ts";

/** A command that was acknowledged is there to stay, once. */
export class Acknowledged {
  private readonly values = new Set<number>();

  get count(): number {
    return this.values.size;
  }

  add(value: number): void {
    this.values.add(value);
  }

  check(id: string, values: readonly number[]): void {
    const held = new Set(values);
    if (held.size !== values.length)
      throw new SimViolation("acknowledged commands", `${id} has applied a command twice`);
    for (const value of this.values)
      if (!held.has(value))
        throw new SimViolation("acknowledged commands", `${id} lost command ${value}`);
  }
}
