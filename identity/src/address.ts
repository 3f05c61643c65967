/** Where `atlasnet ca serve` listens unless told otherwise. */
export const DEFAULT_CA_PORT = 2558;

export interface Address {
  readonly host: string;
  readonly port: number;
}

export const ADDRESS_ALLOWED =
  "HOST or HOST:PORT, as in 10.0.0.5:2558, ca.example.net or [fd00::5]:2558";

const ADDRESS = /^(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9][A-Za-z0-9.-]{0,252}))(?::(\d{1,5}))?$/;

/** Undefined for what is no address. Without a port it is the usual one. */
export function parseAddress(text: string): Address | undefined {
  const [, six, name, digits] = ADDRESS.exec(text) ?? [];
  const host = six ?? name;
  const port = digits === undefined ? DEFAULT_CA_PORT : Number(digits);
  return host === undefined || port < 1 || port > 65_535 ? undefined : { host, port };
}

export function addressText({ host, port }: Address): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
