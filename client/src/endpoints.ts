/** Most addresses a client keeps of a cluster; more are ignored. */
const MAX_ENDPOINTS = 16;

/** Which address comes next: the given one first, then those that the cluster named. */
export class Endpoints {
  private readonly first: string;
  private urls: string[];
  private at = 0;

  constructor(url: string) {
    this.first = url;
    this.urls = [url];
  }

  get current(): string {
    return this.urls[this.at] ?? this.first;
  }

  /** The current one did not work. */
  next(): void {
    this.at = (this.at + 1) % this.urls.length;
  }

  /**
   * Takes over what a welcome names. Only addresses with the scheme of the given one count: a server
   * must not lead a client from TLS to plain text, or a browser to a transport it has not got.
   */
  learn(named: readonly string[]): void {
    const current = this.current;
    const scheme = schemeOf(this.first);
    const fit = named
      .map((name) => (name.includes("://") ? name : `${scheme}//${name}`))
      .filter((name) => schemeOf(name) === scheme);
    this.urls = [...new Set([this.first, current, ...fit])].slice(0, MAX_ENDPOINTS);
    this.at = Math.max(0, this.urls.indexOf(current));
  }
}

function schemeOf(url: string): string {
  return url.slice(0, url.indexOf(":") + 1).toLowerCase();
}
