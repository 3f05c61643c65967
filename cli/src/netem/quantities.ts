import { isIP } from "node:net";
import type { HostPort } from "@atlasnet/netem";
import { UsageError } from "../usage-error.ts";

interface Quantity {
  /** Units and what they are worth. */
  readonly units: ReadonlyMap<string, number>;
  readonly min: number;
  readonly max: number;
  /** What to write instead. */
  readonly allowed: string;
  readonly integer?: boolean;
}

const PERCENT: Quantity = {
  units: new Map([["%", 0.01]]),
  min: 0,
  max: 1,
  allowed: "0% to 100%, as in 5% or 0.5%",
};
const TIME: Quantity = {
  units: new Map([
    ["ms", 1],
    ["s", 1_000],
  ]),
  min: 0,
  max: 10_000,
  allowed: "a time up to 10 s, as in 50ms or 1.5s",
};
const INTERVAL: Quantity = {
  units: new Map([
    ["ms", 1],
    ["s", 1_000],
    ["m", 60_000],
  ]),
  min: 100,
  max: 86_400_000,
  allowed: "a time from 100 ms to a day, as in 500ms, 10s or 2m",
};
/** In bytes per second. */
const RATE: Quantity = {
  units: new Map([
    ["kbit", 125],
    ["mbit", 125_000],
    ["gbit", 125_000_000],
  ]),
  min: 1_000,
  max: 10_000_000_000,
  allowed: "8kbit to 80gbit per second, as in 1mbit or 500kbit",
};
const SIZE: Quantity = {
  units: new Map([
    ["", 1],
    ["kib", 1_024],
    ["mib", 1_048_576],
  ]),
  min: 1_500,
  max: 67_108_864,
  allowed: "1500 bytes to 64mib, as in 65536 or 64kib",
  integer: true,
};
const SEED: Quantity = {
  units: new Map([["", 1]]),
  min: 0,
  max: 4_294_967_295,
  allowed: "a whole number from 0 to 4294967295",
  integer: true,
};
const BURST: Quantity = {
  units: new Map([["", 1]]),
  min: 1,
  max: 1_000,
  allowed: "a mean number of packets from 1 to 1000",
};
const COUNT: Quantity = {
  units: new Map([["", 1]]),
  min: 1,
  max: 65_535,
  allowed: "a whole number from 1 to 65535",
  integer: true,
};

export const parsePercent = reader(PERCENT);
export const parseTimeMs = reader(TIME);
export const parseIntervalMs = reader(INTERVAL);
export const parseRate = reader(RATE);
export const parseSize = reader(SIZE);
export const parseSeed = reader(SEED);
export const parseBurst = reader(BURST);
export const parseCount = reader(COUNT);

/** What `flag` says, in the unit of the model. @throws UsageError that names the flag. */
function reader({ units, min, max, allowed, integer = false }: Quantity) {
  return (flag: string, text: string): number => {
    const [, digits = "", name = ""] =
      /^(\d{1,12}(?:\.\d{1,6})?)([a-z%]*)$/.exec(text.toLowerCase()) ?? [];
    const unit = units.get(name);
    const value = digits === "" || unit === undefined ? Number.NaN : Number(digits) * unit;
    if (!(value >= min && value <= max) || (integer && !Number.isInteger(value)))
      throw refused(flag, text, allowed);
    return value;
  };
}

export function refused(flag: string, found: string, allowed: string): UsageError {
  return new UsageError(`${flag}: found "${found}", allowed: ${allowed}`);
}

/** `host:port`, `[::1]:port` or a port alone, which is one of `defaultHost`. @throws UsageError */
export function parseAddress(
  flag: string,
  text: string,
  { defaultHost, minPort }: { defaultHost: string; minPort: number },
): HostPort {
  const [, bracketed, name, digits = ""] =
    /^(?:\[([^\]]+)\]:|([^:[\]]+):)?(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  const host = bracketed ?? name ?? defaultHost;
  const badHost = bracketed !== undefined && isIP(bracketed) !== 6;
  if (digits === "" || port < minPort || port > 65_535 || badHost)
    throw refused(
      flag,
      text,
      `a port from ${minPort} to 65535, or host:port, as in 127.0.0.1:2555 or [::1]:2555`,
    );
  return { host, port };
}
