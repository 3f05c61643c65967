/** Largest value of settings that have no natural end. */
export const MANY = 1_000_000_000;
export const DAY_MS = 86_400_000;

export const HOST = /^[^\s/]+$/;
export const HOST_ALLOWED = "a host name or an IP address";

/** A group of 224.0.0.0/4 and a port; parsed by wire/multicast-address.ts. */
export const MULTICAST_ADDRESS = new RegExp(
  "^(22[4-9]|23\\d)(\\.(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)){3}" +
    ":(6553[0-5]|655[0-2]\\d|65[0-4]\\d\\d|6[0-4]\\d{3}|[1-5]\\d{4}|[1-9]\\d{0,3})$",
);
/** Numbers without leading zeros: every topic has one name. */
export const MULTICAST_TOPIC =
  /^[A-Za-z][A-Za-z0-9_-]{0,63}\/([A-Za-z][A-Za-z0-9_-]{0,63}|cell(\/(0|[1-9]\d{0,9})(,(0|[1-9]\d{0,9})){1,2}))$/;

/** What a path that may be an address of a bucket is not resolved for. */
export const ADDRESS_OF_BUCKET = /^s3:\/\/\S+$/;

export const PEER = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}=(\[[0-9A-Fa-f:.]+\]|[^\s/:=]+):\d{1,5}$/;

/** Of an apiserver's HTTP API. */
export const API_ADDRESS = /^https?:\/\/(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9][A-Za-z0-9.-]*):\d{1,5}\/?$/;
export const API_ADDRESS_ALLOWED =
  "http://HOST:PORT or https://HOST:PORT, as in https://10.0.0.1:8080";

export const HOST_PORT = /^(\[[0-9A-Fa-f:.]+\]|[^\s/:=]+):\d{1,5}$/;

/** As in records of nodes; a value has neither blanks nor commas, so that lists of labels can be written. */
export const LABEL = /^[A-Za-z0-9][A-Za-z0-9._/-]{0,127}=[!-+\--~]{0,128}$/;

export const port = (meaning: string, defaultPort: number) =>
  ({
    type: "integer",
    min: 0,
    max: 65_535,
    default: defaultPort,
    meaning: `${meaning} 0 takes any free one.`,
  }) as const;

/** A host's name as a node id: what does not fit becomes a dash. */
export function nodeIdOf(hostname: string): string {
  const id = hostname.replaceAll(/[^A-Za-z0-9._-]/g, "-").replace(/^[^A-Za-z0-9]+/, "");
  return id.slice(0, 64) || "local";
}
