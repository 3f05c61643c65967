import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";

export interface SigningKey {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly region: string;
}

const AUTHORIZATION =
  /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})$/;
/** Headers without which a request could be replayed elsewhere or with another body. */
const NEEDED = ["host", "x-amz-content-sha256", "x-amz-date"];

/**
 * What is wrong with the signature of a request (AWS Signature Version 4), or undefined. Written from the
 * description of the algorithm and independent of the library that signs, so that it tests that too.
 */
export function signatureProblem(request: IncomingMessage, key: SigningKey): string | undefined {
  const [, id, day = "", region, names = "", signature = ""] =
    AUTHORIZATION.exec(request.headers.authorization ?? "") ?? [];
  if (id === undefined) return "AccessDenied";
  if (id !== key.accessKeyId) return "InvalidAccessKeyId";
  if (region !== key.region) return "AuthorizationHeaderMalformed";
  const signed = names.split(";");
  if (NEEDED.some((name) => !signed.includes(name))) return "AccessDenied";
  const header = (name: string) => String(request.headers[name] ?? "").trim();
  const time = header("x-amz-date");
  if (!/^\d{8}T\d{6}Z$/.test(time) || !time.startsWith(day)) return "RequestTimeTooSkewed";
  const url = new URL(request.url ?? "/", "http://bucket");
  const canonical = [
    request.method,
    url.pathname.split("/").map(decodeURIComponent).map(encoded).join("/"),
    [...url.searchParams]
      .map(([name, value]) => `${encoded(name)}=${encoded(value)}`)
      .sort()
      .join("&"),
    ...signed.map((name) => `${name}:${header(name).replace(/\s+/g, " ")}`),
    "",
    names,
    header("x-amz-content-sha256"),
  ].join("\n");
  const scope = `${day}/${region}/s3/aws4_request`;
  const hashed = createHash("sha256").update(canonical).digest("hex");
  const derived = [day, region, "s3", "aws4_request"].reduce<string | Buffer>(
    (secret, part) => createHmac("sha256", secret).update(part).digest(),
    `AWS4${key.secretAccessKey}`,
  );
  const right = createHmac("sha256", derived)
    .update(["AWS4-HMAC-SHA256", time, scope, hashed].join("\n"))
    .digest();
  return timingSafeEqual(right, Buffer.from(signature, "hex"))
    ? undefined
    : "SignatureDoesNotMatch";
}

function encoded(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
