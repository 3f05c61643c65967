import { open, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { type Boots, MAX_KNOWN_BOOTS } from "../control/member/boots.ts";
import { OperatingError } from "../errors.ts";
import { readSecretFile } from "./secret-file.ts";

const BOOT_FILE = "boot.json";
const MAX_FILE_CHARS = 8192;
const BOOT = /^[0-9a-f]{32}$/;

/**
 * The boots of a node in its data directory, `boot.json`: {"node": …, "folder": …, "boots": […]}, newest last. Only
 * for a process that holds the directory's lock: whoever wrote the file is gone then, for certain. `folder` is
 * the directory's number in its file system, so that a copy of the directory, whose original may run, proves
 * nothing. A file of another node's name counts for nothing either, nor does one that is damaged: then the
 * lease of the boot before has to run out.
 */
export class BootFile implements Boots {
  private readonly node: string;
  private readonly dir: string;
  private readonly file: string;
  private boots: readonly string[] | undefined;

  constructor({ dir, node }: { readonly dir: string; readonly node: string }) {
    this.node = node;
    this.dir = dir;
    this.file = join(dir, BOOT_FILE);
  }

  /** @throws OperatingError "unreadable-file" */
  async known(): Promise<ReadonlySet<string>> {
    this.boots ??= await this.read();
    return new Set(this.boots);
  }

  /** @throws OperatingError "unwritable-file" */
  async begins(boot: string): Promise<void> {
    const before = await this.known();
    await this.write([...before, boot].slice(-MAX_KNOWN_BOOTS));
  }

  /** @throws OperatingError "unwritable-file" */
  async registered(boot: string): Promise<void> {
    await this.write([boot]);
  }

  private async read(): Promise<readonly string[]> {
    let text: string | undefined;
    let folder = "";
    try {
      text = await readSecretFile(this.file);
      if (text !== undefined) folder = await this.folder();
    } catch (cause) {
      throw new OperatingError("unreadable-file", `${this.file} cannot be read`, {
        facts: { file: this.file },
        hint: "Make it readable for this user, or remove it: this node then waits until the lease of its last start has run out.",
        cause,
      });
    }
    return text === undefined ? [] : parse(text, { node: this.node, folder });
  }

  private async folder(): Promise<string> {
    return String((await stat(this.dir, { bigint: true })).ino);
  }

  private async write(boots: readonly string[]): Promise<void> {
    const draft = `${this.file}.tmp`;
    try {
      const folder = await this.folder();
      const handle = await open(draft, "w", 0o644);
      try {
        await handle.writeFile(`${JSON.stringify({ node: this.node, folder, boots })}\n`);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(draft, this.file);
    } catch (cause) {
      await rm(draft, { force: true }).catch(() => undefined);
      throw new OperatingError("unwritable-file", `${this.file} cannot be written`, {
        facts: { file: this.file },
        hint: "Make data.dir writable for this user, and make room on that disk.",
        cause,
      });
    }
    this.boots = boots;
  }
}

function parse(
  text: string,
  { node, folder }: { readonly node: string; readonly folder: string },
): readonly string[] {
  if (text.length > MAX_FILE_CHARS) return [];
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Damaged: it can prove nothing.
    return [];
  }
  const fields = new Map<string, unknown>(Object.entries(Object(value)));
  const boots = fields.get("boots");
  if (fields.get("node") !== node || fields.get("folder") !== folder) return [];
  if (!Array.isArray(boots)) return [];
  return boots
    .filter((boot): boot is string => typeof boot === "string" && BOOT.test(boot))
    .slice(-MAX_KNOWN_BOOTS);
}
