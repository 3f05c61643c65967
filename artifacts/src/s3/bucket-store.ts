import {
  type ArtifactFacts,
  type ArtifactKind,
  type ArtifactStore,
  type ByteStream,
  MAX_ARTIFACTS,
  MODULE_TARBALLS,
} from "../artifact-store.ts";
import { checked, checkFacts, type Mismatch, wrongUpload } from "../checked-stream.ts";
import { assertDigest, type Digest, isDigest } from "../digest.ts";
import { notFound, tooMany } from "../store-problems.ts";
import { BucketClient, type BucketDependencies, type BucketOptions } from "./bucket-client.ts";
import { type ListPage, parseListPage } from "./list-xml.ts";

export interface BucketStoreOptions extends BucketOptions {
  /** Before the names of objects, as in `atlasnet/`; may be empty. */
  readonly prefix: string;
  /** Default MODULE_TARBALLS. */
  readonly kind?: ArtifactKind;
}

/** One page of a listing holds 1,000 keys at most. */
const MAX_PAGE_BYTES = 4 * 1024 * 1024;

/** Artifacts as objects `<prefix><digest><suffix>` of an S3-compatible bucket. */
export class BucketStore implements ArtifactStore {
  private readonly prefix: string;
  private readonly kind: ArtifactKind;
  private readonly client: BucketClient;

  constructor(
    { prefix, kind = MODULE_TARBALLS, ...bucket }: BucketStoreOptions,
    dependencies: BucketDependencies,
  ) {
    this.prefix = prefix;
    this.kind = kind;
    this.client = new BucketClient(bucket, dependencies);
  }

  async put(content: ByteStream, facts: ArtifactFacts): Promise<void> {
    checkFacts(facts, this.kind);
    const { digest, bytes } = facts;
    // A wrong stream lacks its last piece, so the bucket never has the length it was told; and it checks
    // the hash, for that is signed.
    const pieces = checked(content, facts, wrongUpload(this.kind), this.kind);
    const body = { content: pieces, sha256: digest, bytes };
    const answer = await this.client.send({ method: "PUT", key: this.key(digest), body });
    answer.body.resume();
    if (answer.status === 404) throw this.client.unreachable("has no such place");
  }

  async get(digest: Digest): Promise<ByteStream> {
    const key = this.key(digest);
    const { status, body } = await this.client.send({ method: "GET", key });
    if (status === 404) throw notFound(digest, this.client.where, this.kind);
    const damaged: Mismatch = {
      code: "artifact-damaged",
      hint: this.kind.hints.damaged(`the object ${key}`),
    };
    return checked(this.pieces(body), { digest, bytes: undefined }, damaged, this.kind);
  }

  async has(digest: Digest): Promise<boolean> {
    const { status, body } = await this.client.send({ method: "HEAD", key: this.key(digest) });
    body.resume();
    return status !== 404;
  }

  async list(): Promise<readonly Digest[]> {
    const { suffix } = this.kind;
    const digests: Digest[] = [];
    let next: string | undefined;
    do {
      const page = await this.page(next);
      for (const key of page.keys) {
        const name = key.startsWith(this.prefix) ? key.slice(this.prefix.length) : "";
        const digest = name.endsWith(suffix) ? name.slice(0, -suffix.length) : "";
        if (isDigest(digest)) digests.push(digest);
      }
      if (digests.length > MAX_ARTIFACTS) throw tooMany(this.client.where, this.kind);
      next = page.next;
    } while (next !== undefined);
    return digests.sort();
  }

  async remove(digest: Digest): Promise<void> {
    const { body } = await this.client.send({ method: "DELETE", key: this.key(digest) });
    body.resume();
  }

  private key(digest: Digest): string {
    assertDigest(digest);
    return `${this.prefix}${digest}${this.kind.suffix}`;
  }

  private async page(token: string | undefined): Promise<ListPage> {
    const query = {
      "list-type": "2",
      prefix: this.prefix,
      ...(token === undefined ? {} : { "continuation-token": token }),
    };
    const { body } = await this.client.send({ method: "GET", query });
    const page = parseListPage(await this.client.text(body, MAX_PAGE_BYTES));
    // A page that says it goes on where it ended would be asked for without end.
    if (page === undefined || (token !== undefined && page.next === token))
      throw this.client.unreachable("answers a listing with something else");
    return page;
  }

  private async *pieces(body: AsyncIterable<Uint8Array>): ByteStream {
    try {
      yield* body;
    } catch (error) {
      throw this.client.unreachable("breaks off in the middle of what was asked for", error);
    }
  }
}
