import { join } from "node:path";
import { type Clock, type Disk, DiskError, type SecureRandom } from "@atlasnet/core";
import { storageError } from "@atlasnet/core/system";
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

export interface DirectoryStoreOptions {
  /** Made when it is not there. Several processes may share it. */
  readonly dir: string;
  /** Default MODULE_TARBALLS. */
  readonly kind?: ArtifactKind;
}

export interface DirectoryStoreDependencies {
  readonly disk: Disk;
  readonly clock: Pick<Clock, "wallTime">;
  readonly random: SecureRandom;
}

/** Bytes that are read at once. */
const READ_BYTES = 256 * 1024;
/** Drafts of a process that died are removed after this time; a write that takes longer is lost. */
export const DRAFT_AGE_MS = 3_600_000;
const DRAFT = /^[0-9a-f]{64}\.(\d{1,15})-[0-9a-f]{12}\.draft$/;

/**
 * Artifacts as files `<digest><suffix>` of one folder. Each is written beside its place, checked, made
 * durable, and then renamed into it.
 */
export class DirectoryStore implements ArtifactStore {
  private readonly dir: string;
  private readonly kind: ArtifactKind;
  private readonly disk: Disk;
  private readonly clock: Pick<Clock, "wallTime">;
  private readonly random: SecureRandom;
  private prepared: Promise<void> | undefined;

  constructor(
    { dir, kind = MODULE_TARBALLS }: DirectoryStoreOptions,
    { disk, clock, random }: DirectoryStoreDependencies,
  ) {
    this.dir = dir;
    this.kind = kind;
    this.disk = disk;
    this.clock = clock;
    this.random = random;
  }

  async put(content: ByteStream, facts: ArtifactFacts): Promise<void> {
    checkFacts(facts, this.kind);
    await this.prepare();
    const nonce = Buffer.from(this.random.bytes(6)).toString("hex");
    const draft = join(
      this.dir,
      `${facts.digest}.${Math.trunc(this.clock.wallTime())}-${nonce}.draft`,
    );
    try {
      await this.write(draft, checked(content, facts, wrongUpload(this.kind), this.kind));
      await this.disk.rename(draft, this.path(facts.digest));
      await this.disk.syncDir(this.dir);
    } catch (error) {
      await this.disk.remove(draft).catch(ignoreMissing);
      throw this.storage(`cannot store the ${this.kind.noun}`, error);
    }
  }

  async get(digest: Digest): Promise<ByteStream> {
    if (!(await this.has(digest))) throw notFound(digest, `folder ${this.dir}`, this.kind);
    const damaged: Mismatch = {
      code: "artifact-damaged",
      hint: this.kind.hints.damaged(`the file ${this.path(digest)}`),
    };
    return checked(this.pieces(digest), { digest, bytes: undefined }, damaged, this.kind);
  }

  async has(digest: Digest): Promise<boolean> {
    assertDigest(digest);
    try {
      // A file without content is none: no artifact is empty.
      return (await this.disk.readPart(this.path(digest), 0, 1)).length === 1;
    } catch (error) {
      if (error instanceof DiskError && error.code === "ENOENT") return false;
      throw this.storage(`cannot read the ${this.kind.noun}`, error);
    }
  }

  async list(): Promise<readonly Digest[]> {
    await this.prepare();
    const { suffix } = this.kind;
    const digests = (await this.names())
      .filter((name) => name.endsWith(suffix))
      .map((name) => name.slice(0, -suffix.length))
      .filter(isDigest);
    if (digests.length > MAX_ARTIFACTS) throw tooMany(`folder ${this.dir}`, this.kind);
    return digests;
  }

  async remove(digest: Digest): Promise<void> {
    assertDigest(digest);
    try {
      await this.disk.remove(this.path(digest)).catch(ignoreMissing);
      await this.prepare();
      await this.disk.syncDir(this.dir);
    } catch (error) {
      throw this.storage(`cannot remove the ${this.kind.noun}`, error);
    }
  }

  private path(digest: Digest): string {
    return join(this.dir, `${digest}${this.kind.suffix}`);
  }

  private async write(draft: string, content: ByteStream): Promise<void> {
    const file = await this.disk.open(draft);
    try {
      for await (const piece of content) await file.write(piece);
      await file.sync();
    } finally {
      await file.close();
    }
  }

  private async *pieces(digest: Digest): ByteStream {
    for (let at = 0; ; ) {
      const piece = await this.disk
        .readPart(this.path(digest), at, READ_BYTES)
        .catch((error: unknown) => {
          throw this.storage(`cannot read the ${this.kind.noun}`, error);
        });
      if (piece.length === 0) return;
      yield piece;
      at += piece.length;
    }
  }

  /** Once; after an error again. */
  private prepare(): Promise<void> {
    this.prepared ??= this.makeDir().catch((error: unknown) => {
      this.prepared = undefined;
      throw this.storage(`cannot use the store of ${this.kind.noun}s`, error);
    });
    return this.prepared;
  }

  private async makeDir(): Promise<void> {
    await this.disk.makeDir(this.dir);
    const before = this.clock.wallTime() - DRAFT_AGE_MS;
    for (const name of await this.names()) {
      const [, made] = DRAFT.exec(name) ?? [];
      if (made !== undefined && Number(made) < before)
        await this.disk.remove(join(this.dir, name)).catch(ignoreMissing);
    }
  }

  private async names(): Promise<readonly string[]> {
    try {
      return await this.disk.list(this.dir);
    } catch (error) {
      throw this.storage(`cannot list the store of ${this.kind.noun}s`, error);
    }
  }

  private storage(what: string, error: unknown): unknown {
    return storageError("artifact-storage", what, error);
  }
}

/** What is gone needs no removal; another process may have been quicker. */
function ignoreMissing(error: unknown): void {
  if (!(error instanceof DiskError && error.code === "ENOENT")) throw error;
}
