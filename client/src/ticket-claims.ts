/** What a ticket says, unverified: it came from the game's own servers. Undefined when it cannot be read. */
export function ticketClaims(ticket: string): { [claim: string]: unknown } | undefined {
  const [, claims = ""] = ticket.split(".");
  try {
    const value: unknown = JSON.parse(atob(claims.replaceAll("-", "+").replaceAll("_", "/")));
    return typeof value === "object" && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
