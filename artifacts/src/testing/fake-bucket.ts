import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type SigningKey, signatureProblem } from "./signature.ts";

export interface FakeBucketOptions {
  readonly bucket: string;
  readonly key: SigningKey;
  /** Keys of one page of a listing. */
  readonly pageKeys: number;
}

/** What happens to the next requests, one each. */
export type Fault =
  | { readonly type: "status"; readonly status: number }
  /** The connection ends before an answer. */
  | { readonly type: "hang-up" }
  /** No answer ever comes. */
  | { readonly type: "silence" }
  /** It ends after half of the answer's body. */
  | { readonly type: "break-off" };

/**
 * An S3-compatible server with one bucket in memory, on loopback. It checks signatures, wants lengths and the hash
 * of bodies as S3 does, and shows an object only when all of it has come.
 */
export class FakeBucket {
  readonly objects = new Map<string, Buffer>();
  readonly faults: Fault[] = [];
  /** `PUT /bucket/key`, in the order of their arrival. */
  readonly requests: string[] = [];
  private readonly options: FakeBucketOptions;
  private readonly server: Server;

  constructor(options: FakeBucketOptions) {
    this.options = options;
    this.server = createServer((request, response) => {
      this.handle(request, response).catch(() => response.destroy());
    });
  }

  async start(): Promise<void> {
    this.server.listen(0, "127.0.0.1");
    await once(this.server, "listening");
  }

  async stop(): Promise<void> {
    if (!this.server.listening) return;
    this.server.close();
    this.server.closeAllConnections();
    await once(this.server, "close");
  }

  get endpoint(): string {
    const address = this.server.address();
    if (address === null || typeof address === "string") throw new Error("the server is not up");
    return `http://127.0.0.1:${address.port}`;
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "", url = "/" } = request;
    this.requests.push(`${method} ${url}`);
    const fault = this.faults.shift();
    if (fault?.type === "hang-up") return void request.socket.destroy();
    if (fault?.type === "silence") return;
    if (fault?.type === "status") return refuse(response, fault.status, "InternalError");
    const problem = signatureProblem(request, this.options.key);
    if (problem !== undefined) return refuse(response, 403, problem);
    const { pathname, searchParams } = new URL(url, "http://bucket");
    const [, bucket, ...rest] = pathname.split("/");
    if (bucket !== this.options.bucket) return refuse(response, 404, "NoSuchBucket");
    const key = rest.map(decodeURIComponent).join("/");
    if (key === "") return this.listPage(searchParams, response);
    if (method === "PUT") return await this.put(key, request, response);
    const object = this.objects.get(key);
    if (method === "DELETE") this.objects.delete(key);
    if (method === "DELETE") return void response.writeHead(204).end();
    if (object === undefined) return refuse(response, 404, "NoSuchKey");
    response.writeHead(200, { "content-length": object.length });
    if (method === "HEAD") return void response.end();
    if (fault?.type !== "break-off") return void response.end(object);
    response.write(object.subarray(0, object.length / 2), () => response.destroy());
  }

  private async put(
    key: string,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const length = request.headers["content-length"];
    if (length === undefined) return refuse(response, 411, "MissingContentLength");
    const pieces: Buffer[] = [];
    // A body that ends early is an error here, and nothing is kept.
    for await (const piece of request) pieces.push(piece);
    const object = Buffer.concat(pieces);
    const found = createHash("sha256").update(object).digest("hex");
    if (found !== request.headers["x-amz-content-sha256"])
      return refuse(response, 400, "XAmzContentSHA256Mismatch");
    this.objects.set(key, object);
    response.writeHead(200).end();
  }

  private listPage(query: URLSearchParams, response: ServerResponse): void {
    if (query.get("list-type") !== "2") return refuse(response, 400, "InvalidArgument");
    const after = query.get("continuation-token") ?? "";
    const keys = [...this.objects.keys()]
      .filter((key) => key.startsWith(query.get("prefix") ?? ""))
      // A token with a letter that XML escapes, as real ones may have.
      .filter((key) => `<${key}>` > after)
      .sort();
    const page = keys.slice(0, this.options.pageKeys);
    const more = keys.length > page.length;
    const contents = page.map((key) => `<Contents><Key>${key}</Key><Size>1</Size></Contents>`);
    const token = `&lt;${page.at(-1)}&gt;`;
    response
      .writeHead(200, { "content-type": "application/xml" })
      .end(
        `<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${`<IsTruncated>${more}</IsTruncated>${contents.join("\n")}`}${more ? `<NextContinuationToken>${token}</NextContinuationToken>` : ""}</ListBucketResult>`,
      );
  }
}

function refuse(response: ServerResponse, status: number, code: string): void {
  response
    .writeHead(status, { "content-type": "application/xml" })
    .end(`<Error><Code>${code}</Code><Message>refused &amp; why</Message></Error>`);
}
