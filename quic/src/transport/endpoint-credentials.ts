import type { NativeConfig, Quiche } from "./binding.ts";
import type { ConnectionOptions } from "./connection-host.ts";
import { checkCredentials, type QuicCredentials } from "./credentials.ts";
import { createConfig } from "./quic-config.ts";
import { ResetTokens } from "./reset-tokens.ts";

/** What new connections of an endpoint begin with; replaced as a whole when a certificate is renewed. */
export class EndpointCredentials {
  private readonly quiche: Quiche;
  private readonly credentials: QuicCredentials;
  private readonly options: ConnectionOptions;
  readonly resets: ResetTokens;
  /** For connections we begin. */
  readonly dialling: NativeConfig;

  /** @throws OperatingError "bad-credentials" */
  constructor(quiche: Quiche, credentials: QuicCredentials, options: ConnectionOptions) {
    checkCredentials(credentials);
    this.quiche = quiche;
    this.credentials = credentials;
    this.options = options;
    this.resets = new ResetTokens(credentials);
    this.dialling = createConfig(quiche, credentials, options);
  }

  /** For one that is taken in: it tells the client the token of its id. */
  takingIn(id: Uint8Array): NativeConfig {
    const options = { ...this.options, resetToken: this.resets.number(id) };
    return createConfig(this.quiche, this.credentials, options);
  }
}
