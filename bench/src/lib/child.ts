import { type ChildProcess, fork, type Serializable } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/**
 * Questions and answers between a benchmark and a process it forked. One question at a time per
 * child; a child that ends early fails the question.
 */
export class Child {
  readonly process: ChildProcess;

  /** `file` is a module beside the benchmark's, as `./x/y.js`. */
  constructor(file: string, base: string, execArgv: readonly string[] = []) {
    this.process = fork(fileURLToPath(new URL(file, base)), [], { execArgv: [...execArgv] });
  }

  async ask<Answer>(question: Serializable): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const { process: child } = this;
      const ended = () => reject(new Error(`${child.spawnfile}: a child process ended early`));
      child.once("exit", ended);
      child.once("message", (answer: { ok: boolean; value: Answer; error: string }) => {
        child.off("exit", ended);
        if (answer.ok) resolve(answer.value);
        else reject(new Error(answer.error));
      });
      child.send(question);
    });
  }

  async stop(): Promise<void> {
    const { process: child } = this;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, "exit");
    child.disconnect();
    await exit;
  }
}

/** The other side: answers each question of the parent, and ends when the parent is gone. */
export function answer<Question>(handle: (question: Question) => unknown): void {
  const send = (message: Serializable) => process.send?.(message);
  process.on("message", (question: Question) => {
    Promise.resolve()
      .then(() => handle(question))
      .then(
        (value) => send({ ok: true, value }),
        (error: unknown) => send({ ok: false, error: String(error) }),
      );
  });
  process.once("disconnect", () => process.exit(0));
}
