import { lookup as dnsLookup } from "node:dns";
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { LookupFunction } from "node:net";
import { checkServerIdentity as ofCertificate } from "node:tls";

/** As the package makes its own, and for IPv6 addresses, too: it leaves them in the brackets that an URL needs. */
export function connections(secure: boolean, ca: string | undefined): HttpAgent | HttpsAgent {
  const plain = (host: string) => host.replace(/^\[(.*)\]$/, "$1");
  const lookup: LookupFunction = (host, options, callback) =>
    dnsLookup(plain(host), options, callback);
  if (!secure) return new HttpAgent({ keepAlive: true, lookup });
  const checkServerIdentity: typeof ofCertificate = (host, certificate) =>
    ofCertificate(plain(host), certificate);
  return new HttpsAgent({
    ...{ keepAlive: true, lookup, checkServerIdentity },
    ...(ca !== undefined && { ca }),
  });
}
