import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Clock } from "@atlasnet/core";
import { AwsV4Signer } from "aws4fetch";
import { ArtifactError } from "../artifact-error.ts";
import type { ByteStream } from "../artifact-store.ts";
import { errorText } from "./list-xml.ts";

export interface BucketCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Of temporary credentials. */
  readonly sessionToken?: string | undefined;
}

export interface BucketOptions {
  /** `https://s3.eu-central-1.amazonaws.com`, `http://127.0.0.1:9000`. */
  readonly endpoint: string;
  readonly region: string;
  readonly bucket: string;
  /** `path`: endpoint/bucket/key, which every server knows; `host`: bucket.endpoint/key. */
  readonly addressing: "path" | "host";
  readonly credentials: BucketCredentials;
  /** Longest silence on a connection, in ms. */
  readonly silenceMs: number;
}

export interface BucketDependencies {
  readonly clock: Clock;
}

export interface BucketRequest {
  readonly method: "GET" | "HEAD" | "PUT" | "DELETE";
  /** Absent: the bucket itself. Letters, digits, `-`, `_`, `.` and `/`. */
  readonly key?: string;
  readonly query?: { readonly [name: string]: string };
  readonly body?: BucketBody;
}

export interface BucketBody {
  readonly content: ByteStream;
  readonly sha256: string;
  readonly bytes: number;
}

export interface BucketAnswer {
  /** 200, 204 or 404. */
  readonly status: number;
  /** To be read to its end, or destroyed. */
  readonly body: IncomingMessage;
}

/** SHA-256 of nothing, for requests without a body. */
const EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/** Requests without a body are tried so often in all. A body is sent once: its stream is used up then. */
export const MAX_TRIES = 3;
const RETRY_MS = 200;
/** Of an error's text that is read. */
const MAX_ERROR_BYTES = 64 * 1024;

/**
 * Requests to one bucket, signed with AWS Signature Version 4, the hash of the body included. It speaks
 * those few calls of S3 that all of its likenesses have.
 */
export class BucketClient {
  readonly where: string;
  private readonly options: BucketOptions;
  private readonly clock: Clock;

  constructor(options: BucketOptions, { clock }: BucketDependencies) {
    this.options = options;
    this.clock = clock;
    this.where = `bucket ${options.bucket} at ${new URL(options.endpoint).origin}`;
  }

  /**
   * @throws ArtifactError "artifact-store-unreachable", "artifact-store-refused"; errors of a body's content
   * as they are.
   */
  async send(request: BucketRequest): Promise<BucketAnswer> {
    for (let tries = 1; ; tries++) {
      const last = tries >= MAX_TRIES || request.body !== undefined;
      try {
        return await this.accepted(await this.once(request));
      } catch (error) {
        const passing =
          error instanceof ArtifactError && error.code === "artifact-store-unreachable";
        if (last || !passing) throw error;
      }
      await this.pause(RETRY_MS * tries);
    }
  }

  /** A problem with a body that `send` gave, as a person needs it. */
  unreachable(problem: string, cause?: unknown): ArtifactError {
    return new ArtifactError("artifact-store-unreachable", `${this.where} ${problem}`, {
      hint: "Look at the endpoint, the network and the server; then try again.",
      ...(cause === undefined ? {} : { cause }),
    });
  }

  private async once(asked: BucketRequest): Promise<IncomingMessage> {
    const { body } = asked;
    const { url, headers } = await this.signed(asked);
    if (body !== undefined) headers.set("content-length", String(body.bytes));
    const start = url.protocol === "https:" ? httpsRequest : httpRequest;
    const request = start(url, {
      method: asked.method,
      headers: Object.fromEntries(headers),
      timeout: this.options.silenceMs,
      // A kept connection may just be ending, and a body cannot be sent twice.
      ...(body === undefined ? {} : { agent: false }),
    });
    request.on("timeout", () => {
      request.destroy(new Error(`silent for ${this.options.silenceMs} ms`));
    });
    const fault: ContentFault = { error: undefined };
    try {
      return await new Promise<IncomingMessage>((resolve, reject) => {
        request.on("error", reject);
        request.once("response", resolve);
        if (body === undefined) request.end();
        else pipeline(Readable.from(noted(body.content, fault)), request).catch(reject);
      });
    } catch (error) {
      request.destroy();
      // What the sender's stream says is for the sender, and no fault of the bucket.
      if (fault.error !== undefined) throw fault.error;
      throw this.unreachable("cannot be reached", error);
    }
  }

  private async signed({ method, key, query, body }: BucketRequest) {
    const { credentials, region } = this.options;
    const { accessKeyId, secretAccessKey, sessionToken } = credentials;
    const signer = new AwsV4Signer({
      method,
      url: this.url(key, query),
      headers: { "x-amz-content-sha256": body?.sha256 ?? EMPTY_SHA256 },
      service: "s3",
      region,
      accessKeyId,
      secretAccessKey,
      ...(sessionToken === undefined ? {} : { sessionToken }),
      datetime: amzDate(this.clock.wallTime()),
    });
    const { url, headers } = await signer.sign();
    return { url, headers };
  }

  private url(key: string | undefined, query: BucketRequest["query"]): string {
    const { endpoint, bucket, addressing } = this.options;
    const url = new URL(endpoint);
    if (addressing === "host") url.hostname = `${bucket}.${url.hostname}`;
    const base = url.pathname.replace(/\/+$/, "");
    const folder = addressing === "host" ? "" : `/${bucket}`;
    url.pathname = key === undefined ? `${base}${folder}` : `${base}${folder}/${key}`;
    for (const [name, value] of Object.entries(query ?? {})) url.searchParams.set(name, value);
    return url.href;
  }

  private async accepted(body: IncomingMessage): Promise<BucketAnswer> {
    const status = body.statusCode ?? 0;
    if (status === 200 || status === 204) return { status, body };
    const text = await this.text(body, MAX_ERROR_BYTES);
    // HEAD has no text: there a missing bucket looks like a missing object.
    if (status === 404 && !text.includes("<Code>NoSuchBucket</Code>")) return { status, body };
    const why = errorText(text);
    if (status >= 500 || status === 429)
      throw this.unreachable(`answers ${status}${why === "" ? "" : ` ${why}`}`);
    throw new ArtifactError(
      "artifact-store-refused",
      `${this.where} refuses: ${status}${why === "" ? "" : ` ${why}`}`,
      {
        facts: { status },
        hint: "Look at the bucket's name, its region, the credentials and what they may do.",
      },
    );
  }

  /** The text of an answer. @throws ArtifactError when there is more of it, or the connection ends. */
  async text(body: IncomingMessage, maxBytes: number): Promise<string> {
    const pieces: Uint8Array[] = [];
    let length = 0;
    try {
      for await (const piece of body) {
        pieces.push(piece);
        length += piece.length;
        if (length > maxBytes) throw new Error(`an answer of more than ${maxBytes} bytes`);
      }
    } catch (error) {
      throw this.unreachable("breaks off its answer", error);
    }
    return Buffer.concat(pieces).toString("utf8");
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.clock.setTimer(ms, resolve);
    });
  }
}

interface ContentFault {
  error: unknown;
}

async function* noted(content: ByteStream, fault: ContentFault): ByteStream {
  try {
    yield* content;
  } catch (error) {
    fault.error = error;
    throw error;
  }
}

/** As signatures have it: 20260131T235959Z. */
function amzDate(wallTime: number): string {
  return new Date(wallTime).toISOString().replace(/[:-]|\.\d{3}/g, "");
}
