import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Peer } from "@atlasnet/core";
import { writeSecretFile } from "@atlasnet/core/node";
import * as v from "valibot";
import type { Issued } from "./authority.ts";
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
}

/** Most records of a folder; beyond it issuing is refused until old ones are moved away. */
export const MAX_RECORDS = 100_000;
const FILE_NAME = /^[0-9a-f]{32}\.json$/;

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
});

/** The folder `issued` of a CA: a file per certificate, so that two processes never write the same one. */
export class IssuedRecords {
  private readonly dir: string;

  constructor(dir: string) {
    this.dir = dir;
  }

  async add(issued: Issued & { role: Peer["role"] }): Promise<void> {
    const { serial, role, node, notBefore, notAfter, fingerprint } = issued;
    const file = this.fileOf(serial);
    const record = {
      serial,
      role,
      node,
      notBefore: dateText(notBefore),
      notAfter: dateText(notAfter),
      fingerprint,
    };
    const text = `${JSON.stringify(record, undefined, 2)}\n`;
    if (!(await writing(file, writeSecretFile(file, text))))
      throw new Error(`the serial ${serial} was drawn twice`);
  }

  /** Undefined for a certificate that this CA did not issue, or whose record was removed. */
  async find(serial: string): Promise<IssuedRecord | undefined> {
    const name = `${serial.toLowerCase()}.json`;
    return FILE_NAME.test(name) ? this.read(join(this.dir, name)) : undefined;
  }

  /** All of them, by role and node, the latest first. */
  async list(): Promise<IssuedRecord[]> {
    const names = (await this.names()).filter((name) => FILE_NAME.test(name));
    if (names.length > MAX_RECORDS)
      throw unreadable(
        this.dir,
        `holds more than ${MAX_RECORDS} records`,
        "Move those of expired certificates away.",
      );
    const records: IssuedRecord[] = [];
    for (const name of names) {
      const record = await this.read(join(this.dir, name));
      // Removed in this moment.
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

  private fileOf(serial: string): string {
    return join(this.dir, `${serial}.json`);
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
