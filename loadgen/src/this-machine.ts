/** Load must not hit strangers, so where it goes is looked at here. */
export function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(hostname);
}

/**
 * Of the addresses that a welcome names, the first that clients of `url` may go to and that is not on this
 * machine. Those with another scheme do not count: no client takes them.
 */
export function leadingAway(url: string, endpoints: readonly string[]): string | undefined {
  const scheme = url.slice(0, url.indexOf("://") + 3);
  return endpoints
    .map((name) => (name.includes("://") ? name.toLowerCase() : scheme + name))
    .find((name) => name.startsWith(scheme) && !isLoopback(hostnameOf(name)));
}

function hostnameOf(url: string): string {
  try {
    return new URL(url).hostname;
  } catch {
    // What is no address is nowhere, and certainly not here.
    return "";
  }
}
