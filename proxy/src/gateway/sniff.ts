/** Tells client protocols apart by their first bytes (docs/protocol.md, section 1). */

export type Sniffed = "more" | "framed" | "tls" | "http" | "lines";

export const FRAMED_MAGIC = Uint8Array.of(0xa7, 0x4e, 0x45, 0x54);

const TLS_HANDSHAKE = 0x16;

const HTTP_METHODS = [
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "DELETE",
  "CONNECT",
  "OPTIONS",
  "TRACE",
  "PATCH",
  "PRI",
].map((method) => new TextEncoder().encode(`${method} `));

/** `more` only while the bytes could still become two different things: at most 7 bytes. */
export function sniff(bytes: Uint8Array): Sniffed {
  if (bytes.length === 0) return "more";
  if (bytes[0] === TLS_HANDSHAKE) return "tls";
  switch (startsWith(bytes, FRAMED_MAGIC)) {
    case "yes":
      return "framed";
    case "maybe":
      return "more";
    default:
  }
  let open = false;
  for (const method of HTTP_METHODS) {
    const match = startsWith(bytes, method);
    if (match === "yes") return "http";
    if (match === "maybe") open = true;
  }
  return open ? "more" : "lines";
}

function startsWith(bytes: Uint8Array, start: Uint8Array): "yes" | "no" | "maybe" {
  const length = Math.min(bytes.length, start.length);
  for (let i = 0; i < length; i++) if (bytes[i] !== start[i]) return "no";
  return bytes.length >= start.length ? "yes" : "maybe";
}
