import { OperatingError } from "@atlasnet/core";

/**
 * A load that cannot be made. `bad-load`: the options are wrong; `no-scout`: the server does not let anybody
 * in; `load-lost`: every process that made load is gone.
 */
export class LoadError extends OperatingError {
  constructor(code: "bad-load" | "no-scout" | "load-lost", message: string, hint?: string) {
    super(code, message, hint === undefined ? {} : { hint });
  }
}
