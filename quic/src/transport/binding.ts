import { OperatingError } from "@atlasnet/core";
import type { native } from "@matrixai/quic";

/** The native quiche of `@matrixai/quic`: its functions and the classes Config, Connection and Header. */
export type Quiche = typeof native.quiche;
export type NativeConnection = native.Connection;
export type NativeConfig = native.Config;
export type NativeHeader = native.Header;

type Import = () => Promise<{ readonly native: { readonly quiche: Quiche } }>;

let loaded: Promise<Quiche> | undefined;

/**
 * Loads the native binding, once, when the first endpoint opens: a process without QUIC links (the
 * monolith) neither needs the binary nor pays for it.
 * @throws OperatingError "quic-unavailable" where there is no binary for this platform.
 */
export function loadBinding(): Promise<Quiche> {
  loaded ??= importBinding(() => import("@matrixai/quic"));
  return loaded;
}

/** `loadBinding` with another import, for tests. */
export async function importBinding(load: Import): Promise<Quiche> {
  try {
    return (await load()).native.quiche;
  } catch (cause) {
    const platform = `${process.platform}-${process.arch}`;
    throw new OperatingError(
      "quic-unavailable",
      `links between processes need QUIC, and there is no native QUIC library for ${platform} here`,
      {
        cause,
        facts: { platform: process.platform, arch: process.arch },
        hint: `It comes as the optional package @matrixai/quic-${platform}: install again without --omit=optional, on linux-x64 (glibc), macOS or win32-x64. The monolith needs no links and runs without it.`,
      },
    );
  }
}
