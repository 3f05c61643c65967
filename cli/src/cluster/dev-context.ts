import { type Context, readContexts, writeContexts } from "../api/context-file.ts";
import type { CliIo } from "../cli-io.ts";

/** Under this name the CLI knows the cluster of `atlasnet dev cluster`. */
export const DEV_CONTEXT = "dev";

/**
 * Lets `--context dev` lead to this cluster. False: there is a context of that name that leads to other machines, and
 * stays. It is never made the current one, for it is of no use once the cluster is gone.
 * @throws OperatingError "bad-contexts"
 */
export async function rememberContext(
  io: CliIo,
  { addresses, tokenFile }: { readonly addresses: readonly string[]; readonly tokenFile: string },
): Promise<boolean> {
  const { current, contexts } = await readContexts(io);
  const before = Object.hasOwn(contexts, DEV_CONTEXT) ? contexts[DEV_CONTEXT] : undefined;
  if (before !== undefined && !isOfThisMachine(before)) return false;
  if (before?.tokenFile === tokenFile && String(before.addresses) === String(addresses))
    return true;
  const changed = { ...contexts, [DEV_CONTEXT]: { addresses, tokenFile } };
  await writeContexts(io, { current, contexts: changed });
  return true;
}

function isOfThisMachine({ addresses }: Context): boolean {
  return addresses.every((address) => /^http:\/\/(?:localhost|127\.)/.test(address));
}

/** What to say before the CLI's commands when there is no such context. */
export function environmentText({
  addresses,
  tokenFile,
}: {
  readonly addresses: readonly string[];
  readonly tokenFile: string;
}): string {
  return `--api ${addresses.join(",")} --token-file ${tokenFile}`;
}
