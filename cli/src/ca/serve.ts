import { createLogger } from "@atlasnet/core/node";
import type { Command } from "commander";
import type { CliIo } from "../cli-io.ts";
import { aborted } from "../stop-signal.ts";
import { UsageError } from "../usage-error.ts";
import { addDirOption, type CaDirOptions, dirWords, loadIdentity, openCaOf } from "./options.ts";

interface ServeOptions extends CaDirOptions {
  host: string;
  port: string;
}

/** `atlasnet ca serve`: until it is asked to stop. */
export function addCaServe(ca: Command, io: CliIo): void {
  const command = ca
    .command("serve")
    .description("let nodes fetch and renew their certificates over the network");
  addDirOption(command)
    .option("--host <address>", "address to listen on", "0.0.0.0")
    .option("--port <port>", "TCP port; 0 takes a free one", "2558")
    .action(async (options: ServeOptions) => {
      const port = /^\d{1,5}$/.test(options.port) ? Number(options.port) : -1;
      if (port < 0 || port > 65_535)
        throw new UsageError(`--port: found "${options.port}", allowed: 0 to 65535`);
      const { addressText } = await loadIdentity();
      const { CaServer } = await import("@atlasnet/identity/server");
      const opened = await openCaOf(io, options);
      const logger = await createLogger(
        {},
        { write: (line) => io.talk(line), isTTY: io.live ?? false },
      );
      const server = new CaServer({ ca: opened, host: options.host, port }, { logger });
      await server.start();
      try {
        const { cluster, authority } = opened;
        const at = addressText(server.address ?? { host: options.host, port });
        io.talk(`The CA of ${cluster} listens on ${at} (CA certificate ${authority.fingerprint.slice(0, 16)}…).
A token for a new node: atlasnet ca token${dirWords(io, options)} --role gameserver
Stop with Ctrl-C; nodes that run do not need it before they renew.
`);
        await aborted(io.stop);
      } finally {
        await server.stop();
      }
    });
}
