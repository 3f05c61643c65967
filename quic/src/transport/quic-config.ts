import type { NativeConfig, Quiche } from "./binding.ts";
import { badCredentials, type QuicCredentials } from "./credentials.ts";

/** Named in the handshake, so that nothing else that speaks QUIC is mistaken for a link. */
export const ALPN = "atlasnet-link";

/** Bytes a peer may have under way on one stream, and in all, before we have read them. */
const STREAM_WINDOW_BYTES = 8 << 20;
const CONNECTION_WINDOW_BYTES = 16 << 20;

/** Datagrams that wait to be sent, or to be read at the end of the turn; more are dropped. */
const DATAGRAM_QUEUE = 4096;

interface ConfigOptions {
  readonly idleTimeoutMs: number;
  readonly maxPacketBytes: number;
  readonly maxStreams: number;
  /** Of one connection that is taken in. */
  readonly resetToken?: bigint;
}

/**
 * What connections begin with. TLS 1.3, both sides show a certificate and prove that they have its key;
 * the chain is not judged here ("verify, allow failure"), so that whoever listens to `established` can
 * judge it and name the reason. The credentials are checked already.
 * @throws OperatingError "bad-credentials" when TLS does not take them
 */
export function createConfig(
  quiche: Quiche,
  credentials: QuicCredentials,
  options: ConfigOptions,
): NativeConfig {
  const config = withCredentials(quiche, credentials);
  config.setApplicationProtos([ALPN]);
  config.grease(false);
  config.setMaxIdleTimeout(options.idleTimeoutMs);
  config.setMaxRecvUdpPayloadSize(options.maxPacketBytes);
  config.setMaxSendUdpPayloadSize(options.maxPacketBytes);
  config.setInitialMaxData(CONNECTION_WINDOW_BYTES);
  config.setMaxConnectionWindow(CONNECTION_WINDOW_BYTES);
  config.setInitialMaxStreamDataUni(STREAM_WINDOW_BYTES);
  config.setMaxStreamWindow(STREAM_WINDOW_BYTES);
  config.setInitialMaxStreamsUni(options.maxStreams);
  // Links speak one way per stream: a stream of both ways is a violation.
  config.setInitialMaxStreamsBidi(0);
  config.setDisableActiveMigration(true);
  config.enablePacing(false);
  config.enableDgram(true, DATAGRAM_QUEUE, DATAGRAM_QUEUE);
  if (options.resetToken !== undefined) config.setStatelessResetToken(options.resetToken);
  return config;
}

function withCredentials(quiche: Quiche, credentials: QuicCredentials): NativeConfig {
  const text = new TextEncoder();
  try {
    return quiche.Config.withBoringSslCtx(
      true,
      true,
      text.encode(credentials.authorities),
      [text.encode(credentials.privateKey)],
      [text.encode(credentials.certificate)],
      null,
    );
  } catch (cause) {
    throw badCredentials("TLS does not take the certificate, key and authorities", cause);
  }
}
