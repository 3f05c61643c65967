import { LoadDriver } from "./load-driver.ts";
import type { FromWorker, ToWorker } from "./worker-messages.ts";

/** The process that plays clients: `fork`ed by the coordinator, which it obeys and does not outlive. */

const PROGRESS_MS = 1_000;

let driver: LoadDriver | undefined;

function tell(message: FromWorker): void {
  process.send?.(message);
}

async function handle(message: ToWorker): Promise<void> {
  switch (message.type) {
    case "join": {
      driver = new LoadDriver(message.plan);
      const joining = driver;
      setInterval(() => tell({ type: "progress", progress: joining.progress() }), PROGRESS_MS);
      await joining.join();
      tell({ type: "joined" });
      break;
    }
    case "go":
      if (driver === undefined) throw new Error("go comes after join");
      await driver.run(message.timing);
      tell({ type: "done", result: driver.result() });
      await driver.leave();
      process.disconnect();
      break;
    case "stop":
      driver?.stop();
      break;
  }
}

process.on("message", (message: ToWorker) => {
  handle(message).catch((error: unknown) => {
    // The coordinator sees the process end, and its output.
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    process.exit(1);
  });
});
// A terminal signals the whole group; the coordinator says what is to be done.
for (const signal of ["SIGINT", "SIGHUP", "SIGTERM"] as const) process.on(signal, () => undefined);
process.once("disconnect", () => process.exit(0));
