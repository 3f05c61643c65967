import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { OperatingError } from "@atlasnet/core";

/** PEM texts, as in NodeIdentity. */
export interface QuicCredentials {
  /** Our own certificate first, then any between it and the authority. */
  readonly certificate: string;
  /** PKCS 8, P-256. */
  readonly privateKey: string;
  readonly authorities: string;
}

const HINT =
  "Have the node's certificate issued again (atlasnet ca issue, or a join token), and check links' identity folder.";

/** @throws OperatingError "bad-credentials" that says which of the three is no good, and why. */
export function checkCredentials(credentials: QuicCredentials): void {
  const certificate = readCertificate("certificate", credentials.certificate);
  readCertificate("authorities", credentials.authorities);
  const key = readKey(credentials.privateKey);
  if (!certificate.checkPrivateKey(key))
    throw badCredentials("the private key does not belong to the certificate");
  if (key.asymmetricKeyDetails?.namedCurve !== "prime256v1")
    throw badCredentials("the private key is not of the kind P-256");
}

export function badCredentials(what: string, cause?: unknown): OperatingError {
  return new OperatingError("bad-credentials", `links cannot open: ${what}`, { cause, hint: HINT });
}

function readCertificate(field: "certificate" | "authorities", pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw badCredentials(`${field} is no certificate in PEM`, cause);
  }
}

function readKey(pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (cause) {
    throw badCredentials("privateKey is no private key in PEM", cause);
  }
}
