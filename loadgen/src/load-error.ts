import { OperatingError } from "@atlasnet/core";

/**
 * A load that cannot be made. `bad-load`: an option is wrong; `no-scout`: the server does not let anybody
 * in; `load-lost`: every process that made load is gone.
 */
export class LoadError extends OperatingError {
  /** The option of LoadOptions that is wrong, and what is wrong with it; undefined for other codes. */
  readonly option: string | undefined;
  readonly problem: string;

  constructor(
    code: "bad-load" | "no-scout" | "load-lost",
    problem: string,
    about: { option?: string; hint?: string | undefined } = {},
  ) {
    const { option, hint } = about;
    const message = option === undefined ? problem : `${option}: ${problem}`;
    super(code, message, hint === undefined ? {} : { hint });
    this.option = option;
    this.problem = problem;
  }
}
