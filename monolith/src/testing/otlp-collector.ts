import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { TestContext } from "node:test";
import { readSpans, type SentSpan } from "./otlp-spans.ts";

/** A collector of traces as OpenTelemetry's: it takes OTLP over HTTP and keeps the spans. */
export class OtlpCollector {
  readonly endpoint: string;
  private readonly received: SentSpan[] = [];

  private constructor(endpoint: string) {
    this.endpoint = endpoint;
  }

  /** Ends with its test. */
  static async start(t: TestContext): Promise<OtlpCollector> {
    const server: Server = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on("data", (part: Buffer) => parts.push(part));
      request.on("end", () => {
        collector.received.push(...readSpans(Buffer.concat(parts)));
        response.writeHead(200, { "content-type": "application/x-protobuf" }).end();
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    assert.ok(typeof address === "object" && address !== null);
    const collector = new OtlpCollector(`http://127.0.0.1:${address.port}`);
    t.after(() => {
      server.closeAllConnections();
      server.close();
    });
    return collector;
  }

  spans(name: string): readonly SentSpan[] {
    return this.received.filter((span) => span.name === name);
  }
}
