import { X509Certificate } from "node:crypto";
import { type Clock, type Config, OperatingError, pause } from "@atlasnet/core";
import {
  type ClusterLinks,
  type ClusterLinksOptions,
  registerLinkMetrics,
  type ServiceHost,
  version,
} from "@atlasnet/core/node";
import { systemClock, systemRandom } from "@atlasnet/core/system";
import {
  createVerifyPeer,
  type NodeIdentity,
  type ObtainIdentityOptions,
  obtainIdentity,
  watchRenewal,
} from "@atlasnet/identity";
import { QuicNetwork } from "./link/quic-network.ts";
import { registerQuicMetrics } from "./metrics.ts";

/**
 * The QUIC links of a process of a cluster: its identity as the settings `identity.*` say, renewed by itself,
 * and a network with the settings `links.*`. No socket is open yet.
 * @throws OperatingError of the identity: what is missing, and what to do
 */
export async function openClusterLinks(
  options: ClusterLinksOptions,
  host: ServiceHost,
  clock: Clock = systemClock,
): Promise<ClusterLinks> {
  const { config, role, accepts, bind } = options;
  const { logger, meter } = host;
  const now = () => clock.wallTime();
  const place = placeOf(config, role);
  const identity = await whenReachable(
    config.cluster.apiservers,
    async () => (await obtainIdentity(place, { logger, now })).identity,
    { host, clock },
  );
  const own = new OwnIdentity(identity);
  const { idleTimeoutMs, maxPacketBytes, bulkBytesPerSecond } = config.links;
  const network = new QuicNetwork(
    {
      self: { role, node: config.node.id },
      accepts,
      ...bind,
      idleTimeoutMs,
      maxPacketBytes,
      bulkBytesPerSecond,
      software: `atlasnet ${version}`,
    },
    {
      credentials: identity,
      verifyPeer: (chain, at) => own.verifyPeer(chain, at),
      lookup: (node) => options.lookup(node),
      clock,
      random: systemRandom,
      logger,
      now,
    },
  );
  host.part("links", () => network.stop());
  registerLinkMetrics(meter, network.stats, "quic");
  registerQuicMetrics(meter, network);
  const renewal = watchRenewal(
    { ...place, identity },
    {
      logger,
      clock,
      onRenewed: (renewed) => {
        network.setCredentials(renewed.identity);
        own.take(renewed.identity);
      },
    },
  );
  host.part("renewal of the certificate", () => renewal.stop());
  showIdentity(host, own, now);
  return linksOf(network, own);
}

/** Between two tries to fetch the first certificate. */
const JOIN_PAUSE_MS = 2000;

/**
 * A node that joins by apiservers waits for them, as it does when it has its certificate: a cluster may be started in
 * any order. `/ready` says meanwhile that it is starting, the log why.
 */
async function whenReachable<T>(
  apiservers: readonly string[],
  obtain: () => Promise<T>,
  { host, clock }: { readonly host: ServiceHost; readonly clock: Clock },
): Promise<T> {
  for (let told = false; ; told = true) {
    try {
      return await obtain();
    } catch (error) {
      const isDown = error instanceof OperatingError && error.code === "ca-unreachable";
      if (!isDown || apiservers.length === 0 || host.stopSignal.aborted) throw error;
      if (!told)
        host.logger.warn("No apiserver can be asked for a certificate; this node goes on trying.", {
          apiservers: apiservers.join(", "),
          error,
        });
      await pause(clock, JOIN_PAUSE_MS, host.stopSignal);
    }
  }
}

function placeOf(
  { identity, node, cluster }: Config,
  role: NodeIdentity["role"],
): ObtainIdentityOptions {
  const { dir, ca, join } = identity;
  return {
    dir,
    role,
    node: node.id,
    apiservers: cluster.apiservers,
    ...(ca === undefined ? {} : { ca }),
    ...(join === undefined ? {} : { join }),
  };
}

/** The identity as it was renewed last, and the check of peers by its authorities. */
class OwnIdentity {
  now: NodeIdentity;
  verifyPeer: ReturnType<typeof createVerifyPeer>;

  constructor(identity: NodeIdentity) {
    this.now = identity;
    this.verifyPeer = createVerifyPeer(identity.authorities, identity.cluster);
  }

  take(identity: NodeIdentity): void {
    // While a CA is replaced, a renewal brings the next one's certificate, too.
    if (identity.authorities !== this.now.authorities)
      this.verifyPeer = createVerifyPeer(identity.authorities, identity.cluster);
    this.now = identity;
  }
}

/** Not ready without a good certificate: links that stand go on, new ones are refused. */
function showIdentity({ health, meter }: ServiceHost, own: OwnIdentity, now: () => number): void {
  health.add({
    name: "identity",
    check: () => {
      const { notAfter } = own.now;
      if (now() <= notAfter) return { ok: true };
      const end = new Date(notAfter).toISOString();
      return { ok: false, reason: `the node's certificate expired at ${end}` };
    },
  });
  meter
    .createObservableGauge("atlasnet_identity_expiry_timestamp_seconds", {
      description: "When the node's certificate ends, Unix time",
      unit: "s",
    })
    .addCallback((result) => result.observe(own.now.notAfter / 1000));
}

function linksOf(network: QuicNetwork, own: OwnIdentity): ClusterLinks {
  return {
    network,
    get address() {
      return network.address;
    },
    get identity() {
      const { cluster, role, node, notAfter } = own.now;
      return { cluster, role, node, notAfter };
    },
    get certificate() {
      const { certificate, authorities } = own.now;
      return { fingerprint: fingerprintOf(certificate), authorities };
    },
  };
}

/** Of the node's own certificate, which comes first. */
function fingerprintOf(pem: string): string {
  return new X509Certificate(pem).fingerprint256.replaceAll(":", "").toLowerCase();
}
