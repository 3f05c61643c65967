import {
  certify,
  DAY_MS,
  DEFAULT_CA_DAYS,
  DEFAULT_NODE_DAYS,
  makeAuthority,
  type Span,
  spanOfDays,
} from "./authority.ts";
import { createVerifyPeer } from "./create-verify-peer.ts";
import type { NodeIdentity } from "./node-identity.ts";
import type { VerifyPeer } from "./verify-peer.ts";
import { newKeyPair, privateKeyPem } from "./x509.ts";

/** A CA in memory, for tests of what needs identities. */
export interface TestCa {
  readonly cluster: string;
  /** PEM. */
  readonly authorities: string;
  readonly verifyPeer: VerifyPeer;
  /** Good from five minutes ago for 90 days, unless the span says otherwise (Unix time in ms). */
  issue(name: Pick<NodeIdentity, "role" | "node">, span?: Partial<Span>): Promise<NodeIdentity>;
}

/** A CA for tests; nothing is written anywhere. `now` is Unix time in ms, by default the machine's. */
export async function createTestCa(
  options: { cluster?: string; now?: number; span?: Partial<Span> } = {},
): Promise<TestCa> {
  const { cluster = "cluster-test", now = Date.now() } = options;
  const usual = spanOfDays(now, DEFAULT_NODE_DAYS);
  // From long ago on, so that tests can have certificates that expired long ago.
  const authority = await makeAuthority(cluster, {
    notBefore: now - DEFAULT_CA_DAYS * DAY_MS,
    notAfter: now + DEFAULT_CA_DAYS * DAY_MS,
    ...options.span,
  });
  const authorities = authority.certificate;
  return {
    cluster,
    authorities,
    verifyPeer: createVerifyPeer(authorities, cluster),
    async issue({ role, node }, span = {}) {
      const keys = await newKeyPair();
      const issued = await certify(authority, { role, node }, keys.publicKey, {
        ...usual,
        ...span,
      });
      const { certificate, notBefore, notAfter } = issued;
      const privateKey = await privateKeyPem(keys.privateKey);
      return { cluster, role, node, certificate, privateKey, authorities, notBefore, notAfter };
    },
  };
}
