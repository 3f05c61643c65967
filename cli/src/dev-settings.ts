import type { Command } from "commander";
import { UsageError } from "./usage-error.ts";

/** Settings given to `dev` in front of a command below it, as in `dev --port 1 netem`, would mean nothing. */
export function refuseDevSettings(dev: Command, below: string): void {
  const given = dev.options.find(
    (option) => dev.getOptionValueSource(option.attributeName()) !== undefined,
  );
  if (given !== undefined)
    throw new UsageError(
      `unknown option '${given.long ?? given.flags}' in front of ${below}`,
      `Options stand behind it: atlasnet dev ${below} --help`,
    );
}
