/** Most addresses a client keeps of a cluster; more are ignored. */
const MAX_ENDPOINTS = 16;
/** Longest address that is taken from a welcome, in characters. */
const MAX_ADDRESS_LENGTH = 512;

/**
 * Which address comes next: the one in use, then all others that the game gave or the cluster named, in
 * an order of chance, so that the clients of a server that died do not all go to the same one.
 */
export class Endpoints {
  private readonly given: readonly string[];
  private readonly random: () => number;
  /** In the order they are tried, each once: then from the beginning. */
  private order: readonly string[];
  private at = 0;

  /** `urls` has one at least; `random` gives numbers from 0 up to, not including, 1. */
  constructor(urls: readonly string[], random: () => number) {
    const [first] = urls;
    if (first === undefined) throw new TypeError("a client needs the address of a server");
    this.given = urls;
    this.random = random;
    this.order = [first, ...this.shuffled(urls.slice(1))];
  }

  get current(): string {
    return this.order[this.at] ?? "";
  }

  get size(): number {
    return this.order.length;
  }

  /** All but the current one, in an order of chance. */
  get others(): readonly string[] {
    return this.shuffled(this.order.filter((url) => url !== this.current));
  }

  /** Makes one of them the current one. */
  use(url: string): void {
    this.at = Math.max(0, this.order.indexOf(url));
  }

  /** The current one did not work. */
  next(): void {
    this.at = (this.at + 1) % this.order.length;
  }

  /** The connection to the current one is gone; it comes first, or with `away` last. */
  lost(away: boolean): void {
    const { current } = this;
    const others = this.shuffled(this.order.filter((url) => url !== current));
    this.order = away ? [...others, current] : [current, ...others];
    this.at = 0;
  }

  /**
   * Takes over what a welcome names: `host:port` with the scheme and the path of the current address, or
   * an address of that scheme. Others do not count: a server must not lead a client from TLS to plain
   * text, or a browser to a transport it has not got.
   */
  learn(named: readonly string[]): void {
    const { current } = this;
    const fit = named.flatMap((name) => addressLike(current, name) ?? []);
    const known = new Set([current, ...this.given, ...this.shuffled(fit)]);
    this.order = [...known].slice(0, MAX_ENDPOINTS);
    this.at = 0;
  }

  private shuffled(urls: readonly string[]): string[] {
    const rest = [...urls];
    const out: string[] = [];
    while (rest.length > 0) out.push(...rest.splice(Math.floor(this.random() * rest.length), 1));
    return out;
  }
}

/** The address of `name`, reached as `url` is; undefined when it cannot be. */
function addressLike(url: string, name: string): string | undefined {
  if (name.length > MAX_ADDRESS_LENGTH) return undefined;
  if (name.includes("://")) return schemeOf(name) === schemeOf(url) ? name : undefined;
  if (!/^[^\s/?#@\\]+$/.test(name)) return undefined;
  const path = /^[^:]*:\/\/[^/?#]*(.*)$/.exec(url)?.[1] ?? "";
  return `${schemeOf(url)}//${name}${path}`;
}

function schemeOf(url: string): string {
  return url.slice(0, url.indexOf(":") + 1).toLowerCase();
}
