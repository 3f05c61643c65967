/**
 * What the command line touches outside of itself. What was asked for goes to `out`, talk to people to
 * `talk` (stderr), so that `atlasnet ticket issue > file` and JSON logs stay clean.
 */
export interface CliIo {
  out(text: string): void;
  talk(text: string): void;
  /** Columns of the terminal. */
  readonly width: number;
  /** True when `talk` goes to a terminal, where a line can be written over. */
  readonly live?: boolean;
  /** The size that terminal has now. Absent: unknown. */
  readonly liveSize?: () => { readonly rows: number; readonly columns: number };
  /** The terminal that `out` goes to, with its rows now; undefined for a file or a pipe. */
  readonly terminal?: { readonly rows: number } | undefined;
  /** True when a parent speaks to the operator: no greetings from this process. */
  readonly supervised?: boolean;
  readonly env: { readonly [name: string]: string | undefined };
  readonly workingDir: string;
  /** Aborts when the process is asked to stop. */
  readonly stop: AbortSignal;
}

/** How the process ends. Stated in the help. */
export const ExitCode = {
  ok: 0,
  /** Something failed: a port in use, a full disk, a bug. */
  fault: 1,
  /** The command line or the configuration is wrong. */
  usage: 2,
  /** A cluster was asked for what is not there, or not as it was assumed. */
  notThere: 3,
  /** No apiserver answers, or there is no quorum. */
  tryAgain: 4,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];
