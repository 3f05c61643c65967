import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Peer } from "@atlasnet/core";
import { writeSecretFile } from "@atlasnet/core/node";
import * as v from "valibot";
import { dateText } from "./certificate.ts";
import { readTextFile, unreadable, writing } from "./files.ts";
import { ROLES } from "./node-uri.ts";

/** What the CA remembers of a certificate it issued. Times are Unix, in ms. */
export interface IssuedRecord {
  readonly serial: string;
  readonly role: Peer["role"];
  readonly node: string;
  readonly notBefore: number;
  readonly notAfter: number;
  /** SHA-256 of the DER, in hexadecimal digits. */
  readonly fingerprint: string;
  /** SHA-256 of the public key's SPKI, likewise. */
  readonly key: string;
}

/** Most records that are read at once; beyond it the CA says so until old ones are moved away. */
export const MAX_RECORDS = 100_000;
const FILE_NAME = /^(?<node>[A-Za-z0-9][A-Za-z0-9._-]{0,63})\.(?<serial>[0-9a-f]{32})\.json$/;

const date = v.pipe(
  v.string(),
  v.transform((text) => Date.parse(text)),
  v.number(),
  v.finite(),
);
const Record = v.object({
  serial: v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/)),
  role: v.picklist(ROLES),
  node: v.pipe(v.string(), v.maxLength(64)),
  notBefore: date,
  notAfter: date,
  fingerprint: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
  key: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
});

/** The folder `issued` of a CA: a file per certificate, so that two processes never write the same one. */
export class IssuedRecords {
  private readonly dir: string;

  constructor(dir: string) {
    this.dir = dir;
  }

  /** @throws OperatingError "unwritable-file" */
  async add(record: IssuedRecord): Promise<void> {
    const { serial, role, node, fingerprint, key } = record;
    const file = join(this.dir, `${node}.${serial}.json`);
    const notBefore = dateText(record.notBefore);
    const notAfter = dateText(record.notAfter);
    const entry = { serial, role, node, notBefore, notAfter, fingerprint, key };
    const text = `${JSON.stringify(entry, undefined, 2)}\n`;
    if (!(await writing(file, writeSecretFile(file, text))))
      throw new Error(`the serial ${serial} was drawn twice`);
  }

  /** Undefined for a certificate that this CA did not issue, or whose record was removed. */
  async find(node: string, serial: string): Promise<IssuedRecord | undefined> {
    const name = `${node}.${serial.toLowerCase()}.json`;
    return FILE_NAME.test(name) ? this.read(join(this.dir, name)) : undefined;
  }

  /** Those of one node, the latest first. */
  async ofNode(node: string): Promise<IssuedRecord[]> {
    return this.readAll((name) => FILE_NAME.exec(name)?.groups?.["node"] === node);
  }

  /** All of them, by role and node, the latest first. */
  list(): Promise<IssuedRecord[]> {
    return this.readAll((name) => FILE_NAME.test(name));
  }

  private async readAll(wanted: (name: string) => boolean): Promise<IssuedRecord[]> {
    const names = (await this.names()).filter(wanted);
    if (names.length > MAX_RECORDS)
      throw unreadable(
        this.dir,
        `holds more than ${MAX_RECORDS} records`,
        "Move those of expired certificates away.",
      );
    const records: IssuedRecord[] = [];
    for (const name of names) {
      const record = await this.read(join(this.dir, name));
      // Undefined: removed in this moment.
      if (record !== undefined) records.push(record);
    }
    return records.sort(
      (a, b) => compare(a.role, b.role) || compare(a.node, b.node) || b.notAfter - a.notAfter,
    );
  }

  private async names(): Promise<string[]> {
    try {
      return await readdir(this.dir);
    } catch (cause) {
      if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return [];
      throw unreadable(
        this.dir,
        "cannot be read",
        "Make the folder readable for this user.",
        cause,
      );
    }
  }

  private async read(file: string): Promise<IssuedRecord | undefined> {
    const text = await readTextFile(file);
    if (text === undefined) return undefined;
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (cause) {
      throw damaged(file, cause);
    }
    const parsed = v.safeParse(Record, value);
    if (!parsed.success) throw damaged(file);
    return parsed.output;
  }
}

function damaged(file: string, cause?: unknown): Error {
  return unreadable(
    file,
    "is damaged",
    "Put a good copy back, or move it away: its certificate cannot be renewed any more then.",
    cause,
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
