import { stat } from "node:fs/promises";
import { join } from "node:path";
import { type ApiserverService, createApiserverService } from "@atlasnet/apiserver";
import {
  type Config,
  generationOf,
  InProcessNetwork,
  OperatingError,
  type RenewalPort,
  SHARDS,
} from "@atlasnet/core";
import type { ServiceHost } from "@atlasnet/core/node";
import { CLUSTER, NODE } from "./names.ts";

/** Links are within the process: there is nobody to prove anything to. */
const NO_CERTIFICATE = { fingerprint: "0".repeat(64), authorities: "" };
/** Where gameservers have kept their worlds ever since. */
const WORLDS_FOLDER = "worlds";
const LOOPBACK = /^(localhost|::1|127(\.\d{1,3}){3})$/;

/**
 * The control plane of a monolith: an apiserver whose group is itself. It leads when this resolves.
 * @throws an error that says what to do.
 */
export async function startGroupOfOne(
  config: Config,
  host: ServiceHost,
): Promise<ApiserverService> {
  const { apiserver, node } = config;
  refuseOpenApi(config);
  const network = new InProcessNetwork().node({ role: "apiserver", node: NODE });
  const service = await createApiserverService(
    {
      config: { ...config, node: { ...node, id: NODE } },
      peers: new Map([[NODE, { host: apiserver.host, port: 0 }]]),
      alone: true,
    },
    {
      host,
      links: {
        network,
        identity: {
          role: "apiserver",
          node: NODE,
          cluster: CLUSTER,
          notAfter: Number.POSITIVE_INFINITY,
        },
        certificate: NO_CERTIFICATE,
      },
    },
  );
  await raiseAboveFormerEpochs(config, service);
  return service;
}

/** Renewals of one node of the process. */
export function renewalsOf({ renewals }: ApiserverService, node: string): RenewalPort {
  return { renew: (request) => renewals.renew(node, request) };
}

/**
 * Worlds of a version without a control store counted their epochs by themselves. Claims are to be above them
 * all, as if they had always been claims.
 */
async function raiseAboveFormerEpochs(
  { data }: Config,
  { store, raiseGeneration }: ApiserverService,
): Promise<void> {
  const { items, revision } = await store.range({ prefix: SHARDS, limit: 1 });
  if (items.length > 0 || generationOf(revision) > 0) return;
  if (await isThere(join(data.dir, WORLDS_FOLDER))) await raiseGeneration();
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return false;
    throw error;
  }
}

function refuseOpenApi({ apiserver: { http, host, tls } }: Config): void {
  if (!http || LOOPBACK.test(host) || tls.cert !== undefined) return;
  throw new OperatingError(
    "needs-tls",
    `apiserver.host: the API is not served on ${host} without TLS`,
    {
      hint: "Set apiserver.tls.cert and apiserver.tls.key, leave apiserver.host at 127.0.0.1, or turn the API off with apiserver.http = false.",
    },
  );
}
