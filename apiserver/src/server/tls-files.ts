import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { type Clock, type Logger, OperatingError, type Timer } from "@atlasnet/core";
import { messageOf } from "@atlasnet/core/system";

/** PEM. */
export interface TlsPair {
  readonly cert: string;
  readonly key: string;
}

export interface TlsFilesOptions {
  /** Paths. */
  readonly cert: string;
  readonly key: string;
}

/** The files are read again so often: renewals come long before a certificate ends. */
export const TLS_LOOK_MS = 10_000;

/**
 * The certificate of the HTTP API and its key, as files that are replaced when a certificate is renewed. A pair that
 * does not belong together, because only one file is new yet, is passed over until both are.
 */
export class TlsFiles {
  private readonly options: TlsFilesOptions;
  private readonly clock: Clock;
  private readonly logger: Logger;
  private current: TlsPair | undefined;
  private timer: Timer | undefined;
  private stopped = false;
  private problem: string | undefined;

  constructor(options: TlsFilesOptions, { clock, logger }: { clock: Clock; logger: Logger }) {
    this.options = options;
    this.clock = clock;
    this.logger = logger;
  }

  /** @throws OperatingError "unreadable-file" */
  async read(): Promise<TlsPair> {
    const [cert, key] = await Promise.all([
      readPem("apiserver.tls.cert", this.options.cert),
      readPem("apiserver.tls.key", this.options.key),
    ]);
    this.current = { cert, key };
    return this.current;
  }

  /** Calls `onChange` for each new pair from then on, until `stop`. */
  follow(onChange: (pair: TlsPair) => void): void {
    if (this.stopped) return;
    this.timer = this.clock.setTimer(TLS_LOOK_MS, () => {
      void this.look(onChange).then(() => this.follow(onChange));
    });
  }

  stop(): void {
    this.stopped = true;
    this.timer?.cancel();
  }

  private async look(onChange: (pair: TlsPair) => void): Promise<void> {
    const before = this.current;
    try {
      const pair = await this.read();
      if (this.stopped || (pair.cert === before?.cert && pair.key === before.key)) return;
      if (!new X509Certificate(pair.cert).checkPrivateKey(createPrivateKey(pair.key)))
        throw new Error("the key is not that of the certificate");
      onChange(pair);
      this.problem = undefined;
      const { validTo } = new X509Certificate(pair.cert);
      this.logger.info("The HTTP API has a new certificate.", { until: validTo });
    } catch (error) {
      this.current = before;
      const problem = messageOf(error);
      // Once for each: it may stay so for long.
      if (problem !== this.problem)
        this.logger.warn("The new certificate of the HTTP API cannot be used; the old one stays.", {
          ...this.options,
          error,
        });
      this.problem = problem;
    }
  }
}

async function readPem(setting: string, file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw new OperatingError("unreadable-file", `${setting}: ${messageOf(cause)}`, {
      cause,
      hint: "Let it name a PEM file that this user may read.",
    });
  }
}
