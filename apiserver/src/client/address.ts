import { OperatingError } from "@atlasnet/core";

/** Apiservers that a client may name. */
export const MAX_ADDRESSES = 32;

export const ADDRESS_ALLOWED =
  "http://HOST:PORT or https://HOST:PORT, several with commas, as in https://10.0.0.1:8080,https://10.0.0.2:8080";

/** @throws OperatingError "bad-address" */
export function parseApiAddresses(texts: readonly string[]): readonly URL[] {
  const parts = texts.flatMap((text) => text.split(",")).filter((text) => text.trim() !== "");
  if (parts.length === 0 || parts.length > MAX_ADDRESSES)
    throw badAddress(`${parts.length} addresses; 1 to ${MAX_ADDRESSES} are allowed`);
  return parts.map((text) => parse(text.trim()));
}

function parse(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const plain =
    url !== undefined &&
    (url.protocol === "http:" || url.protocol === "https:") &&
    url.hostname !== "" &&
    url.username === "" &&
    (url.pathname === "/" || url.pathname === "") &&
    url.search === "" &&
    url.hash === "";
  if (!plain) throw badAddress(`found "${text.slice(0, 200)}"`);
  return url;
}

function badAddress(found: string): OperatingError {
  return new OperatingError("bad-address", `address of an apiserver: ${found}`, {
    hint: `Allowed: ${ADDRESS_ALLOWED}.`,
  });
}
