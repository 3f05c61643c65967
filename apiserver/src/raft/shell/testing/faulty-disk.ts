import { type Disk, DiskError, type DiskFile } from "@atlasnet/core";

/** A disk as a process sees it that may be killed, or whose syncs may begin to fail. */
export class FaultyDisk implements Disk {
  failSyncs = false;
  private readonly disk: Disk;
  private killed = false;
  private readonly underWay = new Set<Promise<unknown>>();
  private readonly files = new Set<DiskFile>();

  constructor(disk: Disk) {
    this.disk = disk;
  }

  /**
   * As kill -9: nothing begins any more, and nobody hears of what has begun. Resolves when that has
   * come to its end, for the next process must not run beside it.
   */
  async kill(): Promise<void> {
    this.killed = true;
    await Promise.allSettled([...this.underWay]);
    await Promise.allSettled([...this.files].map((file) => file.close()));
  }

  makeDir(path: string): Promise<void> {
    return this.run(() => this.disk.makeDir(path));
  }
  list(dir: string): Promise<readonly string[]> {
    return this.run(() => this.disk.list(dir));
  }
  read(path: string): Promise<Uint8Array> {
    return this.run(() => this.disk.read(path));
  }
  readPart(path: string, at: number, length: number): Promise<Uint8Array> {
    return this.run(() => this.disk.readPart(path, at, length));
  }
  open(path: string): Promise<DiskFile> {
    return this.run(async () => this.file(path, await this.disk.open(path)));
  }
  allocate(path: string, length: number): Promise<DiskFile> {
    return this.run(async () => this.file(path, await this.disk.allocate(path, length)));
  }
  rename(from: string, to: string): Promise<void> {
    return this.run(() => this.disk.rename(from, to));
  }
  remove(path: string): Promise<void> {
    return this.run(() => this.disk.remove(path));
  }
  syncDir(dir: string): Promise<void> {
    return this.run(() => this.disk.syncDir(dir));
  }

  private file(path: string, file: DiskFile): DiskFile {
    this.files.add(file);
    return {
      write: (bytes) => this.run(() => file.write(bytes)),
      sync: () =>
        this.run(async () => {
          if (this.failSyncs) throw new DiskError("sync", path, "EIO");
          await file.sync();
        }),
      close: () => {
        this.files.delete(file);
        return this.run(() => file.close());
      },
    };
  }

  private run<T>(work: () => Promise<T>): Promise<T> {
    if (this.killed) return new Promise(() => {});
    const done = work();
    this.underWay.add(done);
    const over = () => this.underWay.delete(done);
    done.then(over, over);
    return new Promise((resolve, reject) => {
      done.then(
        (value) => !this.killed && resolve(value),
        (error: unknown) => !this.killed && reject(error),
      );
    });
  }
}
