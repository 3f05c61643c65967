import {
  bothSinks,
  HistoryChecker,
  type HistorySink,
  type HistoryVerdict,
} from "@atlasnet/history";
import { HistoryFile } from "@atlasnet/history/node";

/** The history of the clients of one process: checked as it is made, and kept in a file if that was asked for. */
export class LoadHistory {
  private readonly checker = new HistoryChecker();
  private readonly file: HistoryFile | undefined;
  private readonly both: HistorySink;
  private over = false;

  constructor({ file }: { file: string | undefined }) {
    this.file = file === undefined ? undefined : new HistoryFile({ file });
    const { checker } = this;
    this.both = this.file === undefined ? checker.take : bothSinks(checker.take, this.file.sink);
  }

  /** A field, so that it can be handed on as it is. What comes after `finish` is not part of it. */
  readonly sink: HistorySink = (record) => {
    if (!this.over) this.both(record);
  };

  /** The load is over. @throws what the disk had against the file */
  async finish(): Promise<HistoryVerdict> {
    this.over = true;
    const verdict = this.checker.finish();
    await this.file?.close();
    return verdict;
  }

  get verdict(): HistoryVerdict {
    return this.checker.verdict();
  }
}
