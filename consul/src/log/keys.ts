/**
 * Where everything of one cluster stands in Consul's key-value store:
 *
 * | key | what |
 * |---|---|
 * | `head` | how far the log is, in which term, and where its checkpoint is; every write compares it |
 * | `leader` | the lock of the apiserver that writes |
 * | `log/<thousand>/<index>` | an entry |
 * | `blobs/<index>-<id>/<part>` | an entry's data, of one too large for a transaction |
 * | `checkpoints/<index>-<id>/<part>` | the state as it was after that entry |
 */
export class LogKeys {
  readonly head: string;
  readonly leader: string;
  readonly log: string;
  readonly blobs: string;
  readonly checkpoints: string;

  /** `prefix` as in atlasnet/games, without a slash at the end. */
  constructor(prefix: string) {
    this.head = `${prefix}/head`;
    this.leader = `${prefix}/leader`;
    this.log = `${prefix}/log/`;
    this.blobs = `${prefix}/blobs/`;
    this.checkpoints = `${prefix}/checkpoints/`;
  }

  entry(index: number): string {
    return `${this.folder(Math.floor(index / FOLDER))}${digits(index)}`;
  }

  /** Entries of a thousand, which go together. */
  folder(thousand: number): string {
    return `${this.log}${digits(thousand)}/`;
  }

  blob(index: number, id: string): string {
    return `${this.blobs}${digits(index)}-${id}/`;
  }

  checkpoint(index: number, id: string): string {
    return `${this.checkpoints}${digits(index)}-${id}/`;
  }

  part(of: string, part: number): string {
    return `${of}${String(part).padStart(6, "0")}`;
  }

  /** The thousands of entries that there are folders of, from the keys below `log`. */
  thousandOf(key: string): number {
    return Number(key.slice(this.log.length).split("/")[0]);
  }

  /** The index in the name of a blob or checkpoint, from one of its keys. */
  indexOf(key: string): number {
    return Number(key.split("/").at(-2)?.split("-")[0]);
  }
}

export const FOLDER = 1000;

function digits(value: number): string {
  return String(value).padStart(16, "0");
}
