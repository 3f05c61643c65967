import { type Clock, OperatingError, type SecureRandom } from "@atlasnet/core";
import { readSecretFile, writeSecretFile } from "@atlasnet/core/node";
import { messageOf } from "@atlasnet/core/system";
import { createToken, parseToken, type TokenRecord } from "./tokens.ts";

export interface AdminToken {
  readonly id: string;
  readonly record: TokenRecord;
  /** It was made just now. */
  readonly created: boolean;
}

/**
 * The first administrator's token: a file that is made at the first start, for this user's eyes only. While
 * the file is there, the token in it is good.
 *
 * @throws OperatingError "bad-token-file", also when the file cannot be read or written
 */
export async function loadOrCreateAdminToken(
  { file, node }: { readonly file: string; readonly node: string },
  { clock, random }: { clock: Clock; random: SecureRandom },
): Promise<AdminToken> {
  const name = `admin of ${node}`.slice(0, 64);
  const now = clock.wallTime();
  try {
    const there = await readSecretFile(file);
    if (there !== undefined) return { ...read(file, there, name, now), created: false };
    const made = createToken({ name, role: "admin", created: now, expires: 0 }, random);
    if (await writeSecretFile(file, `${made.token}\n`))
      return { id: made.id, record: made.record, created: true };
    // Another process was faster.
    return { ...read(file, (await readSecretFile(file)) ?? "", name, now), created: false };
  } catch (error) {
    if (error instanceof OperatingError) throw error;
    throw new OperatingError("bad-token-file", `${file}: ${messageOf(error)}`, {
      cause: error,
      hint: "Let this user read and write there, or name another file in apiserver.adminToken.",
    });
  }
}

function read(file: string, text: string, name: string, now: number) {
  const token = parseToken(text.trim());
  if (token === undefined)
    throw new OperatingError("bad-token-file", `${file} holds no token of the API`, {
      hint: "Remove it: a new one is made at the next start.",
    });
  const { id, hash } = token;
  const record: TokenRecord = { name, role: "admin", hash, created: now, expires: 0 };
  return { id, record };
}
