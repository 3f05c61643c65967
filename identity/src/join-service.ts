import type { Logger, Peer } from "@atlasnet/core";
import * as v from "valibot";
import { certificatesOf, dateText, parseCertificate } from "./certificate.ts";
import type { ClusterCa } from "./cluster-ca.ts";
import { createVerifyPeer } from "./create-verify-peer.ts";
import { checkJoinToken, type JoinToken } from "./join-token.ts";
import { keyFingerprint, keyOfRequest } from "./node-key.ts";
import { checkRenewalProof } from "./renewal-proof.ts";
import {
  type CertificateAnswer,
  JoinRequest,
  ProvedRenewRequest,
  type RefusalCode,
  RenewRequest,
} from "./wire.ts";

export type JoinAnswer =
  | { readonly ok: true; readonly answer: CertificateAnswer }
  | { readonly ok: false; readonly code: RefusalCode; readonly message: string };

type PublicKey = Parameters<ClusterCa["certify"]>[1];

/** What `atlasnet ca serve` decides, and an apiserver that has the CA's folder: who gets a certificate. Nothing a stranger sends makes it throw. */
export class JoinService {
  private readonly ca: ClusterCa;
  private readonly logger: Logger;
  private readonly now: () => number;
  private readonly verifyPeer: ReturnType<typeof createVerifyPeer>;
  /** Joins one after another, so that of two nodes with one id the second sees the first's certificate. */
  private turn: Promise<unknown> = Promise.resolve();

  constructor({ ca }: { ca: ClusterCa }, { logger, now }: { logger: Logger; now(): number }) {
    this.ca = ca;
    this.logger = logger;
    this.now = now;
    this.verifyPeer = createVerifyPeer(ca.authorities, ca.cluster);
  }

  /** The first certificate of a node, against a join token. Rejects only for what is wrong with the CA's folder. */
  async join(body: unknown): Promise<JoinAnswer> {
    const parsed = v.safeParse(JoinRequest, body);
    if (!parsed.success) return badRequest("POST /v1/join takes {token, csr, role, node}");
    const { csr, role, node } = parsed.output;
    const checked = await checkJoinToken(this.ca.authority, parsed.output.token, this.now());
    if (!checked.ok) return checked;
    const mismatch = tokenMismatch(checked.token, role, node);
    if (mismatch !== undefined) return mismatch;
    const request = await keyOfRequest(csr);
    if (!request.ok) return { ok: false, code: "bad-csr", message: request.problem };
    const { publicKey } = request;
    return this.inTurn(async () => {
      const named = checked.token.node === node;
      const taken = named ? undefined : await this.takenBy(node, publicKey);
      if (taken !== undefined) return taken;
      return this.certify(role, node, publicKey, "A node joined the cluster.");
    });
  }

  /** The next certificate of a node, against its present one (DER), which the TLS handshake has proved. */
  async renew(der: Uint8Array | undefined, body: unknown): Promise<JoinAnswer> {
    const parsed = v.safeParse(RenewRequest, body);
    if (!parsed.success) return badRequest("POST /v1/renew takes {csr}");
    return this.renewFor(der, parsed.output.csr);
  }

  /** The same where no TLS handshake has proved it: the body has the certificate, and a proof that is a signature. */
  async renewProved(body: unknown): Promise<JoinAnswer> {
    const parsed = v.safeParse(ProvedRenewRequest, body);
    if (!parsed.success) return badRequest("POST /v1/renew takes {csr, certificate, proof}");
    const { csr, certificate, proof } = parsed.output;
    const [der] = certificatesOf(certificate);
    const present = der && parseCertificate(der);
    if (present === undefined) return badRequest("certificate: one in PEM is needed");
    const problem = await checkRenewalProof({ csr, proof, certificate: present }, this.now());
    if (problem !== undefined) return { ok: false, code: "bad-certificate", message: problem };
    return this.renewFor(der, csr);
  }

  private async renewFor(der: Uint8Array | undefined, csr: string): Promise<JoinAnswer> {
    const verified = this.verifyPeer(der === undefined ? [] : [der], this.now());
    const present = der && parseCertificate(der);
    if (!verified.ok || present === undefined)
      return {
        ok: false,
        code: "bad-certificate",
        message: verified.ok ? "the certificate cannot be read" : verified.reason,
      };
    const { role, node } = verified.peer;
    const { records, dir } = this.ca;
    if ((await records.find(node, present.x509.serialNumber)) === undefined)
      return {
        ok: false,
        code: "unknown-certificate",
        message: `the certificate of ${node} is not in the CA's records (${dir}, issued): it was removed there, or another CA issued it`,
      };
    const request = await keyOfRequest(csr);
    if (!request.ok) return { ok: false, code: "bad-csr", message: request.problem };
    return this.certify(role, node, request.publicKey, "A node renewed its certificate.");
  }

  private async certify(
    role: Peer["role"],
    node: string,
    publicKey: PublicKey,
    event: string,
  ): Promise<JoinAnswer> {
    const issued = await this.ca.certify({ role, node }, publicKey);
    const secrets = role === "proxy" ? await this.ca.secrets() : undefined;
    const { certificate, serial, notAfter } = issued;
    this.logger.info(event, { role, node, serial, until: dateText(notAfter) });
    const { authorities } = this.ca;
    const answer = { certificate, authorities, ...(secrets === undefined ? {} : { secrets }) };
    return { ok: true, answer };
  }

  /** Why this node id is not to be had; not for the same key, whose first answer may have been lost. */
  private async takenBy(node: string, publicKey: PublicKey): Promise<JoinAnswer | undefined> {
    const key = await keyFingerprint(publicKey);
    const held = await this.ca.records.ofNode(node);
    const now = this.now();
    const other = held.find((record) => record.notAfter > now && record.key !== key);
    if (other === undefined) return undefined;
    const until = dateText(other.notAfter);
    return {
      ok: false,
      code: "node-taken",
      message: `node ${node} (${other.role}) has a certificate until ${until}, and this token does not name the node`,
    };
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.turn.then(work);
    // Whoever asked hears of a failure; the next one does not.
    this.turn = result.catch(() => undefined);
    return result;
  }
}

function tokenMismatch(token: JoinToken, role: Peer["role"], node: string): JoinAnswer | undefined {
  if (token.role !== role)
    return {
      ok: false,
      code: "wrong-role",
      message: `the join token is for a ${token.role}, the node is a ${role}`,
    };
  if (token.node !== undefined && token.node !== node)
    return {
      ok: false,
      code: "wrong-node",
      message: `the join token is for node ${token.node}, the node is ${node}`,
    };
  return undefined;
}

function badRequest(message: string): JoinAnswer {
  return { ok: false, code: "bad-request", message };
}
